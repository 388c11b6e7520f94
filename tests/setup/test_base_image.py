"""What `scripts/base-image.sh` does with and without a registry, with fake programs for Docker."""

from pathlib import Path

from tests.setup.fake_programs import DOCKER, Machine

UNAVAILABLE = 4


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
