"""Builds the options of a cell's container: one pure function, so that one test vouches for all."""

import json
from collections.abc import Mapping
from typing import Any

from sandbox.limits import Limits
from simulator.cell.seal import SPLIT, TRUSTED_UID

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


def container_options(
    *,
    image_id: str,
    workers: int,
    isolation: str,
    limits: Limits,
    seccomp: Mapping[str, Any],
    cpu: int | None,
    labels: Mapping[str, str],
    runtime: str | None = None,
) -> dict[str, Any]:
    """Return the body of the request that creates a cell's container, in the engine's own words."""
    return {
        "Image": image_id,
        "Entrypoint": list(ENTRYPOINT),
        "Cmd": trusted_arguments(isolation, limits),
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
        "StopSignal": "SIGKILL",  # so that an engine that shuts down need not wait for it
        "HostConfig": _host_options(workers, isolation, limits, seccomp, cpu, runtime),
    }


def _host_options(
    workers: int,
    isolation: str,
    limits: Limits,
    seccomp: Mapping[str, Any],
    cpu: int | None,
    runtime: str | None,
) -> dict[str, Any]:
    memory = limits.container_memory_bytes
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
        "AutoRemove": True,  # so that nothing stays when the caller is killed
        "Init": False,  # PID 1 must be the simulator: its end is the end of all others
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


def trusted_arguments(isolation: str, limits: Limits) -> list[str]:
    """Return the arguments of the trusted process, in whatever kind of cell it runs."""
    given = {
        "--isolation": isolation,
        "--memory-mb": limits.memory_mb,
        "--cpu-seconds": limits.whole_cpu_seconds,
        "--idle-seconds": limits.idle_seconds,
    }
    return [word for name, value in given.items() for word in (name, str(value))]
