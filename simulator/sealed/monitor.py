"""Holds a log against the contract and the laws, event by event, and judges decisions."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from simulator.sealed import laws as lawbook
from simulator.sealed.expressions import Impossible, Missing, compile_expression
from simulator.sealed.laws import Laws
from simulator.sealed.log import Broken, Event, event_text
from simulator.sealed.scenarios import Scenario, state_of
from simulator.sealed.shapes import DecisionKind, SealedSpec
from simulator.sealed.spec import HORIZON
from simulator.sealed.state import Args, Refused, State

MOST_EVENTS = 500_000
"""Of one run."""
Decision = tuple[str, tuple[int, ...]]
Test = Callable[[Event], None]
"""Raises ``Broken`` where an event breaks a law."""


class _Kind:
    """What is known of a kind of event before any comes."""

    __slots__ = ("asks", "causes", "rows", "tests", "width")

    def __init__(self, asks: bool, limits: Sequence[int | None]) -> None:
        self.asks = asks
        self.width = len(limits)
        self.rows = [(place, most) for place, most in enumerate(limits) if most is not None]
        """The places of fields that are rows, and how many rows there are."""
        self.tests: list[Test] = []
        self.causes: list[tuple[str, tuple[int, ...]]] = []
        """The decisions that it comes of, each with the places of its fields in the event."""


class _Choice:
    """What is known of a kind of decision before any is made."""

    __slots__ = ("bounded", "event", "needs", "needs_text", "places", "rows", "states")

    def __init__(self, kind: DecisionKind, spec: SealedSpec, state: State, name: str) -> None:
        fields = list(kind.fields)
        self.rows = [
            (place, field, table, state.rows[table])
            for place, (field, table) in enumerate(kind.fields.items())
            if table != "int"
        ]
        self.states = [
            (fields.index(field), field, state.states[kind.fields[field]], _listed(states))
            for field, states in kind.when.items()
        ]
        self.needs_text = kind.needs
        self.needs: Callable[[Args], Any] | None = None
        if kind.needs is not None:
            self.needs = compile_expression(kind.needs, state.of_event(kind.fields), name)
        self.event = kind.causes
        own = spec.events[kind.causes].fields if kind.causes is not None else ()
        self.places = [fields.index(field) for field in own]
        """Where the fields of its event are in it."""
        self.bounded = kind.needs is None
        """Whether gauges bound it. Where it says what it needs, that alone does: other events may
        yet make room before its own."""


class Monitor:
    """Follows one run. ``asking`` tells whether the policy must get its turn before time moves on.

    ``take`` and ``end`` raise ``Broken`` where the simulator breaks the contract or a law.
    """

    def __init__(self, spec: SealedSpec, laws: Laws, scenario: Scenario) -> None:
        self.spec = spec
        self.state = state_of(spec, scenario)
        self.log: list[Event] = []
        self.asking = False
        self._horizon = scenario.values[HORIZON]
        self._owed: Counter[tuple[str, tuple[int, ...]]] = Counter()
        rows = self.state.rows
        self._kinds = {
            name: _Kind(kind.asks, [rows.get(table) for table in kind.fields.values()])
            for name, kind in spec.events.items()
        }
        self._balances: list[tuple[str, str, Callable[[Any], Any]]] = []
        self._completions: list[Callable[[], None]] = []
        self._choices: dict[str, _Choice] = {}
        for name, kind in spec.decisions.items():
            self._choices[name] = _Choice(kind, spec, self.state, name)
            if kind.causes is not None:
                fields = list(spec.events[kind.causes].fields)
                places = tuple(fields.index(field) for field in kind.fields)
                self._kinds[kind.causes].causes.append((name, places))
        for law in laws.laws:
            self._add_law(law)

    def take(self, event: Event) -> None:
        """Take the next event of the log."""
        name, time, args = event
        state, kind = self.state, self._kinds.get(name)
        if kind is None:
            raise self._broken("the contract names the event", event, "a kind of event", name)
        if time != state.now:
            self._move_on(time, event)
        if len(args) != kind.width:
            found = f"{len(args)} fields"
            raise self._broken("an event has its fields", event, f"{kind.width}", found)
        for place, most in kind.rows:
            if not 0 <= args[place] < most:
                found = f"{args[place]}"
                raise self._broken("a row is there", event, f"a row below {most}", found)
        if len(self.log) >= MOST_EVENTS:
            expected = f"at most {MOST_EVENTS} events"
            raise self._broken("a run has an end", event, expected, "one more")
        if kind.causes:
            self._pay(kind, event)
        try:
            state.apply(name, args)
            for test in kind.tests:
                test(event)
        except Refused as refused:
            law = "states and gauges"
            raise self._broken(law, event, refused.expected, refused.found) from None
        except (Impossible, Missing) as error:
            raise self._broken("expressions have values", event, "a number", str(error)) from None
        state.note(name, args)
        if kind.asks:
            self.asking = True
        self.log.append(event)

    def asked(self) -> None:
        """Note that the policy has had its turn."""
        self.asking = False

    def accept(self, decisions: Sequence[Decision]) -> str | None:
        """Take the decisions of one turn, in their order; return why one of them is not legal."""
        problem = self.legal(*decisions)
        if problem is None:
            for name, args in decisions:
                if self.spec.decisions[name].causes is not None:
                    self._owed[name, args] += 1
        return problem

    def legal(self, *decisions: Decision) -> str | None:
        """Return why one of these decisions of one turn is not legal now, None where all are."""
        undo: list[tuple[Any, ...]] = []
        try:
            seen = set()
            for decision in decisions:
                problem = self._illegal(*decision, undo)
                if problem is None and decision in seen:
                    problem = f"{self.decision_text(decision)}: it is decided twice"
                if problem is not None:
                    return problem
                seen.add(decision)
        finally:
            self.state.revert(undo)
        return None

    def end(self) -> None:
        """Take the end of the log."""
        self._settle(None)
        self.state.now = self._horizon
        try:
            for test in self._completions:
                test()
        except Impossible as error:
            raise self._broken("expressions have values", None, "a number", str(error)) from None

    def _move_on(self, time: int, event: Event) -> None:
        if time < self.state.now:
            expected = f"at least {self.state.now}"
            raise self._broken("time never goes back", event, expected, f"{time}")
        if time > self._horizon:
            expected = f"at most the horizon, {self._horizon}"
            raise self._broken("a run ends at its horizon", event, expected, f"{time}")
        self._settle(event)
        self.state.now = time

    def _settle(self, event: Event | None) -> None:
        """Check what must hold before time moves on."""
        if self.asking:
            law, found = "the policy gets its turn", "time moved on"
            raise self._broken(law, event, "a turn first", found)
        if self._owed:
            (name, args), _ = next(iter(self._owed.items()))
            cause = self.spec.decisions[name].causes
            found = f"time moved on without {cause} after {self.decision_text((name, args))}"
            raise self._broken("a decision is carried out", event, f"{cause} first", found)
        for name, text, holds in self._balances:
            try:
                if holds(None):
                    continue
                found = "it does not hold"
            except (Impossible, Missing) as error:
                found = str(error)
            raise self._broken(name, event, text, found)

    def _pay(self, kind: _Kind, event: Event) -> None:
        args = event[2]
        for name, places in kind.causes:
            owed = (name, tuple(args[place] for place in places))
            if owed in self._owed:
                self._owed[owed] -= 1
                if not self._owed[owed]:
                    del self._owed[owed]
                return
        causes = " or ".join(name for name, _ in kind.causes)
        raise self._broken("only a decision causes it", event, f"the decision {causes}", "none")

    def _illegal(self, name: str, args: Args, undo: list[tuple[Any, ...]]) -> str | None:
        """Return why a decision is not legal; else do for now what its event will do."""
        choice = self._choices[name]
        for place, field, table, most in choice.rows:
            if not 0 <= args[place] < most:
                return self._told(
                    name, args, f"{field} is {args[place]}, which is no row of {table}"
                )
        for place, field, states, allowed in choice.states:
            if states[args[place]] not in allowed:
                expected = " or ".join(allowed)
                found = f"{field} is {states[args[place]]}, expected {expected}"
                return self._told(name, args, found)
        try:
            if choice.needs is not None and not choice.needs(args):
                return self._told(name, args, f"it needs {choice.needs_text}")
            if choice.event is not None:
                event = tuple([args[place] for place in choice.places])
                self.state.apply(choice.event, event, undo, choice.bounded)
        except (Refused, Impossible, Missing) as error:
            return self._told(name, args, str(error))
        return None

    def _told(self, name: str, args: Args, problem: str) -> str:
        return f"{self.decision_text((name, tuple(args)))}: {problem}"

    def decision_text(self, decision: Decision) -> str:
        """Return a decision as a policy writes it: ``start(job=3)``."""
        name, args = decision
        fields = self.spec.decisions[name].fields
        return f"{name}({', '.join(f'{k}={v}' for k, v in zip(fields, args, strict=True))})"

    def _broken(self, law: str, event: Event | None, expected: str, found: str) -> Broken:
        time = self.state.now if event is None else event[1]
        return Broken(law, time, event, expected, found)

    def _add_law(self, law: lawbook.Law) -> None:
        state = self.state
        match law:
            case lawbook.Balance(name=name, holds=text):
                holds = compile_expression(text, state.of_run(), name)
                self._balances.append((name, text, holds))
            case lawbook.Complete():
                self._completions.append(self._completion(law))
            case lawbook.Never(name=name, event=event, condition=text):
                names = state.of_event(self.spec.events[event].fields)
                condition = compile_expression(text, names, name)

                def never(event: Event) -> None:
                    if _holds(condition, event[2]):
                        raise self._broken(name, event, f"not {text}", "it holds")

                self._kinds[event].tests.append(never)
            case lawbook.At() | lawbook.Lasts():
                self._kinds[law.event].tests.append(self._timing(law))

    def _timing(self, law: lawbook.At | lawbook.Lasts) -> Test:
        fields = self.spec.events[law.event].fields
        names, state = self.state.of_event(fields), self.state
        time = compile_expression(law.time, names, law.name)
        where = None if law.where is None else compile_expression(law.where, names, law.name)
        since: list[dict[int, int]] = []
        place = 0
        if isinstance(law, lawbook.Lasts):
            since = [state.at[each][fields[law.row]] for each in law.since]
            place = list(fields).index(law.row)

        def test(event: Event) -> None:
            args = event[2]
            if where is not None and not _holds(where, args):
                return
            try:
                wanted = time(args)
                took = event[1]
                if since:
                    row = args[place]
                    took -= max(times[row] for times in since if row in times)
            except (Missing, ValueError):
                found = "an event that it needs did not come"
                raise self._broken(law.name, event, law.time, found) from None
            if took != wanted and (
                law.compare == "equal" or (took < wanted) == (law.compare == "at_least")
            ):
                words = {"equal": "", "at_least": "at least ", "at_most": "at most "}
                expected = f"{words[law.compare]}{wanted} us ({law.time})"
                raise self._broken(law.name, event, expected, f"{took} us")

        return test

    def _completion(self, law: lawbook.Complete) -> Callable[[], None]:
        table = self.spec.events[law.event].fields[law.row]
        came = self.state.at[law.event][table]
        text = "True" if law.where is None else law.where
        where = compile_expression(text, self.state.of_row(table), law.name)

        def test() -> None:
            for row in range(self.state.rows[table]):
                if row not in came and _holds(where, row):
                    found = f"row {row} of {table} has none"
                    raise self._broken(
                        law.name, None, f"{law.event} of each row where {text}", found
                    )

        return test


def _listed(states: str | Sequence[str]) -> tuple[str, ...]:
    return (states,) if isinstance(states, str) else tuple(states)


def _holds(condition: Callable[[Any], Any], context: Any) -> bool:
    """Tell whether a condition holds; one about an event that did not come does not."""
    try:
        return bool(condition(context))
    except Missing:
        return False


__all__ = ["Broken", "Decision", "Monitor", "event_text"]
