"""The hosts of a cluster: what each answers about itself, and the trials that it makes.

The first half runs in the processes of the cluster, the second where the search is.
"""

import asyncio
import atexit
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from flows import assay_version
from flows.trials import Machinery
from sandbox.errors import CellFailed, SandboxError, SandboxUnavailable
from sandbox.image import image_tag
from sandbox.limits import Limits
from sandbox.outcome import Trial
from sandbox.provider import host_name
from sandbox.trial import Payload, Sandbox
from simulator.domain import Domain, find_domain
from simulator.errors import InputError

MOST_AT_ONCE = 64
"""More trials than a worker process has threads; how many run at once is its own affair."""
MOST_KEPT_BYTES = 256 * 1024 * 1024
"""Scenarios that a worker process keeps for trials to come."""
LOOK_SECONDS = 1.0
"""How long a search believes what it knows of the workers of a cluster."""
PATIENCE_SECONDS = 300.0
"""How long a search waits for a worker that may have its trials."""
VERSION, IMAGE, DOMAIN = "version of assay", "simulator of the image", "domain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a host needs for the trials of a search: how to try, and who it has to be."""

    domain: str
    """As the configuration names it."""
    limits: Limits
    cell: str
    identity: Mapping[str, str]
    """What has to be the same on all hosts, by what it is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a worker answers about itself."""

    host: str
    identity: Mapping[str, str]
    info: Mapping[str, Any] = field(default_factory=dict)
    """What its trials run on; empty where there can be none."""
    problem: str = ""
    """Why there can be none, in words that name the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One trial as it travels: scenarios by the sha256 of their data, which a worker may keep."""

    source: str
    scenarios: tuple[tuple[str, str], ...]
    """Name and sha256 of each."""
    data: Mapping[str, bytes] = field(default_factory=dict)
    """By sha256; empty until a worker asks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """The answer of a worker that does not have the data of some scenarios."""

    sha256s: tuple[str, ...]


def wanted_for(config: Machinery) -> Wanted:
    """Return what a host needs for the trials of this configuration."""
    return Wanted(
        domain=config.domain.setting,
        limits=config.limits,
        cell=config.cell,
        identity=identity(config.domain),
    )


def identity(domain: Domain) -> dict[str, str]:
    """Return what has to be the same wherever policies for ``domain`` are tried."""
    return {
        VERSION: assay_version(),
        DOMAIN: f"{domain.name} {domain.sha256}",
        IMAGE: image_tag(domain=domain),
    }


async def tell(wanted: Wanted) -> Told:
    """Say who this host is; a worker answers while it works on trials."""
    return await asyncio.to_thread(_tell, wanted)


def _tell(wanted: Wanted) -> Told:
    try:
        found = identity(find_domain(wanted.domain))
    except InputError as error:
        found = {VERSION: assay_version(), DOMAIN: f"none ({error})"}
    if differences(wanted.identity, found):
        return Told(host=host_name(), identity=found)
    try:
        return Told(host=host_name(), identity=found, info=_sandbox(wanted).info())
    except (SandboxError, InputError) as error:
        return Told(host=host_name(), identity=found, problem=str(error))


def work(wanted: Wanted, job: Job) -> Trial | Missing:
    """Try a policy in the sandbox of this process; say which scenarios it lacks for that."""
    sandbox = _sandbox(wanted)
    known = _kept.take(job.data, [sha256 for _, sha256 in job.scenarios])
    missing = tuple(sha256 for sha256, data in known.items() if data is None)
    if missing:
        return Missing(sha256s=missing)
    payloads = [Payload(name=name, data=known[sha256] or b"") for name, sha256 in job.scenarios]
    return sandbox.try_policy(job.source, payloads)


class Kept:
    """Data of scenarios by its sha256, the longest unused left out first; safe for threads."""

    def __init__(self, most_bytes: int = MOST_KEPT_BYTES) -> None:
        self._most_bytes = most_bytes
        self._data: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, new: Mapping[str, bytes], sha256s: Sequence[str]) -> dict[str, bytes | None]:
        """Return the data of ``sha256s``, None for what is not here; keep what is new.

        Raise CellFailed for data that is not what its sha256 says; none of it is kept.
        """
        for sha256, data in new.items():
            found = sha256_of(data)
            if found != sha256:
                raise CellFailed(
                    f"the data of a scenario came to host {host_name()} with sha256 {found}, "
                    f"expected {sha256}",
                    "try the policy again",
                )
        with self._lock:
            found_here = {each: new.get(each, self._data.get(each)) for each in sha256s}
            for sha256, known in found_here.items():
                if known is not None:
                    self._data[sha256] = known
                    self._data.move_to_end(sha256)
            while sum(map(len, self._data.values())) > self._most_bytes:
                self._data.popitem(last=False)
        return found_here


def sha256_of(data: bytes) -> str:
    """Return the sha256 of the data of a scenario, in hex."""
    return hashlib.sha256(data).hexdigest()


_kept = Kept()
_sandboxes: dict[tuple[Limits, str, str], Sandbox] = {}
"""By limits, kind of cell and the hash of the domain."""
_opening = threading.Lock()


def _sandbox(wanted: Wanted) -> Sandbox:
    """Return this process's sandbox, opened at the first need and closed when the process ends.

    Raise SandboxUnavailable if this host is not what is wanted.
    """
    key = (wanted.limits, wanted.cell, wanted.identity[DOMAIN])
    with _opening:
        if key not in _sandboxes:
            domain = find_domain(wanted.domain)
            different = differences(wanted.identity, identity(domain))
            if different:
                raise SandboxUnavailable(refusal(host_name(), different))
            sandbox = Sandbox(
                wanted.limits, MOST_AT_ONCE, ready=False, cell=wanted.cell, domain=domain
            )
            _sandboxes[key] = sandbox.__enter__()
            atexit.register(sandbox.close)
        return _sandboxes[key]


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Return what differs, each with both values and what to do about it; empty if nothing does."""
    return [
        f"its {name} is {found[name]}, expected {value}: {_REMEDIES[name]}, "
        "then start its worker again"
        for name, value in expected.items()
        if found.get(name, value) != value
    ]


_REMEDIES = {
    VERSION: "install that version of assay there",
    DOMAIN: "install the same version of the domain there, at the same place",
    IMAGE: "install the same assay there and build its image",
}


def refusal(host: str, problems: Sequence[str]) -> str:
    """Return in one line that a host is refused, and why."""
    return f"host {host} is refused: {'; '.join(problems)}"


class Cluster(Protocol):
    """The part of a Dask client that is needed here."""

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, Any]: ...

    def run_on_scheduler(self, function: Callable[..., Any]) -> Any: ...


class Hosts:
    """The workers of a cluster that may have trials: each is asked who it is before its first."""

    def __init__(self, cluster: Cluster, wanted: Wanted, warn: Callable[[str], None]) -> None:
        self._cluster, self._wanted, self._warn = cluster, wanted, warn
        self._refused: dict[tuple[str, str], str] = {}
        self._welcome: dict[tuple[str, str], Told] = {}
        self._there: tuple[str, ...] = ()
        self._looked_at, self._heard_at = -LOOK_SECONDS, time.monotonic()
        self._lock = threading.Lock()

    def require_all(self) -> Mapping[str, Any]:
        """Return what trials of the first worker run on; raise SandboxUnavailable for any refused.

        Workers that join later and have to be refused get no trials, and a warning says so.
        """
        first = self.ready(all_of_them=True)[0]
        return next(told.info for key, told in self._welcome.items() if key[0] == first)

    def ready(self, *, all_of_them: bool = False) -> tuple[str, ...]:
        """Return the addresses of the workers that may have trials, as soon as there is one.

        With ``all_of_them`` raise SandboxUnavailable if any worker may not.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            found = self.there()
            if all_of_them and self._refused:
                raise SandboxUnavailable(self._refusals())
            if found:
                return found
            if time.monotonic() > deadline:
                nobody = f"no worker joined the cluster within {PATIENCE_SECONDS:.0f} s"
                raise SandboxUnavailable(
                    "\n".join(filter(None, [nobody, self._refusals()])),
                    "start one with `dask worker ADDRESS`, then type the same command",
                )
            time.sleep(LOOK_SECONDS)

    def _refusals(self) -> str:
        """Return a line for each host that was refused; it may have several workers."""
        return "\n".join(dict.fromkeys(self._refused.values()))

    def there(self) -> tuple[str, ...]:
        """Return the addresses of those that are connected now; ask those that are new."""
        with self._lock:
            if time.monotonic() - self._looked_at >= LOOK_SECONDS:
                self._look()
            return self._there

    def _look(self) -> None:
        try:
            workers = sorted(self._cluster.run_on_scheduler(connected).items())
            known = self._welcome.keys() | self._refused.keys()
            self._ask([key for key in workers if key not in known])
            self._there = tuple(key[0] for key in workers if key in self._welcome)
            self._heard_at = time.monotonic()
        except (OSError, RuntimeError) as error:  # it may come back, with the same workers
            if time.monotonic() - self._heard_at > PATIENCE_SECONDS:
                raise SandboxUnavailable(
                    f"the scheduler of the cluster has been away for {PATIENCE_SECONDS:.0f} s "
                    f"({error})",
                    "start it again, then type the same command",
                ) from error
        self._looked_at = time.monotonic()

    def _ask(self, new: Sequence[tuple[str, str]]) -> None:
        if not new:
            return
        answers = self._cluster.run(
            tell, self._wanted, workers=[address for address, _ in new], on_error="return"
        )
        for key in new:
            answer = answers.get(key[0])
            if isinstance(answer, OSError) or answer is None:
                continue  # it went away, or cannot be reached: it is asked again
            problem = self._problem(key[0], answer)
            if problem:
                if problem not in self._refused.values():
                    self._warn(problem)
                self._refused[key] = problem
            else:
                self._welcome[key] = answer

    def _problem(self, address: str, answer: Any) -> str:
        """Return why a worker is refused, empty if it is not."""
        where = address.rpartition(":")[0]
        if not isinstance(answer, Told):
            why = f"{type(answer).__name__}: {answer}"
            version = self._wanted.identity[VERSION]
            problem = f"it cannot say what it is ({why}): install assay {version} there"
            return refusal(where, [problem])
        problems = differences(self._wanted.identity, answer.identity)
        if answer.problem:
            problems.append(answer.problem)
        return refusal(f"{answer.host} ({where})", problems) if problems else ""


def connected(dask_scheduler: Any) -> dict[str, str]:
    """Return, on a scheduler, the id of each connected worker by its address."""
    return {address: state.server_id for address, state in dask_scheduler.workers.items()}


class WorkerTrials:
    """Sends each trial to a worker. Cells are not started ahead: a worker outlives a search."""

    def __init__(self, send: Callable[[Job], Trial | Missing], info: Mapping[str, Any]) -> None:
        self.send, self._info = send, info
        self._sha256s: dict[bytes, str] = {}

    def try_policy(self, source: str, scenarios: Sequence[Payload]) -> Trial:
        """Return what a worker answers; it gets the scenarios only where it does not have them."""
        named = tuple((each.name, self._sha256(each.data)) for each in scenarios)
        answer = self.send(Job(source=source, scenarios=named))
        if isinstance(answer, Missing):
            # All of them go: another worker may take the trial, and lack others.
            data = {self._sha256(each.data): each.data for each in scenarios}
            answer = self.send(Job(source=source, scenarios=named, data=data))
        if isinstance(answer, Missing):
            raise CellFailed(f"a worker lost {len(answer.sha256s)} scenarios that it was sent")
        return answer

    def prepare(self, scenarios: int) -> None:
        """Do nothing: no worker keeps cells in stock."""

    def last_trials(self) -> None:
        """Do nothing: no worker keeps cells in stock."""

    def info(self) -> dict[str, Any]:
        """Return what the first worker that was asked runs trials on; rows say it of each."""
        return dict(self._info)

    def _sha256(self, data: bytes) -> str:
        if data not in self._sha256s:
            self._sha256s[data] = sha256_of(data)
        return self._sha256s[data]
