"""What a wheel of this project holds, so that an installed assay works without a checkout."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sandbox.image import simulator_files, source_hash
from tests.setup.fake_programs import ROOT

MOST_BYTES = 3_000_000


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a freshly built wheel, as they would lie in site-packages."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    built = next(folder.glob("assay-*.whl"))
    assert built.stat().st_size < MOST_BYTES
    with zipfile.ZipFile(built) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def test_an_installed_assay_looks_for_the_same_image_as_the_checkout(unpacked: Path) -> None:
    assert source_hash(unpacked) == source_hash(ROOT)


def test_every_file_of_the_packages_is_in_the_wheel(unpacked: Path) -> None:
    wanted = [
        path.relative_to(ROOT)
        for package in ("flows", "sandbox", "simulator")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]

    assert len(wanted) > len(list(simulator_files(ROOT)))
    assert [name for name in wanted if not (unpacked / name).is_file()] == []


def test_the_traces_are_in_the_wheel(unpacked: Path) -> None:
    traces = [path.relative_to(ROOT / "traces") for path in (ROOT / "traces").rglob("*.*")]

    assert traces
    assert [name for name in traces if not (unpacked / "simulator/_traces" / name).is_file()] == []


def test_the_pages_are_in_the_wheel_and_scripts_only_as_they_are_used(unpacked: Path) -> None:
    pages = {path.name for path in (unpacked / "flows" / "_docs").iterdir()}
    scripts = {path.relative_to(unpacked / "flows").as_posix() for path in unpacked.rglob("*.js")}

    assert pages == {path.name for path in (ROOT / "docs").glob("*.md")}
    assert {name for name in scripts if name.startswith("report/vega/")} == {
        f"report/vega/{name}.min.js" for name in ("vega", "vega-lite", "vega-embed")
    }


def test_the_command_is_called_assay_and_the_licence_is_there(unpacked: Path) -> None:
    info = next(unpacked.glob("assay-*.dist-info"))

    assert "assay = flows.cli.main:main" in (info / "entry_points.txt").read_text()
    assert "MIT License" in (info / "licenses" / "LICENSE").read_text()


@pytest.mark.slow
def test_an_installed_assay_evaluates_and_reports_on_every_shipped_domain(
    unpacked: Path, tmp_path: Path
) -> None:
    listed = json.loads(typed(unpacked, tmp_path, "domains", "list", "--json"))["domains"]
    assert len(listed) >= 2
    for domain in listed:
        where = ("--domain", domain["name"], "--cell", "process")
        shown = json.loads(typed(unpacked, tmp_path, "domains", "show", domain["name"], "--json"))

        tried = ("evaluate", shown["reference"], *where, "--split", "validation", "--json")
        evaluated = json.loads(typed(unpacked, tmp_path, *tried))

        assert shown["folder"].startswith(str(unpacked))
        assert evaluated["score"] == 1.0


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.parametrize("domain", ["pipelines", "faas"])
def test_an_installed_assay_searches_and_writes_a_page_with_its_drawings(
    unpacked: Path, tmp_path: Path, domain: str
) -> None:
    where = ("--domain", domain, "--cell", "process")
    typed(unpacked, tmp_path, "run", "--direct", *where, "--name", "any", "--candidates", "1")

    page = Path(typed(unpacked, tmp_path, "report", "any", "--out", "page.html").strip())

    assert "vegaEmbed" in (tmp_path / page).read_text(encoding="utf-8")


def test_an_installed_assay_names_a_command_that_it_has(unpacked: Path, tmp_path: Path) -> None:
    ask = "from sandbox.image import build_command; print(build_command())"

    said = typed(unpacked, tmp_path, code=ask)

    assert said == "assay image\n"


def typed(unpacked: Path, folder: Path, *arguments: str, code: str = "") -> str:
    """Return what ``assay ARGUMENTS``, or some code, prints where only the wheel is installed."""
    program = ["-c", code] if code else ["-m", "flows.cli", *arguments]
    done = subprocess.run(
        [sys.executable, "-P", *program],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(unpacked), "ASSAY_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
