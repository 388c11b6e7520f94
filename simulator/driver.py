"""Runs a policy's source: loads it, calls it as the contract says, and types its decisions.

The same driver serves trusted policies in the engine's process and candidates in a sealed worker.
Whatever goes wrong in a policy comes out as :class:`PolicyFailure`, with the policy's line.
"""

import math
import sys
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any, Never

from simulator.domains.pipelines.contract_names import (
    Registry,
    Step,
    contract_names,
    policy_builtins,
)
from simulator.domains.pipelines.mirror import Mirror
from simulator.domains.pipelines.policy_api import Assignment, Priority, Suspend
from simulator.errors import Failure, PolicyFailure
from simulator.messages import Decision, MemoryReading, NewAssignment, Number, Observation, Setup

ReadMemory = Callable[[int], MemoryReading]

MODULE_NAME = "policy"
NOTHING: tuple[list[Any], list[Any]] = ([], [])
MAX_SHOWN_CHARS = 200
MOST = (1 << 63) - 1
"""The largest whole number that a message can carry."""


class PolicyDriver:
    """One policy in one simulation: ``load``, then ``start``, then ``decide`` again and again."""

    def __init__(self, source: str, filename: str = "policy.py") -> None:
        self._source = source
        self._filename = filename
        self._key = ""
        self._init: Step | None = None
        self._step: Step | None = None
        self._mirror: Mirror | None = None

    def load(self) -> None:
        """Execute the source and find the one pair of functions that it registers."""
        registry = Registry()
        module = ModuleType(MODULE_NAME)
        names = contract_names(registry)
        module.__dict__.update(names)
        module.__dict__["__builtins__"] = policy_builtins(names)
        before = sys.modules.get(MODULE_NAME)
        # Dataclasses look up the module in which they are defined.
        sys.modules[MODULE_NAME] = module
        try:
            code = compile(self._source, self._filename, "exec", dont_inherit=True)
            exec(code, module.__dict__)
        except BaseException as error:
            self._fail("load_error", error, None)
        finally:
            del sys.modules[MODULE_NAME]
            if before is not None:
                sys.modules[MODULE_NAME] = before
        self._key, self._init, self._step = _registered_pair(registry)

    def start(self, setup: Setup) -> None:
        """Build what the policy sees and call its init function."""
        assert self._init is not None, "load comes before start"
        self._mirror = Mirror(setup, self._key)
        try:
            self._init(self._mirror.scheduler)
        except BaseException as error:
            self._fail("policy_error", error, None)

    def decide(self, observation: Observation, read_memory: ReadMemory) -> Decision:
        """Call the policy up to ``quiet_until``, or until it decides something."""
        mirror, step = self._mirror, self._step
        assert mirror is not None, "start comes before decide"
        assert step is not None
        results, pipelines = mirror.apply(observation, read_memory)
        clock, scheduler = mirror.clock, mirror.scheduler
        quiet_until = observation.quiet_until
        tick = observation.tick
        try:
            answer = step(scheduler, results, pipelines)
            while answer == NOTHING and tick < quiet_until:
                tick += 1
                clock.tick = tick
                answer = step(scheduler, [], [])
            while tick < quiet_until and _is_empty(answer, tick):
                tick += 1
                clock.tick = tick
                answer = step(scheduler, [], [])
        except PolicyFailure:
            raise
        except BaseException as error:
            self._fail("policy_error", error, tick)
        return self._decision(answer, tick, tick - observation.tick + 1)

    def _decision(self, answer: Any, tick: int, calls: int) -> Decision:
        assert self._mirror is not None
        mirror = self._mirror
        suspensions, assignments = _unpack(answer, tick)
        wake_tick = mirror.wake.after(tick)
        if not suspensions and not assignments:
            return Decision(tick=tick, calls=calls, wake_tick=wake_tick)
        typed = [_typed_assignment(each, tick, mirror) for each in assignments]
        mirror.returned = [(each, new.pool) for each, new in zip(assignments, typed, strict=True)]
        return Decision(
            tick=tick,
            calls=calls,
            suspensions=[_typed_suspension(each, tick) for each in suspensions],
            assignments=typed,
            wake_tick=wake_tick,
        )

    def _fail(self, kind: str, error: BaseException, tick: int | None) -> Never:
        line = _line_in(self._filename, error.__traceback__)
        if isinstance(error, SyntaxError) and error.filename == self._filename:
            line = error.lineno
            message = f"{type(error).__name__}: {error.msg}"
        elif isinstance(error, SystemExit | KeyboardInterrupt | GeneratorExit):
            message = f"the policy tried to end the program: {_describe(error)}"
        else:
            message = _describe(error)
        raise PolicyFailure(Failure(kind=kind, message=message, tick=tick, line=line)) from error


def _registered_pair(registry: Registry) -> tuple[str, Step, Step]:
    inits, steps = registry.inits, registry.steps
    if not inits and not steps:
        _refuse_load(
            "the policy registers nothing, decorate its init function with "
            "@register_scheduler_init(key=...) and its step function with "
            "@register_scheduler(key=...)"
        )
    if len(inits) > 1 or len(steps) > 1:
        keys = ", ".join(repr(key) for key in dict.fromkeys([*inits, *steps]))
        _refuse_load(f"the policy registers more than one scheduler ({keys}), keep one pair")
    if inits.keys() != steps.keys():
        _refuse_load(
            f"the policy registers init functions for {sorted(inits)} and step functions for "
            f"{sorted(steps)}, give one of each with the same key"
        )
    key = next(iter(inits))
    return key, inits[key], steps[key]


def _refuse_load(message: str) -> Never:
    raise PolicyFailure(Failure(kind="load_error", message=message))


def _refuse(message: str, tick: int) -> Never:
    raise PolicyFailure(Failure(kind="invalid_decision", message=message, tick=tick))


def _is_empty(answer: Any, tick: int) -> bool:
    suspensions, assignments = _unpack(answer, tick)
    return not suspensions and not assignments


def _unpack(answer: Any, tick: int) -> tuple[list[Any], list[Any]]:
    """Return the two lists of an answer; refuse anything of another shape."""
    if type(answer) is tuple and len(answer) == 2 and type(answer[0]) is type(answer[1]) is list:
        return list(answer[0]), list(answer[1])
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        _refuse(f"step returned {_show(answer)}, expected (suspensions, assignments)", tick)
    for name, part in zip(("suspensions", "assignments"), answer, strict=True):
        if not isinstance(part, list | tuple):
            _refuse(f"step returned {_show(part)} as {name}, expected a list", tick)
    return list(answer[0]), list(answer[1])


def _typed_suspension(request: Any, tick: int) -> tuple[str, int]:
    if not isinstance(request, Suspend):
        _refuse(f"suspensions hold {_show(request)}, expected Suspend objects", tick)
    name: object = request.container_id
    if not isinstance(name, str) or not name.isascii():
        _refuse(f"Suspend has container_id={_show(name)}, expected a container_id", tick)
    return str(name), _whole(request.pool_id, "Suspend has pool_id", tick)


def _typed_assignment(request: Any, tick: int, mirror: Mirror) -> NewAssignment:
    if not isinstance(request, Assignment):
        _refuse(f"assignments hold {_show(request)}, expected Assignment objects", tick)
    operators: list[int] = []
    for operator in request.ops:
        number = mirror.operator_number(operator)
        if number is None:
            _refuse(f"Assignment has {_show(operator)} in ops, expected arrived operators", tick)
        operators.append(number)
    priority: object = request.priority
    if not isinstance(priority, Priority):
        _refuse(f"Assignment has priority={_show(priority)}, expected a Priority", tick)
    return NewAssignment(
        operators=operators,
        cpu=_number(request.cpu, "Assignment has cpu", tick),
        ram=_number(request.ram, "Assignment has ram", tick),
        pool=_whole(request.pool_id, "Assignment has pool_id", tick),
        priority=int(priority._value_),
    )


def _number(value: Any, what: str, tick: int) -> Number:
    """Return a number that a message can carry."""
    if isinstance(value, float):
        return float(value)
    if hasattr(value, "__index__"):
        number = int(value.__index__())
        if -MOST <= number <= MOST:
            return number
    return _refuse(f"{what}={_show(value)}, expected a number of ordinary size", tick)


def _whole(value: Any, what: str, tick: int) -> int:
    number = _number(value, what, tick)
    if not math.isfinite(number) or number != int(number) or not -MOST <= number <= MOST:
        _refuse(f"{what}={_show(value)}, expected a whole number", tick)
    return int(number)


def _line_in(filename: str, trace: TracebackType | None) -> int | None:
    """Return the innermost line of a traceback that lies in the policy's own source."""
    line = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _describe(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException:
        text = "(its text cannot be read)"
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def _show(value: Any) -> str:
    try:
        text = repr(value)
    except BaseException:
        text = f"an object of {type(value).__name__}"
    return text if len(text) <= MAX_SHOWN_CHARS else text[:MAX_SHOWN_CHARS] + "..."
