"""What `scripts/engine.sh` does on machines of every kind, with fake programs for Docker."""

import os
import socket

from tests.setup.fake_programs import DOCKER, DOCKERD, DOCKERD_THAT_DIES, Machine

UNAVAILABLE = 4


def test_an_engine_that_answers_is_used_and_nothing_is_started(machine: Machine) -> None:
    machine.add("docker", DOCKER)
    machine.add("dockerd", DOCKERD)
    (machine.state / "up").touch()

    ended = machine.run("engine.sh")

    assert ended.code == 0
    assert ended.out == "engine: using the Docker engine that answers (version 20.10.24)\n"
    assert "dockerd" not in ended.calls


def test_a_dead_docker_host_is_named_and_nothing_is_installed(machine: Machine) -> None:
    machine.add("docker", DOCKER)
    machine.add("dockerd", DOCKERD)
    machine.add("apt-get", 'echo "apt-get $*" >>"$STATE/calls"')

    ended = machine.run("engine.sh", DOCKER_HOST="tcp://127.0.0.1:1")

    assert ended.code == UNAVAILABLE
    assert "DOCKER_HOST is 'tcp://127.0.0.1:1', but no Docker engine answers there" in ended.err
    assert "unset DOCKER_HOST" in ended.err
    assert "dockerd" not in ended.calls
    assert "apt-get" not in ended.calls


def test_a_docker_host_without_the_docker_command_is_not_called_dead(machine: Machine) -> None:
    ended = machine.run("engine.sh", DOCKER_HOST="tcp://127.0.0.1:1")

    assert ended.code == UNAVAILABLE
    assert "there is no docker command to reach it with" in ended.err


def test_a_dead_docker_context_is_named_and_nothing_is_started(machine: Machine) -> None:
    machine.add("docker", DOCKER)
    machine.add("dockerd", DOCKERD)
    (machine.state / "config.json").write_text('{"auths": {},\n "currentContext":\n "chosen"}')

    for variables, name in [({"DOCKER_CONTEXT": "far-away"}, "far-away"), ({}, "chosen")]:
        ended = machine.run("engine.sh", DOCKER_CONFIG=str(machine.state), **variables)

        assert ended.code == UNAVAILABLE
        assert f"is '{name}', but no Docker engine answers there" in ended.err
        assert "unset DOCKER_CONTEXT" in ended.err or "docker context use default" in ended.err
        assert "dockerd" not in ended.calls


def test_the_default_context_is_the_engine_of_this_machine(machine: Machine) -> None:
    machine.add("docker", DOCKER)
    machine.add("dockerd", DOCKERD)

    assert machine.run("engine.sh", DOCKER_CONTEXT="default").code == 0


def test_an_installed_engine_is_started_and_outlives_the_script(machine: Machine) -> None:
    machine.add("docker", DOCKER)
    machine.add("dockerd", DOCKERD)

    ended = machine.run("engine.sh")

    assert ended.code == 0, ended.err
    assert "engine: starting dockerd" in ended.out
    assert "engine: started a Docker engine (version 20.10.24)" in ended.out
    os.kill(int((machine.state / "dockerd.pid").read_text()), 0)


def test_files_of_a_daemon_that_is_gone_are_removed_before_the_start(machine: Machine) -> None:
    machine.add("docker", DOCKER)
    machine.add("dockerd", DOCKERD)
    pid_file, socket_file = machine.run_dir / "docker.pid", machine.run_dir / "docker.sock"
    # The number lives on, as it may after a restart of the machine, but in another program.
    pid_file.write_text(str(os.getpid()))
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(os.path.relpath(socket_file))

    ended = machine.run("engine.sh")

    assert ended.code == 0, ended.err
    assert f"removing {pid_file}, left by a daemon that is gone" in ended.out
    assert f"removing {socket_file}, left by a daemon that is gone" in ended.out
    assert not pid_file.exists()
    assert not socket_file.exists()


def test_a_daemon_that_dies_is_tried_in_plainer_ways_and_its_log_is_shown(machine: Machine) -> None:
    machine.add("docker", DOCKER)
    machine.add("dockerd", DOCKERD_THAT_DIES)

    ended = machine.run("engine.sh")

    assert ended.code == UNAVAILABLE
    assert "no space left in the fake kernel" in ended.err
    assert "dockerd does not start here" in ended.err
    assert [line for line in ended.calls.splitlines() if line.startswith("dockerd")] == [
        "dockerd ",
        "dockerd --iptables=false --bridge=none",
        "dockerd --iptables=false --bridge=none --storage-driver=vfs",
    ]


def test_a_missing_engine_is_installed_with_apt_get_and_started(machine: Machine) -> None:
    (machine.state / "docker").write_text(f"#!/bin/bash\n{DOCKER}")
    (machine.state / "dockerd").write_text(f"#!/bin/bash\n{DOCKERD}")
    machine.add(
        "apt-get",
        'echo "apt-get $*" >>"$STATE/calls"\n'
        'case "$*" in *install*docker.io*)\n'
        f'    for name in docker dockerd; do mv "$STATE/$name" "{machine.programs}"; done\n'
        f'    chmod 755 "{machine.programs}/docker" "{machine.programs}/dockerd" ;;\nesac',
    )

    ended = machine.run("engine.sh")

    assert ended.code == 0, ended.err
    assert "installing the one of this system's packages" in ended.out
    assert "apt-get -q update" in ended.calls
    assert "started a Docker engine" in ended.out


def test_without_root_one_message_says_what_to_type(user_machine: Machine) -> None:
    user_machine.add("apt-get", 'echo "apt-get $*" >>"$STATE/calls"')

    ended = user_machine.run("engine.sh")

    assert ended.code == UNAVAILABLE
    assert "none can be installed here: that needs root" in ended.err
    assert "sudo apt-get install -y docker.io" in ended.err
    assert "apt-get" not in ended.calls


def test_an_installed_engine_that_needs_root_to_start_is_not_installed_again(
    user_machine: Machine,
) -> None:
    user_machine.add("docker", DOCKER)
    user_machine.add("dockerd", DOCKERD)

    ended = user_machine.run("engine.sh")

    assert ended.code == UNAVAILABLE
    assert "installed but not running, and starting it needs root" in ended.err
    assert "sudo systemctl start docker" in ended.err
    assert "dockerd" not in ended.calls
