"""The image of a cell: its name follows its source, and building it needs no network inside."""

import json
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sandbox.image import DOCKERFILE, WHEELS_LOCK, image_tag, simulator_files, source_hash
from sandbox.image_build import BuildError, build_image, main
from simulator.domain import open_domain
from tests.setup.fake_programs import ROOT
from tests.support.domains import TOY_FOLDER

PROBE = "import numpy, msgspec, simulator, sys; print(simulator.__path__[0], hash('a') != 0)"


def copied(folder: Path) -> Path:
    """Copy everything that goes into the image."""
    for name, path in simulator_files(ROOT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, folder / name)
    for name in (DOCKERFILE, WHEELS_LOCK):
        shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of everything that goes into the image."""
    return copied(tmp_path)


def test_a_copy_of_the_simulator_has_the_same_hash(copy: Path) -> None:
    assert source_hash(copy) == source_hash()
    assert image_tag(copy) == f"assay-sim:{source_hash()[:12]}"


@pytest.mark.parametrize("name", ["simulator/suites.py", DOCKERFILE, WHEELS_LOCK])
def test_a_changed_byte_changes_the_hash(copy: Path, name: str) -> None:
    before = source_hash(copy)

    with (copy / name).open("a") as changed:
        changed.write(" ")

    assert source_hash(copy) != before


def test_a_renamed_file_changes_the_hash(copy: Path) -> None:
    before = source_hash(copy)

    (copy / "simulator" / "suites.py").rename(copy / "simulator" / "suite.py")

    assert source_hash(copy) != before


def test_caches_and_traces_are_not_source(copy: Path) -> None:
    before = source_hash(copy)

    for name in ("__pycache__/a.pyc", "_traces/a.csv", "cell/__pycache__/b.pyc", ".cache/c"):
        path = copy / "simulator" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("anything")

    assert source_hash(copy) == before


def test_without_an_engine_the_build_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")

    code = main(["--base", "assay-base:none"])

    assert code == 4
    assert "no Docker engine answers" in capsys.readouterr().err


def docker(*arguments: str) -> str:
    """Run a docker command and return what it printed."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a simulator like no other, so that nobody else has or removes its image."""
    copy = copied(tmp_path_factory.mktemp("other"))
    extra = f'"""Makes this simulator one of its own: {uuid.uuid4()}."""\n'
    (copy / "simulator" / "extra.py").write_text(extra)
    return copy


@pytest.fixture(scope="module")
def built(other: Path) -> Iterator[str]:
    """The tag of the image of that simulator, gone after the tests."""
    name = [str(ROOT / "scripts" / "base-image.sh"), "--name"]
    base = subprocess.run(name, capture_output=True, text=True, check=True).stdout.strip()
    tag = build_image(base, ROOT / ".assay-setup" / "image", other, latest=False)
    yield tag
    docker("image", "rm", tag)


@pytest.mark.docker
def test_an_image_is_named_and_labelled_by_its_source_and_runs_the_simulator(
    built: str, other: Path
) -> None:
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", built))
    flags = ("--rm", "--network", "none", "--read-only", "--cap-drop", "ALL")
    told = docker("run", *flags, "--entrypoint", "python3", built, "-s", "-S", "-P", "-c", PROBE)

    assert built == image_tag(other)
    assert labels["assay.source"] == source_hash(other)
    assert told == "/opt/assay/simulator True\n"


@pytest.mark.docker
def test_nothing_in_the_image_changes_its_user(built: str) -> None:
    find = ("find", "/", "-xdev", "-type", "f", "-perm", "/6000")
    told = docker("run", "--rm", "--network", "none", "--entrypoint", find[0], built, *find[1:])

    assert told == ""


@pytest.mark.docker
def test_a_base_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="base image 'localhost:1/none' does not exist here"):
        build_image("localhost:1/none", tmp_path)


@pytest.fixture
def own_domain(tmp_path: Path) -> Iterator[Path]:
    """A domain like no other, whose image is gone after the test."""
    folder = tmp_path / "mine"
    shutil.copytree(TOY_FOLDER, folder)
    (folder / "one.py").write_text(f'"""Makes it one of its own: {uuid.uuid4()}."""\n')
    yield folder
    subprocess.run(["docker", "image", "rm", image_tag(domain=open_domain(folder))])


@pytest.mark.docker
@pytest.mark.nightly
@pytest.mark.parametrize("step", ["run", "download", "build"])
def test_ctrl_c_in_each_step_leaves_no_tag_and_no_draft(
    own_domain: Path, tmp_path: Path, step: str
) -> None:
    base = subprocess.run(
        [ROOT / "scripts" / "base-image.sh", "--name"], capture_output=True, text=True, check=True
    ).stdout.strip()
    work = tmp_path / "work"
    words = ("image", "--domain", own_domain, "--base", base, "--work", work)
    program = [sys.executable, "-m", "flows.cli", *map(str, words)]
    inspect = ["docker", "image", "inspect", image_tag(domain=open_domain(own_domain))]

    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as process:
        while not any(step in words for words in children(process.pid)):
            assert process.poll() is None, f"it ended before {step}"
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        said = process.stderr.read()

    assert (process.returncode, said.strip()) == (130, "assay: interrupted")
    assert subprocess.run(inspect, capture_output=True).returncode != 0
    assert [path.name for path in work.iterdir() if not path.name.startswith("site-")] == []
    assert subprocess.run(program).returncode == 0
    assert subprocess.run(inspect, capture_output=True).returncode == 0


def children(pid: int) -> list[list[str]]:
    """The command lines of the processes that a process started."""
    found = []
    for each in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in each.read_text().split():
            with suppress(FileNotFoundError, ProcessLookupError):
                found.append(Path(f"/proc/{child}/cmdline").read_text().split("\0"))
    return found
