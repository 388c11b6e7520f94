"""What engines answer to ``info`` and ``version``, by kind, written from their documentation."""

from typing import Any

Answers = tuple[dict[str, Any], dict[str, Any]]


def docker(version: str = "28.3.0", runc: str = "1.3.3", **changes: Any) -> Answers:
    """Return the answers of a Docker engine on cgroup v2, with these changes."""
    info: dict[str, Any] = {
        "OSType": "linux",
        "Architecture": "x86_64",
        "KernelVersion": "6.8.0-60-generic",
        "OperatingSystem": "Ubuntu 24.04.2 LTS",
        "CgroupDriver": "systemd",
        "CgroupVersion": "2",
        "NCPU": 8,
        "MemoryLimit": True,
        "SwapLimit": True,
        "CpuCfsQuota": True,
        "PidsLimit": True,
        "CPUSet": True,
        "SecurityOptions": ["name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns"],
        "Runtimes": {"runc": {"path": "runc"}, "io.containerd.runc.v2": {"path": "runc"}},
        "DefaultRuntime": "runc",
        "SystemTime": "2026-11-22T16:00:00.123456789Z",
    }
    told = {
        "Version": version,
        "ApiVersion": "1.51",
        "Components": [
            {"Name": "Engine", "Version": version},
            {"Name": "containerd", "Version": "1.7.27"},
            {"Name": "runc", "Version": runc},
        ],
    }
    return info | changes, told


def podman(**changes: Any) -> Answers:
    """Return the answers of Podman's service behind Docker's API, with these changes."""
    info, _ = docker(
        Architecture="amd64",
        CgroupDriver="systemd",
        SecurityOptions=["name=seccomp,profile=default", "name=rootless", "name=selinux"],
        Runtimes={"crun": {"path": "/usr/bin/crun"}, "runc": {"path": "/usr/bin/runc"}},
        DefaultRuntime="crun",
        SystemTime="2026-11-22T17:00:00.123456789+01:00",
    )
    told = {
        "Version": "5.2.2",
        "ApiVersion": "1.41",
        "Components": [
            {"Name": "Podman Engine", "Version": "5.2.2"},
            {"Name": "Conmon", "Version": "conmon version 2.1.12"},
            {"Name": "OCI Runtime (crun)", "Version": "crun version 1.17"},
        ],
    }
    return info | changes, told


ROOTLESS = ["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"]
REMAPPED = ["name=apparmor", "name=seccomp,profile=builtin", "name=userns", "name=cgroupns"]
DESKTOP = ["name=seccomp,profile=unconfined", "name=cgroupns"]
OTHER_KERNELS = {"runsc": {"path": "runsc"}, "kata": {"path": "io.containerd.kata.v2"}}

GOOD: dict[str, tuple[Answers, tuple[str, ...]]] = {
    "docker 28, cgroup v2": (docker(), ()),
    "docker 20.10, cgroup v1": (
        docker(
            "20.10.24+dfsg1",
            "1.1.5+ds1-1+deb12u1",
            CgroupDriver="cgroupfs",
            CgroupVersion="1",
            SecurityOptions=["name=seccomp,profile=default"],
        ),
        ("runc 1.1.5+ds1-1+deb12u1 has known vulnerabilities",),
    ),
    "docker 28 without root, all limits delegated": (docker(SecurityOptions=ROOTLESS), ()),
    "docker 28 without root, cpuset not delegated": (
        docker(SecurityOptions=ROOTLESS, CPUSet=False),
        ("cannot be pinned to one processor",),
    ),
    "docker 28 with users remapped": (docker(SecurityOptions=REMAPPED), ()),
    "docker 28 without an account of swap": (docker(SwapLimit=False), ("swap is not limited",)),
    "docker desktop on arm": (docker(Architecture="aarch64", SecurityOptions=DESKTOP), ()),
    "docker with gvisor as its own choice": (
        docker(Runtimes={"runc": {}, **OTHER_KERNELS}, DefaultRuntime="runsc"),
        ("'runsc' gives a cell its own kernel",),
    ),
    "podman without root": (podman(), ("Podman Engine is not Docker",)),
    "podman as root on arm": (
        podman(Architecture="arm64", SecurityOptions=["name=seccomp,profile=default"]),
        ("Podman Engine is not Docker",),
    ),
}
"""By kind: what it answers, and what each of our warnings about it says, in order."""

BAD: dict[str, tuple[Answers, str]] = {
    "docker without root on cgroup v1": (
        docker(SecurityOptions=ROOTLESS, CgroupDriver="none", CgroupVersion="1"),
        "ignores every limit",
    ),
    "docker without root, memory not delegated": (
        docker(SecurityOptions=ROOTLESS, MemoryLimit=False),
        "cannot limit memory; delegate the cgroup controllers",
    ),
    "podman without root, processes not delegated": (
        podman(PidsLimit=False),
        "cannot limit processes; delegate the cgroup controllers",
    ),
    "an engine without system-call filters": (
        docker(SecurityOptions=["name=apparmor"]),
        "cannot filter system calls",
    ),
    "docker for windows containers": (docker(OSType="windows"), "runs windows containers"),
    "docker on a machine without a table": (
        docker(Architecture="riscv64"),
        "machine is 'riscv64'; cells are made for",
    ),
}
"""By kind: what it answers, and why no cell is started there."""
