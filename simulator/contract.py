"""What a domain agrees with a policy: the types of the messages, and the policy's side of them."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Never, Protocol

from simulator.errors import Failure, PolicyFailure

MAX_SHOWN_CHARS = 200
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
MOST = (1 << 63) - 1
"""The largest whole number that a message can carry."""


class Policy(Protocol):
    """What a simulator asks of a policy, wherever it runs. Failures raise ``PolicyFailure``."""

    def start(self, setup: Any) -> None:
        """Prepare for a simulation; called once."""

    def decide(self, observation: Any, answer: Callable[[Any], Any]) -> Any:
        """Return the first decision that is not empty, or the one of ``quiet_until``.

        ``answer(query)`` returns the reply to the policy's query; it is called once at the most.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """The types of the messages between a simulator and a policy, all of them msgspec structs.

    Every observation has the whole numbers ``step`` and ``quiet_until``, every decision ``step``,
    ``calls`` (how often the policy was called) and ``size`` (how many things it asks for). While a
    policy decides it may ask one query; a query is a step of the observation.
    """

    setup: type[Any]
    observation: type[Any]
    decision: type[Any]
    reply: type[Any] | None = None


class Mirror(Protocol):
    """A policy's side of one simulation: what it sees, and how its answers become decisions."""

    state: Any
    """The first argument of both functions of a policy."""
    step: int | None
    """The step of the call that runs now or ran last; failures name it."""

    def decide(
        self, step: Callable[..., Any], observation: Any, answer: Callable[[Any], Any]
    ) -> Any:
        """Call ``step`` as the contract says and return its typed decision.

        Raise ``PolicyFailure`` (``invalid_decision``) where an answer has not the contract's form;
        whatever the policy itself raises passes through.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a policy's source may rely on."""

    dialogue: Dialogue
    init: str
    """The decorator of the function that is called once, with ``state``."""
    step: str
    """The decorator of the function that is called again and again."""
    names: Callable[[], dict[str, Any]]
    """Returns the names that are there without an import, decorators left out."""
    modules: Callable[[Mapping[str, Any]], Mapping[str, ModuleType]]
    """Returns what a policy may import beside the standard library, by full name; it is given all
    names, decorators included."""
    mirror: Callable[[Any, str], Mirror]
    """Makes the policy's side of a simulation from the setup message and the policy's key."""
    needs_init: bool = True
    """Whether a source must register an init function."""


def no_modules(_names: Mapping[str, Any]) -> Mapping[str, ModuleType]:
    """Return the modules of a contract that needs no imports."""
    return {}


def refuse(message: str, step: int | None) -> Never:
    """Refuse a decision of a policy, naming the step at which it was made."""
    raise PolicyFailure(Failure(kind="invalid_decision", message=message, step=step))


def plain_number(value: Any, what: str, step: int | None) -> int | float:
    """Return a number that a message can carry; refuse anything else."""
    if type(value) is float or (type(value) is int and -MOST <= value <= MOST):
        return value  # nearly all are
    if isinstance(value, float):
        return float(value)
    if hasattr(value, "__index__"):
        whole = int(value.__index__())
        if -MOST <= whole <= MOST:
            return whole
    return refuse(f"{what}={shown(value)}, expected a number of ordinary size", step)


def whole_number(value: Any, what: str, step: int | None) -> int:
    """Return a whole number that a message can carry; refuse anything else."""
    if type(value) is int and -MOST <= value <= MOST:
        return value
    found = plain_number(value, what, step)
    if not math.isfinite(found) or found != int(found) or not -MOST <= found <= MOST:
        refuse(f"{what}={shown(value)}, expected a whole number", step)
    return int(found)


def without_addresses(text: str) -> str:
    """Return a text without the addresses that Python shows for objects: they differ per run."""
    return ADDRESS.sub("", text)


def shown(value: Any) -> str:
    """Return what a policy gave as a text of bounded length, whatever its ``repr`` does."""
    try:
        text = without_addresses(repr(value))
    except BaseException:
        text = f"an object of {type(value).__name__}"
    return text if len(text) <= MAX_SHOWN_CHARS else text[:MAX_SHOWN_CHARS] + "..."
