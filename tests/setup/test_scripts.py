"""The set-up as a user meets it: make's list of targets, a second set-up, the lock files."""

import fcntl
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.setup.fake_programs import ROOT, Machine

SCRIPTS = sorted((ROOT / "scripts").glob("*.sh"))
OTHER_SIMULATORS = Path("tests/domains/faas/differential")
LOCKS = (
    "requirements.lock",
    "requirements-image.lock",
    "requirements-model.lock",
    *(str(OTHER_SIMULATORS / f"{each}.lock") for each in ("ciw", "libcachesim", "simfaas")),
)


def make(*targets: str) -> str:
    """Run make in the project's folder and return what it printed."""
    done = subprocess.run(
        ["make", "--no-print-directory", *targets],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_make_alone_lists_every_target() -> None:
    listed = [line.split()[1] for line in make().splitlines()]
    (there_are,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.M)

    assert listed == there_are.split()


@pytest.mark.docker
@pytest.mark.timeout(900)
def test_a_second_set_up_finds_all_four_steps_done() -> None:
    make("setup")

    lines = make("setup").splitlines()

    assert [line.split(":")[0] for line in lines] == ["venv", "engine", "base", "image"]
    assert lines[0] == "venv: up to date"
    assert lines[1].startswith("engine: using the Docker engine that answers")
    assert lines[2].endswith("is there")
    assert lines[3].endswith("is there")


def test_an_unsupported_python_is_refused_with_the_way_to_name_another(machine: Machine) -> None:
    machine.add("python3.11", "exit 1")

    ended = machine.run("venv.sh", ASSAY_VENV=str(machine.state / "venv"))

    assert ended.code == 2
    assert "found no Python 3.11, 3.12 or 3.13" in ended.err
    assert "make PYTHON=/path/to/python3.11" in ended.err


def test_a_step_that_another_run_is_at_says_that_it_waits(machine: Machine) -> None:
    lock = machine.state / "setup" / "browser.lock"
    lock.parent.mkdir()
    machine.add("apt-get", "true")

    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ended = machine.interrupt("browser.sh", "waiting for another run of this step")

    assert ended.out == "browser: 0 s: waiting for another run of this step\n" * ended.out.count(
        "\n"
    )


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_pins_every_package_by_hash_and_names_no_host(name: str) -> None:
    text = (ROOT / name).read_text()
    entries = re.split(r"\n(?=[a-z])", text)

    assert len(entries) >= 2
    for entry in entries:
        assert re.match(r"[a-z0-9.-]+==\S+", entry), entry[:80]
        assert "--hash=sha256:" in entry, entry[:80]
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text


def test_the_image_has_the_versions_the_host_has() -> None:
    host, image = (
        dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE))
        for name in LOCKS[:2]
    )

    assert set(image) == {"msgspec", "numpy"}
    assert image.items() <= host.items()


@pytest.mark.parametrize("script", [*SCRIPTS, ROOT / ".ci" / "run"], ids=lambda path: path.name)
def test_a_script_is_executable_bash_that_parses(script: Path) -> None:
    bash = shutil.which("bash")
    assert bash is not None

    parsed = subprocess.run([bash, "-n", str(script)], capture_output=True, text=True, check=False)

    assert parsed.returncode == 0, parsed.stderr
    sourced = script.name == "common.sh"
    assert sourced or script.read_text().startswith("#!/usr/bin/env bash\n")
    assert sourced or script.stat().st_mode & 0o111
