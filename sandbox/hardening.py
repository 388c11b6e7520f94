"""Builds the options of a cell's container in one pure function, which one test checks in full.

The system call filter is an allow-list for the native machine only. It admits what PID 1 needs to
start Python, fork workers and load the simulator; each worker then installs a far narrower one. It
admits no sockets but Unix pairs, no namespaces, mounts, tracing, io_uring or memory files, and no
other calling conventions.
"""

import json
from collections.abc import Mapping
from typing import Any

from sandbox.limits import Limits
from simulator.cell.addresses import NO_RANDOMISATION
from simulator.cell.seal import SPLIT, TRUSTED_UID
from simulator.domain import POLICIES

LABEL = "assay"
LABEL_VALUE = "cell"
OWNER_LABEL = "assay.owner"
DEADLINE_LABEL = "assay.deadline"
UPTIME_DEADLINE_LABEL = "assay.deadline.since-boot"

ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "PYTHONPATH": "/opt/assay:/opt/assay/site",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "LANG": "C.UTF-8",
}
ENTRYPOINT = ("python3", "-s", "-S", "-P", "-m", "simulator.cell.start")

_PRIVILEGES_TO_SPLIT = ("KILL", "SETGID", "SETPCAP", "SETUID")
_FILES_OF_PID1 = 256
_FILES_PER_WORKER = 4
_ARCHITECTURES = {
    "x86_64": "SCMP_ARCH_X86_64",
    "amd64": "SCMP_ARCH_X86_64",
    "aarch64": "SCMP_ARCH_AARCH64",
    "arm64": "SCMP_ARCH_AARCH64",
}

_FILES = """
access chdir close close_range dup dup2 dup3 epoll_create1 epoll_ctl epoll_pwait epoll_wait eventfd2
faccessat faccessat2 fchdir fcntl fstat fstatfs getcwd getdents64 ioctl lseek lstat newfstatat open
openat pipe2 poll ppoll pread64 pselect6 read readlink readlinkat readv select stat statfs statx
umask write writev
"""
_MEMORY = "brk madvise membarrier mmap mprotect mremap munmap"
_PROCESSES = """
arch_prctl execve exit exit_group futex get_robust_list getpgid getpgrp getpid getppid gettid kill
prctl restart_syscall rseq rt_sigaction rt_sigprocmask rt_sigreturn sched_getaffinity
sched_getparam sched_getscheduler sched_yield seccomp set_robust_list set_tid_address setpgid
setsid sigaltstack tgkill uname vfork wait4 waitid
"""
_IDENTITY = """
capget capset getegid geteuid getgid getgroups getresgid getresuid getuid setgid setgroups setresgid
setresuid setuid
"""
_LIMITS = "getrlimit getrusage prlimit64 setrlimit sysinfo times"
_TIME = """
clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep setitimer
"""
_OTHER = "getrandom recvfrom recvmsg sendmsg sendto setsockopt"

ALLOWED_CALLS = tuple(
    sorted(f"{_FILES} {_MEMORY} {_PROCESSES} {_IDENTITY} {_LIMITS} {_TIME} {_OTHER}".split())
)

_NEW_NAMESPACES = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET: all refused."""
_AF_UNIX = 1
_ASK = 0xFFFFFFFF
"""The argument with which personality(2) only returns the current value."""
_EPERM = 1
_ENOSYS = 38


def container_options(
    *,
    image_id: str,
    workers: int,
    per_scenario: int = 1,
    isolation: str,
    domain: str,
    limits: Limits,
    seccomp: Mapping[str, Any],
    cpu: int | None,
    labels: Mapping[str, str],
    runtime: str | None = None,
    role: str = POLICIES,
) -> dict[str, Any]:
    """Return the body of the engine API's request that creates a cell's container."""
    return {
        "Image": image_id,
        "Entrypoint": list(ENTRYPOINT),
        "Cmd": trusted_arguments(isolation, limits, domain, role),
        "User": "0:0" if isolation == SPLIT else f"{TRUSTED_UID}:{TRUSTED_UID}",
        "Env": [f"{name}={value}" for name, value in ENVIRONMENT.items()],
        "WorkingDir": "/",
        "Hostname": "cell",
        "Labels": {LABEL: LABEL_VALUE, **labels},
        "NetworkDisabled": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": True,
        "StdinOnce": True,  # the engine closes stdin when the caller is gone
        "Tty": False,
        "StopSignal": "SIGKILL",  # so that an engine that shuts down does not wait for it
        "HostConfig": _host_options(
            workers, per_scenario, isolation, limits, seccomp, cpu, runtime
        ),
    }


def _host_options(
    workers: int,
    per_scenario: int,
    isolation: str,
    limits: Limits,
    seccomp: Mapping[str, Any],
    cpu: int | None,
    runtime: str | None,
) -> dict[str, Any]:
    memory = limits.container_memory_bytes(per_scenario)
    options: dict[str, Any] = {
        "NetworkMode": "none",
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "CapAdd": list(_PRIVILEGES_TO_SPLIT) if isolation == SPLIT else [],
        "SecurityOpt": ["no-new-privileges", f"seccomp={json.dumps(seccomp)}"],
        "Privileged": False,
        "IpcMode": "none",
        "LogConfig": {"Type": "none", "Config": {}},
        "Memory": memory,
        "MemorySwap": memory,
        "PidsLimit": workers + limits.spare_pids,
        "CpusetCpus": "" if cpu is None else str(cpu),
        "OomScoreAdj": 500,
        "Ulimits": _ulimits(workers),
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "AutoRemove": True,  # so that nothing is left when the caller is killed
        "Init": False,  # PID 1 must be the simulator: when it ends, the kernel ends the workers
    }
    if runtime is not None:
        options["Runtime"] = runtime
    return options


def _ulimits(workers: int) -> list[dict[str, Any]]:
    hard = {
        "core": 0,
        "fsize": 0,
        "memlock": 0,
        "msgqueue": 0,
        "nofile": _FILES_OF_PID1 + _FILES_PER_WORKER * workers,
    }
    return [{"Name": name, "Soft": value, "Hard": value} for name, value in hard.items()]


def trusted_arguments(
    isolation: str, limits: Limits, domain: str, role: str = POLICIES
) -> list[str]:
    """Return the arguments of the trusted process, the same in both kinds of cell."""
    given = {
        "--domain": domain,
        "--role": role,
        "--isolation": isolation,
        "--memory-mb": limits.memory_mb,
        "--cpu-seconds": limits.whole_cpu_seconds,
        "--idle-seconds": limits.idle_seconds,
    }
    return [word for name, value in given.items() for word in (name, str(value))]


def seccomp_profile(architecture: str) -> dict[str, Any]:
    """Return the system call filter for ``architecture``, in the engine's format."""
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": _EPERM,
        "architectures": [_ARCHITECTURES[architecture]],
        "syscalls": [
            {"names": list(ALLOWED_CALLS), "action": "SCMP_ACT_ALLOW"},
            _allow_if("clone", "SCMP_CMP_MASKED_EQ", _NEW_NAMESPACES, 0),
            _allow_if("socketpair", "SCMP_CMP_EQ", _AF_UNIX, 0),
            _allow_if("personality", "SCMP_CMP_EQ", NO_RANDOMISATION, 0),
            _allow_if("personality", "SCMP_CMP_EQ", _ASK, 0),
            # The C library then falls back to clone, whose flags a filter can check.
            {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS},
        ],
    }


def _allow_if(call: str, comparison: str, value: int, value_two: int) -> dict[str, Any]:
    condition = {"index": 0, "op": comparison, "value": value, "valueTwo": value_two}
    return {"names": [call], "action": "SCMP_ACT_ALLOW", "args": [condition]}
