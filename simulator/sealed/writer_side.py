"""What a simulator of a sealed domain sees and says: its generator is stepped turn by turn."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Any

import msgspec

from simulator.contract import Contract, Dialogue, no_modules, refuse, shown
from simulator.sealed.log import MOST_IN_CHUNK, Said, Turn
from simulator.sealed.policy_side import Numbers
from simulator.sealed.shapes import MOST_NUMBER, SealedSpec
from simulator.sealed.spec import HORIZON

STEP = "register_simulator"
_MOST_WAITING = 1_000_000
"""Events that a simulator may log before it gives the policy a turn."""


class Setup(msgspec.Struct, frozen=True, array_like=True):
    """The whole scenario, numbers in the order of the contract."""

    values: list[int]
    parameters: list[int]
    tables: dict[str, list[list[int]]]
    seed: int


class Scenario:
    """What a simulator reads: ``values`` by name, and a list of rows for each table."""

    def __init__(self, spec: SealedSpec, setup: Setup) -> None:
        self.values = Numbers(dict(zip(spec.values, setup.values, strict=True)))
        for table, rows in setup.tables.items():
            made = _row_class(table, list(spec.tables[table].columns))
            setattr(self, table, [made(number, row) for number, row in enumerate(rows)])


class Decision:
    """What the policy decided: ``kind``, and its fields by name."""

    def __init__(self, kind: str, fields: Mapping[str, int]) -> None:
        self.kind = kind
        self.__dict__.update(fields)

    def __repr__(self) -> str:
        return f"Decision({vars(self)})"


class Mirror:
    """Steps a simulator's generator from turn to turn, and sends what it logs in chunks."""

    def __init__(self, spec: SealedSpec, setup: Setup, _key: str) -> None:
        self._spec = spec
        self.state = Scenario(spec, setup)
        self.step: int | None = None
        self._parameters = Numbers(dict(zip(spec.parameters, setup.parameters, strict=True)))
        self._rng = Random(setup.seed)
        self._horizon = getattr(self.state.values, HORIZON)
        self._events = {
            name: (number, tuple(kind.fields))
            for number, (name, kind) in enumerate(spec.events.items())
        }
        self._fields = [frozenset(kind.fields) for kind in spec.events.values()]
        self._decisions = [(name, list(kind.fields)) for name, kind in spec.decisions.items()]
        self._generator: Any = None
        self._waiting: list[tuple[int, int, tuple[int, ...]]] = []
        self._sent = 0
        self._time = 0
        self._over = False

    def decide(self, step: Callable[..., Any], turn: Turn, _answer: Callable[[Any], Any]) -> Said:
        """Let the simulator go on to its next turn, and return what it logged."""
        self.step, calls = turn.step, 0
        if self._sent >= len(self._waiting) and not self._over:
            self._waiting, self._sent = [], 0
            calls = 1
            self._go_on(step, turn)
        events = self._waiting[self._sent : self._sent + MOST_IN_CHUNK]
        self._sent += len(events)
        more = self._sent < len(self._waiting)
        then: Any = "more" if more else "done" if self._over else "asks"
        return Said(step=turn.step, calls=calls, then=then, events=events)

    def _go_on(self, simulate: Callable[..., Any], turn: Turn) -> None:
        begins = self._generator is None
        if begins:
            started = simulate(self.state, self._parameters, self._rng, self._log)
            if not inspect.isgenerator(started):
                self._over = True
                return
            self._generator = started
        decisions = [
            Decision(name, dict(zip(fields, args, strict=True)))
            for kind, args in turn.decisions
            for name, fields in (self._decisions[kind],)
        ]
        try:
            self._generator.send(None if begins else decisions)
        except StopIteration:
            self._over = True

    def _log(self, event: str, time: int, **fields: Any) -> None:
        """Log an event at a time in whole us; what comes after the horizon ends the run."""
        known = self._events.get(event) if isinstance(event, str) else None
        if known is None:
            refuse(f"log({shown(event)}), expected one of {', '.join(self._events)}", self.step)
        number, names = known
        plain = type(time) is int and time <= MOST_NUMBER
        at = time if plain else self._whole(event, "time", time)
        if fields.keys() != self._fields[number]:
            told = f"log({event!r}, {at}) has {sorted(fields)}, expected {', '.join(names)}"
            refuse(told, self.step)
        if at < self._time:
            refuse(f"log({event!r}, {at}) is before the last event, at {self._time}", self.step)
        if at > self._horizon:
            self._over = True
        if self._over:
            return
        if len(self._waiting) >= _MOST_WAITING:
            refuse(f"more than {_MOST_WAITING} events without a turn of the policy", self.step)
        self._time = at
        args = [
            value
            if type(value := fields[name]) is int and -MOST_NUMBER <= value <= MOST_NUMBER
            else self._whole(event, name, value)
            for name in names
        ]
        self._waiting.append((number, at, tuple(args)))

    def _whole(self, event: str, name: str, value: Any) -> int:
        """Return the number that is meant; what is none is refused."""
        what = f"log({event!r}): {name}"
        if type(value) is not int and not hasattr(value, "number"):
            refuse(f"{what} is {shown(value)}, expected a whole number or a row", self.step)
        number = value if type(value) is int else value.number
        if type(number) is not int or not -MOST_NUMBER <= number <= MOST_NUMBER:
            refuse(f"{what} is {shown(value)}, expected at most {MOST_NUMBER}", self.step)
        return int(number)


def simulator_contract(spec: SealedSpec) -> Contract:
    """Return the contract between the broker and an untrusted simulator."""
    bare = msgspec.structs.replace(spec, reductions={}, known={}, generators={})
    return Contract(
        dialogue=Dialogue(setup=Setup, observation=Turn, decision=Said),
        init=f"{STEP}_init",
        step=STEP,
        names=dict,
        modules=no_modules,
        mirror=partial(Mirror, bare),
        needs_init=False,
    )


def _row_class(table: str, columns: list[str]) -> type:
    """Return the class of a table's rows: ``number`` and the columns, as attributes."""

    def init(self: Any, number: int, row: list[int]) -> None:
        self.number = number
        for name, value in zip(columns, row, strict=True):
            setattr(self, name, value)

    members = {"__slots__": ("number", *columns), "__init__": init, "__index__": _index}
    return type(table.capitalize(), (), members)


def _index(row: Any) -> int:
    number: int = row.number
    return number
