"""What `scripts/base-image.sh` does with and without a registry, with fake programs for Docker."""

from pathlib import Path

import pytest

from tests.setup.fake_programs import DOCKER, Machine

UNAVAILABLE, INTERRUPTED = 4, 130


def test_the_name_is_told_without_asking_anybody(machine: Machine) -> None:
    first = machine.run("base-image.sh", "--name")
    second = machine.run("base-image.sh", "--name")

    assert first.code == 0
    assert first.out.startswith("assay-base:py311-")
    assert first.out == second.out
    assert first.calls == ""


def test_a_registry_that_answers_gives_the_base_once(machine: Machine) -> None:
    machine.add("docker", DOCKER)
    (machine.state / "registry").touch()

    first = machine.run("base-image.sh")
    second = machine.run("base-image.sh")

    assert (first.code, second.code) == (0, 0), first.err
    assert "base: pulling python:3.11-slim-bookworm" in first.out
    assert second.out.endswith("is there\n")
    assert second.calls.count("docker pull") == 1


def test_a_base_made_before_is_imported_without_a_registry(machine: Machine) -> None:
    machine.add("docker", DOCKER)
    name = machine.run("base-image.sh", "--name").out.strip()
    tarball = machine.state / ".cache" / "assay" / f"{name.replace(':', '-')}.tar.gz"
    tarball.parent.mkdir(parents=True)
    tarball.write_bytes(b"a root file system")

    ended = machine.run("base-image.sh")

    assert ended.code == 0, ended.err
    assert f"importing {tarball}" in ended.out
    assert "docker pull" not in ended.calls


def test_without_registry_and_root_the_message_says_what_to_do(user_machine: Machine) -> None:
    user_machine.add("docker", DOCKER)

    ended = user_machine.run("base-image.sh")

    assert ended.code == UNAVAILABLE
    assert "making a base image from packages needs root" in ended.err
    assert "docker pull python:3.11-slim-bookworm" in ended.err


def test_a_debootstrap_that_fails_shows_the_end_of_its_log(
    machine: Machine, tmp_path: Path
) -> None:
    machine.add("docker", DOCKER)
    machine.add(
        "debootstrap", 'echo "debootstrap $*" >>"$STATE/calls"; echo mirror is gone; exit 1'
    )
    machine.add("apt-get", 'echo "apt-get $*" >>"$STATE/calls"')

    ended = machine.run("base-image.sh", TMPDIR=str(tmp_path))

    assert ended.code == UNAVAILABLE
    assert "debootstrap could not make a base image" in ended.err
    assert not list(tmp_path.glob("assay-base.*"))


TAKES_LONG = 'echo $$ >"$STATE/pid"; echo unpacking libc6; exec sleep 60'


@pytest.mark.parametrize("step", ["debootstrap", "tar", "docker import"])
def test_ctrl_c_ends_the_step_and_leaves_nothing_half_done(
    machine: Machine, tmp_path: Path, step: str
) -> None:
    bodies = {"docker": DOCKER, "debootstrap": "true", "find": "true", "apt-get": "true"}
    bodies["tar"] = "echo packed"
    if step == "docker import":
        bodies["docker"] = f"case $1 in import) {TAKES_LONG} ;; esac\n{DOCKER}"
    else:
        bodies[step] = f"exec >&2; {TAKES_LONG}"
    for name, body in bodies.items():
        (machine.programs / name).unlink(missing_ok=True)
        machine.add(name, body)

    ended = machine.interrupt("base-image.sh", " s: unpacking libc6", TMPDIR=str(tmp_path))

    assert ended.code == INTERRUPTED, ended.err
    assert list(tmp_path.glob("assay-base.*")) == []
    cache = machine.state / ".cache" / "assay"
    whole = [path.name for path in cache.iterdir()]
    assert all(name.endswith(".tar.gz") for name in whole) and (step == "docker import") == bool(
        whole
    )
    stat = Path("/proc", (machine.state / "pid").read_text().strip(), "stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"
