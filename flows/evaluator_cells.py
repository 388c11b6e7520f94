"""What the evaluator keeps between calls: scenarios, naive's figures, and a sandbox per process."""

import atexit
import os
import threading
from dataclasses import dataclass, field
from multiprocessing.util import Finalize

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flows.errors import ConfigError, UserError
from flows.judging.objectives import Reference
from flows.judging.splits import library_evaluations, references_of, suite_scenarios
from flows.policies import PolicyText, never_tried
from sandbox.limits import Limits
from sandbox.outcome import Evaluation, Trial
from sandbox.provider import KINDS
from sandbox.trial import Payload, Sandbox
from simulator.scenario import Scenario
from simulator.suites import encode_scenario

PREFIX = "ASSAY_EVALUATOR_"


class EvaluatorSettings(BaseModel):
    """What policies are tried on, and how; the variable ASSAY_EVALUATOR_SUITE sets ``suite``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    suite: str = Field("smoke", min_length=1, description="a shipped suite or a suite file")
    split: str = Field("train", pattern="^(train|validation|test|all)$")
    cell: str = Field("docker", pattern=f"^({'|'.join(KINDS)})$")
    slots: int = Field(1, ge=1, le=64, description="policies tried at the same time")
    policy_cpu_seconds: float = Field(Limits().policy_cpu_seconds, gt=0, le=86_400)
    call_cpu_seconds: float = Field(Limits().call_cpu_seconds, gt=0, le=86_400)
    wall_seconds: float = Field(Limits().wall_seconds, gt=0, le=86_400)
    memory_mb: int = Field(Limits().memory_mb, ge=32, le=65_536)

    @classmethod
    def from_environment(cls) -> "EvaluatorSettings":
        """Return the settings of the environment, the defaults where it says nothing."""
        named = {
            name: os.environ[PREFIX + name.upper()]
            for name in cls.model_fields
            if os.environ.get(PREFIX + name.upper())
        }
        try:
            return cls.model_validate(named)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = f"{PREFIX}{first['loc'][0]}".upper()
            raise ConfigError(f"{name} is {first['input']!r}: {first['msg']}") from None

    @property
    def limits(self) -> Limits:
        """The limits of the cell that these settings stand for."""
        return Limits(
            policy_cpu_seconds=self.policy_cpu_seconds,
            call_cpu_seconds=self.call_cpu_seconds,
            wall_seconds=self.wall_seconds,
            memory_mb=self.memory_mb,
        )


class Workbench:
    """Tries policies on the scenarios of its settings; the sandbox opens with the first of them."""

    def __init__(self, settings: EvaluatorSettings) -> None:
        self.settings = settings
        self.scenarios: tuple[Scenario, ...] = suite_scenarios(settings.suite, settings.split)
        found = library_evaluations("naive", self.scenarios)
        self.naive: dict[str, Evaluation] = {each.scenario: each for each in found}
        self.references: dict[str, Reference] = references_of(found, self.scenarios)
        self._payloads = {
            each.name: Payload(name=each.name, data=encode_scenario(each))
            for each in self.scenarios
        }
        self._lock = threading.Lock()
        self._sandbox: Sandbox | None = None

    def try_policy(self, text: PolicyText, scenario: str | None) -> Trial:
        """Try a policy on all scenarios or on one; the first comes twice, to see it repeat."""
        if scenario is not None and scenario not in self._payloads:
            raise UserError(
                f"unknown scenario {scenario!r}, expected one of {', '.join(self._payloads)}"
            )
        payloads = list(self._payloads.values()) if scenario is None else [self._payloads[scenario]]
        if text.source is None:
            return never_tried(text, [each.name for each in payloads])
        return self._open().try_policy(text.source, [*payloads, payloads[0]])

    def close(self) -> None:
        """Remove every cell."""
        with self._lock:
            opened, self._sandbox = self._sandbox, None
        if opened is not None:
            opened.close()

    def _open(self) -> Sandbox:
        with self._lock:
            if self._sandbox is None:
                settings = self.settings
                found = Sandbox(settings.limits, settings.slots, cell=settings.cell)
                self._sandbox = found.__enter__()
            return self._sandbox


@dataclass(slots=True)
class _Benches:
    """The benches of this process; a forked one begins with none, its parent's are not its own."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    known: dict[EvaluatorSettings, Workbench] = field(default_factory=dict)


_benches = _Benches()


def workbench(settings: EvaluatorSettings) -> Workbench:
    """Return this process's bench for these settings, closed when the process ends."""
    with _benches.lock:
        if settings not in _benches.known:
            if not _benches.known:
                _close_at_the_end()
            _benches.known[settings] = Workbench(settings)
        return _benches.known[settings]


def close_all() -> None:
    """Remove every cell of this process's benches; the next call opens new ones."""
    with _benches.lock:
        benches = list(_benches.known.values())
        _benches.known.clear()
    for each in benches:
        each.close()


def _close_at_the_end() -> None:
    """Close in processes of multiprocessing too, which end without the handlers of atexit."""
    atexit.register(close_all)
    Finalize(None, close_all, exitpriority=100)


def _forget() -> None:
    global _benches
    _benches = _Benches()


os.register_at_fork(after_in_child=_forget)
