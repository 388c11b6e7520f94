"""What a wheel of this project holds, so that an installed assay works without a checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sandbox.image import simulator_files, source_hash
from tests.setup.fake_programs import ROOT


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a freshly built wheel, as they would lie in site-packages."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(next(folder.glob("assay-*.whl"))) as wheel:
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


def test_the_command_is_called_assay_and_the_licence_is_there(unpacked: Path) -> None:
    info = next(unpacked.glob("assay-*.dist-info"))

    assert "assay = flows.cli.main:main" in (info / "entry_points.txt").read_text()
    assert "MIT License" in (info / "licenses" / "LICENSE").read_text()
