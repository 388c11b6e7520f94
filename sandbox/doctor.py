"""Checks whether this machine can run untrusted policies: engine, image, and canaries.

A canary is a small hostile policy that a real cell must stop, run the same way as any candidate.
"""

import platform
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.daemon import DOCKER_ENGINE, Daemon, EngineFacts, shortcomings, warnings_about
from sandbox.errors import SandboxError
from sandbox.image import image_tag
from sandbox.limits import Limits
from sandbox.outcome import Evaluation, Outcome
from sandbox.process_cells import ProcessCells
from sandbox.provider import DOCKER
from sandbox.trial import Payload, Sandbox
from simulator.cell.kernel import CAP_KILL
from simulator.cell.seal import ONE_UID, SPLIT
from simulator.domain import Domain, find_domain

_ATTEMPT = """
import os, socket, sys

def attempt():
    {attempt}

try:
    attempt()
except BaseException as error:
    print("blocked:", type(error).__name__)
else:
    print("not blocked")
"""

_CANARY_LIMITS = Limits(
    call_cpu_seconds=1.0, policy_cpu_seconds=2.0, wall_seconds=30.0, memory_mb=64, idle_seconds=60
)
_USERS = {
    SPLIT: "each policy has a user id of its own",
    ONE_UID: "policies share the simulator's user id",
}
_CAPABILITIES = {"0x0": "no capabilities", f"{1 << CAP_KILL:#x}": "capability KILL only"}
_UNSAFE = "do not run untrusted policies here; see assay docs security"


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """One thing that a cell must stop, and the evidence that it did."""

    name: str
    attempt: str
    """What the policy tries, such as "a network connection"."""
    source: str
    outcome: Outcome = Outcome.OK
    error: str = ""
    """The exception that the policy must get; empty where the outcome alone is the evidence."""

    def is_blocked(self, evaluation: Evaluation) -> bool:
        """Tell whether the attempt ended as it must."""
        if evaluation.outcome is not self.outcome:
            return False
        return not self.error or evaluation.prints.strip() == f"blocked: {self.error}"


def canaries(idle_policy: str) -> tuple[Canary, ...]:
    """Return the canaries of ``assay doctor``: the promises that can be tried within seconds.

    ``idle_policy`` is the source of a policy of the domain that decides nothing.
    """
    refused = {
        "network": ("a network connection", "socket.socket().connect(('192.0.2.1', 80))"),
        "unix-socket": ("a Unix socket", "socket.socketpair()"),
        "fork": ("a child process", "os.fork()"),
        "exec": ("another program", "os.execv('/bin/true', ['true'])"),
        "read-file": ("reading /etc/passwd", "open('/etc/passwd').read()"),
        "write-file": ("creating a file", "open('/canary', 'w').write('x')"),
        "signal": ("killing process 1", "os.kill(1, 9)"),
        "sleep": ("sleeping for 1 s", "__import__('time').sleep(1)"),
        "clock": ("reading the clock", "__import__('time').clock_gettime(0)"),
    }
    hoard = "kept = [bytearray(1 << 20) for _ in range(1 << 20)]"
    return (
        *(
            _raising(name, attempt, code, "PermissionError", idle_policy)
            for name, (attempt, code) in refused.items()
        ),
        _raising("memory", "allocating 1 TiB", hoard, "MemoryError", idle_policy),
        Canary(
            name="cpu",
            attempt="an endless loop",
            source="while True: pass\n" + idle_policy,
            outcome=Outcome.CALL_TIMEOUT,
        ),
    )


def _raising(name: str, attempt: str, code: str, error: str, idle_policy: str) -> Canary:
    source = _ATTEMPT.format(attempt=code) + idle_policy
    return Canary(name=name, attempt=attempt, source=source, error=error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check; ``remedy`` says what to do where it failed."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All checks, in the order in which they were made."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether untrusted policies can run on this machine."""
        return all(check.ok for check in self.checks)

    def to_mapping(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {"ok": self.ok, "checks": [asdict(check) for check in self.checks]}


def examine(
    limits: Limits = _CANARY_LIMITS,
    cell: str = DOCKER,
    runtime: str | None = None,
    domain: Domain | None = None,
    told: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Report:
    """Check everything that a kind of cell relies on; canaries run only where all else is ok.

    Embedded cells are always reported, but fail the report only where ``cell`` asks for them.
    ``runtime`` replaces the engine's default container runtime. ``told`` is called with what is
    tried, how many attempts are done, and how many there are.
    """
    domain = domain or find_domain()
    checks = [_machine()]
    try:
        if cell == DOCKER:
            checks.append(_embedded(limits, needed=False))
            with closing(Daemon(domain=domain)) as daemon:
                checks += _engine(daemon.facts(), runtime)
                checks.append(_image(daemon, domain))
        else:
            checks.append(_embedded(limits, needed=True))
        if all(check.ok for check in checks):
            checks += _in_cells(limits, cell, runtime, domain, told)
    except SandboxError as error:
        checks.append(_failed("sandbox", error))
    return Report(checks=tuple(checks))


def _machine() -> Check:
    system = f"{platform.system()} {platform.release()} on {platform.machine()}"
    return Check(
        name="machine",
        ok=platform.system() == "Linux",
        detail=f"{system}, Python {platform.python_version()}",
        remedy="" if platform.system() == "Linux" else "run Assay on Linux",
    )


def _engine(facts: EngineFacts, runtime: str | None) -> Iterator[Check]:
    name = "Docker Engine" if facts.name == DOCKER_ENGINE else facts.name
    described = f"{name} {facts.server_version}, kernel {facts.kernel}"
    chosen = runtime or facts.default_runtime
    yield Check(name="engine", ok=True, detail=f"{described}, container runtime {chosen}")
    user = "rootless" if facts.rootless else "runs as root"
    lacking = shortcomings(facts, runtime)
    yield Check(
        name="engine protections",
        ok=not lacking,
        detail="; ".join(lacking)
        or "can limit memory and processes, can filter system calls "
        f"({user}, cgroup v{facts.cgroup_version}, cgroup driver {facts.cgroup_driver}, "
        f"security features {', '.join(facts.security)})",
        remedy="fix the engine or use another (DOCKER_HOST)" if lacking else "",
    )
    for warning in warnings_about(facts, runtime):
        yield Check(name="engine advice", ok=True, detail=warning)


def _image(daemon: Daemon, domain: Domain) -> Check:
    tag = image_tag(domain=domain)
    try:
        image_id = daemon.image_id(tag)
    except SandboxError as error:
        return _failed("image", error)
    detail = f"{tag} is the image of this version ({image_id.removeprefix('sha256:')[:12]})"
    return Check(name="image", ok=True, detail=detail)


def _embedded(limits: Limits, *, needed: bool) -> Check:
    """Report how a cell without a container would be isolated here."""
    try:
        setting = ProcessCells(limits).open()
    except SandboxError as error:
        if needed:
            return _failed("embedded cell", error)
        detail = f"--cell process, for machines without Docker: {error.problem}"
        return Check(name="embedded cell", ok=True, detail=detail)
    users = _USERS[setting.isolation.split("/")[1]]
    found = "; ".join((users, *setting.warnings))
    detail = f"--cell process runs here without Docker, as {setting.isolation}: {found}"
    return Check(name="embedded cell", ok=True, detail=detail)


def _in_cells(
    limits: Limits,
    cell: str,
    runtime: str | None,
    domain: Domain,
    told: Callable[[str, int, int], None],
) -> Iterator[Check]:
    smallest = domain.cell.canary()
    scenario = Payload(name=smallest.name, data=domain.cell.encode_scenario(smallest))
    every = canaries(domain.cell.IDLE_POLICY)
    with Sandbox(limits, cell=cell, runtime=runtime, domain=domain) as sandbox:
        sandbox.prepare(1)
        for number, canary in enumerate(every):
            told(f"trying {canary.attempt}", number, len(every))
            yield _try_canary(sandbox, canary, scenario)
        trial, facts = sandbox.try_with_facts(every[0].source, [scenario])
        yield _protections(facts)
        yield _addresses(facts)
        if trial.cell is not None:
            took = f"running a policy on one scenario took {trial.cell.seconds:.2f} s"
            yield Check(name="cell", ok=True, detail=took)


def _try_canary(sandbox: Sandbox, canary: Canary, scenario: Payload) -> Check:
    (evaluation,) = sandbox.try_unscreened(canary.source, [scenario]).evaluations
    return canary_check(canary, evaluation)


def canary_check(canary: Canary, evaluation: Evaluation) -> Check:
    """Return what a canary showed, in a sentence."""
    message = evaluation.problem.message if evaluation.problem else ""
    if canary.is_blocked(evaluation):
        detail, remedy = f"blocked: {canary.attempt} ({canary.error or evaluation.outcome})", ""
    else:
        wanted = canary.error or f"outcome {canary.outcome}"
        found = f"outcome {evaluation.outcome}, {evaluation.prints.strip() or message!r}"
        detail = f"not blocked: {canary.attempt} (expected {wanted}; got {found})"
        remedy = _UNSAFE
    ok = not remedy
    return Check(name=f"canary {canary.name}", ok=ok, detail=detail[:200], remedy=remedy)


def _protections(facts: Any) -> Check:
    """Report what the kernel says of a cell; a cell weaker than asked never gets this far."""
    policy, simulator = (
        f"user {facts.get(f'{who}_uid')}, {_capabilities(facts.get(f'{who}_capabilities'))}"
        for who in ("worker", "trusted")
    )
    root = "read-only" if facts.get("read_only_root") else "writable"
    processes = "own" if facts.get("own_pid_namespace") else "the machine's"
    detail = (
        f"policy: {policy}, seccomp filters {facts.get('worker_filters')}; "
        f"simulator: {simulator}; both: no_new_privs {facts.get('no_new_privs')}, "
        f"{root} root file system, {processes} process table, "
        f"network interfaces {', '.join(facts.get('interfaces', ()))}"
    )
    return Check(name="protections in force", ok=bool(facts), detail=detail)


def _capabilities(mask: Any) -> str:
    return _CAPABILITIES.get(mask, f"capabilities {mask}")


def _addresses(facts: Any) -> Check:
    """Report whether memory addresses are the same in every cell; a policy may depend on them."""
    if facts.get("fixed_addresses"):
        detail = "memory addresses are the same in every cell"
    else:
        detail = (
            "memory addresses differ from cell to cell; "
            "a policy that depends on them fails as nondeterministic"
        )
    return Check(name="addresses", ok=True, detail=detail)


def _failed(name: str, error: SandboxError) -> Check:
    remedy = error.remedy or "try again; see assay docs security"
    return Check(name=name, ok=False, detail=error.problem, remedy=remedy)
