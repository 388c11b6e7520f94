"""The options of a cell's container: everything is locked, and no unknown option is set."""

import json
from typing import Any

import pytest

from sandbox.hardening import ALLOWED_CALLS, ENTRYPOINT, LABEL, container_options, seccomp_profile
from sandbox.limits import Limits
from simulator.cell.seal import ONE_UID, SPLIT

TOP_KEYS = {
    "Image", "Entrypoint", "Cmd", "User", "Env", "WorkingDir", "Hostname", "Labels",
    "NetworkDisabled", "AttachStdin", "AttachStdout", "AttachStderr", "OpenStdin", "StdinOnce",
    "Tty", "StopSignal", "HostConfig",
}  # fmt: skip
HOST_KEYS = {
    "NetworkMode", "ReadonlyRootfs", "CapDrop", "CapAdd", "SecurityOpt", "Privileged", "IpcMode",
    "LogConfig", "Memory", "MemorySwap", "PidsLimit", "CpusetCpus", "OomScoreAdj", "Ulimits",
    "RestartPolicy", "AutoRemove", "Init",
}  # fmt: skip


def options(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "image_id": "sha256:abc",
        "workers": 3,
        "isolation": SPLIT,
        "limits": Limits(),
        "seccomp": seccomp_profile("x86_64"),
        "cpu": 1,
        "domain": "/opt/assay/simulator/domains/pipelines",
        "labels": {"assay.owner": "me"},
    }
    return container_options(**(given | changes))


def test_no_option_is_set_that_is_not_on_the_list() -> None:
    built = options()

    assert set(built) == TOP_KEYS
    assert set(built["HostConfig"]) == HOST_KEYS


def test_nothing_of_the_host_is_mounted_or_shared() -> None:
    text = json.dumps(options())

    for word in ("Binds", "Mounts", "Volumes", "Devices", "PidMode", "UsernsMode", "unconfined"):
        assert word not in text


def test_network_ipc_and_log_are_off_and_the_root_is_read_only() -> None:
    host = options()["HostConfig"]

    assert host["NetworkMode"] == "none"
    assert host["ReadonlyRootfs"] is True
    assert host["IpcMode"] == "none"
    assert host["LogConfig"]["Type"] == "none"
    assert host["Privileged"] is False


def test_only_the_four_capabilities_that_start_up_needs_are_added() -> None:
    host = options()["HostConfig"]

    assert host["CapDrop"] == ["ALL"]
    assert host["CapAdd"] == ["KILL", "SETGID", "SETPCAP", "SETUID"]
    assert "no-new-privileges" in host["SecurityOpt"]


def test_a_one_uid_container_never_runs_as_root() -> None:
    built = options(isolation=ONE_UID)

    assert built["User"] == "64001:64001"
    assert built["HostConfig"]["CapAdd"] == []


def test_swap_adds_nothing_to_the_memory_limit() -> None:
    limits = Limits(memory_mb=100, trusted_memory_mb=200)
    host = options(limits=limits)["HostConfig"]

    assert host["Memory"] == host["MemorySwap"] == 300 << 20


def test_processes_and_files_are_counted_by_the_number_of_workers() -> None:
    host = options(workers=5, limits=Limits(spare_pids=10))["HostConfig"]

    assert host["PidsLimit"] == 15
    assert {one["Name"] for one in host["Ulimits"]} == {
        "core", "fsize", "memlock", "msgqueue", "nofile",
    }  # fmt: skip
    assert all(one["Soft"] == one["Hard"] for one in host["Ulimits"])


def test_stdin_closes_with_the_caller_and_the_container_removes_itself() -> None:
    built = options()

    assert built["StdinOnce"] is True
    assert built["HostConfig"]["AutoRemove"] is True
    assert built["HostConfig"]["Init"] is False


def test_no_secret_reaches_the_environment_or_the_command_line() -> None:
    built = options()

    names = {entry.split("=")[0] for entry in built["Env"]}
    assert names == {"PATH", "PYTHONPATH", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE", "LANG"}
    assert built["Entrypoint"] == list(ENTRYPOINT)
    assert set(built["Cmd"][::2]) == {
        "--isolation", "--domain", "--role", "--memory-mb", "--cpu-seconds", "--idle-seconds",
    }  # fmt: skip


def test_the_label_cannot_be_overwritten_by_accident() -> None:
    assert options()["Labels"] == {LABEL: "cell", "assay.owner": "me"}


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_container_filter_admits_one_native_architecture_only(machine: str) -> None:
    profile = seccomp_profile(machine)

    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert len(profile["architectures"]) == 1


def test_the_container_filter_admits_no_dangerous_call() -> None:
    refused = (
        "socket connect bind mount umount2 unshare setns ptrace bpf keyctl io_uring_setup "
        "memfd_create process_vm_readv pidfd_open perf_event_open userfaultfd chroot pivot_root "
        "mknod kexec_load init_module reboot personality shmget msgget semget splice vmsplice "
        "add_key clone3"
    ).split()

    assert [call for call in refused if call in ALLOWED_CALLS] == []
