"""What a Docker engine says of itself, and whether that is enough to protect a cell."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.cell.seccomp import ARCHITECTURES

OLDEST_RUNC = (1, 2, 8)
"""Older releases have known races in how they mask paths; a cell gives no chance to use them."""
DOCKER_ENGINE = "Engine"
_SAME_KERNEL = ("runc", "crun", "io.containerd.runc.v2", "youki")
"""Runtimes under which a container uses the machine's own kernel, and its filters."""
_OTHER_NAMES = {"amd64": "x86_64"}
"""Of machines: Docker speaks as the kernel does, Podman as Go does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """The parts of an engine's answers that matter to a cell."""

    name: str
    """``Engine`` for Docker's own, else whatever answers in its place."""
    server_version: str
    os_type: str
    architecture: str
    kernel: str
    cgroup_driver: str
    cgroup_version: str
    cpus: int
    memory_limit: bool
    swap_limit: bool
    pids_limit: bool
    cpuset: bool
    security: tuple[str, ...]
    """Names out of ``seccomp apparmor selinux userns rootless cgroupns``."""
    runtimes: tuple[str, ...]
    default_runtime: str
    runc_version: str

    @property
    def rootless(self) -> bool:
        """Whether the engine runs without root's rights."""
        return "rootless" in self.security


def facts_from(info: Mapping[str, Any], version: Mapping[str, Any]) -> EngineFacts:
    """Return the facts in the engine's answers to ``info`` and ``version``."""
    components = {part.get("Name"): part for part in version.get("Components") or ()}
    machine = str(info.get("Architecture", "unknown"))
    return EngineFacts(
        name=str(next(iter(components), DOCKER_ENGINE)),
        server_version=str(version.get("Version", "unknown")),
        os_type=str(info.get("OSType", "unknown")),
        architecture=_OTHER_NAMES.get(machine, machine),
        kernel=str(info.get("KernelVersion", "unknown")),
        cgroup_driver=str(info.get("CgroupDriver", "unknown")),
        cgroup_version=str(info.get("CgroupVersion", "1")),
        cpus=int(info.get("NCPU", 0)),
        memory_limit=bool(info.get("MemoryLimit")),
        swap_limit=bool(info.get("SwapLimit")),
        pids_limit=bool(info.get("PidsLimit")),
        cpuset=bool(info.get("CPUSet")),
        security=_security_names(info.get("SecurityOptions") or ()),
        runtimes=tuple(sorted(info.get("Runtimes") or ())),
        default_runtime=str(info.get("DefaultRuntime", "unknown")),
        runc_version=str(components.get("runc", {}).get("Version", "unknown")),
    )


def shortcomings(facts: EngineFacts, runtime: str | None = None) -> tuple[str, ...]:
    """Return what the engine lacks that a cell cannot do without; each says what to do."""
    found = []
    if facts.os_type != "linux":
        found.append(f"it runs {facts.os_type} containers; switch it to Linux containers")
    if facts.architecture not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        found.append(f"its machine is {facts.architecture!r}; cells are made for {known}")
    if "seccomp" not in facts.security:
        found.append("it cannot filter system calls; use a kernel and an engine with seccomp")
    found += _missing_limits(facts)
    if runtime is not None and runtime not in facts.runtimes:
        known = ", ".join(facts.runtimes)
        found.append(f"it has no runtime {runtime!r}; install it or choose one of {known}")
    return tuple(found)


def warnings_about(facts: EngineFacts, runtime: str | None = None) -> tuple[str, ...]:
    """Return what is worth mending though cells hold without it, or has to be proven by trying."""
    found = []
    if facts.name != DOCKER_ENGINE:
        found.append(f"{facts.name} answers in Docker's place; the canaries tell if its cells hold")
    chosen = runtime or facts.default_runtime
    if chosen not in (*_SAME_KERNEL, "unknown"):
        found.append(
            f"the runtime {chosen!r} puts a cell on a kernel of its own; every cell must prove its "
            "filters there too, or is refused"
        )
    if facts.rootless and facts.cgroup_version == "1":
        found.append("without root and on cgroup v1 limits are seldom kept; boot with cgroup v2")
    if not facts.swap_limit:
        found.append("swap is not limited; a policy's own address space still is")
    version = _numbers(facts.runc_version)
    if version and version < OLDEST_RUNC:
        wanted = ".".join(str(number) for number in OLDEST_RUNC)
        found.append(f"runc {facts.runc_version} is older than {wanted}; update it when you can")
    if not facts.cpuset:
        found.append("cells cannot be kept on one processor; timings will vary more")
    return tuple(found)


def _missing_limits(facts: EngineFacts) -> list[str]:
    delegate = "delegate the cgroup controllers to it (see its rootless guide) or run it as root"
    if facts.cgroup_driver == "none":
        return [f"it has no cgroup driver, so it ignores every limit; {delegate}"]
    found = []
    if not facts.memory_limit:
        found.append(f"it cannot limit memory; {delegate}")
    if not facts.pids_limit:
        found.append(f"it cannot limit processes; {delegate}")
    return found


def _security_names(options: Any) -> tuple[str, ...]:
    """Return the names out of entries such as ``name=seccomp,profile=default``."""
    names = []
    for option in options:
        first = str(option).split(",", 1)[0]
        names.append(first.removeprefix("name="))
    return tuple(names)


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version such as ``1.1.5+ds1``; empty where there are none."""
    numbers = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers)
