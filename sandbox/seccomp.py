"""The system-call filter of the whole container: an allow-list for the native machine only.

It is the outer of two filters. This one must admit what it takes to start Python, fork workers and
load the simulator; each worker then installs a far narrower one of its own. No sockets, no new
namespaces, no mounts, no tracing, no io_uring, no memory files, no foreign calling conventions.
"""

from typing import Any

from simulator.cell.kernel import ADDR_NO_RANDOMIZE

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
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET: none may be asked for."""
_AF_UNIX = 1
_ASK = 0xFFFFFFFF
"""What personality(2) is given to ask for the present one."""
_EPERM = 1
_ENOSYS = 38


def seccomp_profile(architecture: str) -> dict[str, Any]:
    """Return the filter for an engine's machine, in the form that the engine takes."""
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": _EPERM,
        "architectures": [_ARCHITECTURES[architecture]],
        "syscalls": [
            {"names": list(ALLOWED_CALLS), "action": "SCMP_ACT_ALLOW"},
            _allow_if("clone", "SCMP_CMP_MASKED_EQ", _NEW_NAMESPACES, 0),
            _allow_if("socketpair", "SCMP_CMP_EQ", _AF_UNIX, 0),
            _allow_if("personality", "SCMP_CMP_EQ", ADDR_NO_RANDOMIZE, 0),
            _allow_if("personality", "SCMP_CMP_EQ", _ASK, 0),
            # The C library falls back to clone, whose flags can be seen.
            {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS},
        ],
    }


def _allow_if(call: str, comparison: str, value: int, value_two: int) -> dict[str, Any]:
    condition = {"index": 0, "op": comparison, "value": value, "valueTwo": value_two}
    return {"names": [call], "action": "SCMP_ACT_ALLOW", "args": [condition]}
