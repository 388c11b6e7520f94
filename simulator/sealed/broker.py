"""Runs an untrusted simulator and a policy against each other, and trusts neither."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import Any, Never

from simulator.contract import Policy
from simulator.domain import Run
from simulator.errors import Failure, PolicyFailure
from simulator.messages import encode
from simulator.sealed import policy_side, writer_side
from simulator.sealed.laws import Laws
from simulator.sealed.log import (
    Broken,
    Event,
    Said,
    Turn,
    simulator_broke,
    simulator_failed,
)
from simulator.sealed.monitor import Decision, Monitor
from simulator.sealed.reductions import figures
from simulator.sealed.scenarios import Scenario
from simulator.sealed.shapes import SealedSpec
from simulator.sealed.spec import HORIZON, public

MOST_IDLE_TURNS = 10_000
"""Answers of a simulator without an event, one after another."""
PLAIN_NUMBERS = (0, 1_000, 100_000, 1_000_000, 10_000_000)
"""What a random policy draws a field that is no row from, where nothing else is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerRun:
    """A run that kept the contract and all laws."""

    run: Run
    log: list[Event]
    turns: list[int]
    """How many events had been logged each time the policy was asked."""

    @property
    def story(self) -> list[Event]:
        """The log with a ``turn`` wherever the policy was asked: all that it can learn from."""
        told, done = list[Event](), 0
        for count in self.turns:
            told += self.log[done:count]
            told.append(("turn", self.log[count - 1][1], ()))
            done = count
        return told + self.log[done:]


class RandomPolicy:
    """Makes random legal decisions; the broker lets it ask the monitor what is legal.

    ``draw`` says, by the name of a field, what a plain number is drawn from.
    """

    def __init__(
        self, seed: int, draw: Mapping[str, Sequence[int]] | None = None, most: int = 3
    ) -> None:
        self._rng = Random(seed)
        self._draw = draw or {}
        self._most = most
        self.monitor: Monitor | None = None

    def start(self, setup: Any) -> None:
        """Know nothing."""

    def decide(self, observation: Any, answer: Any) -> Any:
        """Decide up to ``most`` legal things, each drawn from rows in the right states."""
        monitor, rng = self.monitor, self._rng
        assert monitor is not None
        kinds, made = list(monitor.spec.decisions.items()), list[Decision]()
        for _ in range(rng.randint(0, self._most) if kinds else 0):
            name, kind = rng.choice(kinds)
            args = []
            for field, table in kind.fields.items():
                rows: Sequence[int] = range(monitor.state.rows.get(table, 0))
                if table == "int":
                    rows = self._draw.get(field, PLAIN_NUMBERS)
                states = kind.when.get(field)
                if states is not None:
                    wanted = (states,) if isinstance(states, str) else states
                    now = monitor.state.states[table]
                    rows = [row for row in rows if now[row] in wanted]
                if not rows:
                    break
                args.append(rng.choice(rows))
            decision = (name, tuple(args))
            if len(args) == len(kind.fields) and monitor.legal(*made, decision) is None:
                made.append(decision)
        numbers = {name: number for number, (name, _) in enumerate(kinds)}
        decided = [(numbers[name], args) for name, args in made]
        return policy_side.Decided(step=observation.step, calls=1, decisions=decided)


def run(
    spec: SealedSpec, laws: Laws, scenario: Scenario, simulator: Policy, policy: Policy
) -> BrokerRun:
    """Return the figures and the log of a run.

    Raise ``PolicyFailure`` where the policy fails or decides what is not legal, and
    ``SimulatorFailure`` where the simulator fails or its log breaks the contract or a law.
    """
    return _Broker(spec, laws, scenario, simulator, policy).run()


class _Broker:
    def __init__(
        self,
        spec: SealedSpec,
        laws: Laws,
        scenario: Scenario,
        simulator: Policy,
        policy: Policy,
    ) -> None:
        self._spec = spec
        self._scenario = scenario
        self._simulator = simulator
        self._policy = policy
        self._monitor = Monitor(spec, laws, scenario)
        if isinstance(policy, RandomPolicy):
            policy.monitor = self._monitor
        self._projection = Projection(spec, scenario)
        self._kinds = list(spec.events)
        self._decisions = list(spec.decisions.items())
        self._digest = sha256()
        self._shown = 0
        self._turns: list[int] = []

    def run(self) -> BrokerRun:
        scenario, monitor = self._scenario, self._monitor
        self._policy.start(self._projection.setup())
        setup = writer_side.Setup(
            list(scenario.values.values()),
            list(scenario.parameters.values()),
            scenario.tables,
            scenario.seed,
        )
        try:
            self._simulator.start(setup)
        except PolicyFailure as error:
            raise simulator_failed(error.failure) from error
        try:
            self._relay()
            monitor.end()
        except Broken as broken:
            raise simulator_broke(broken, self._spec, monitor.log) from None
        counts = {f"{name}_events": count for name, count in monitor.state.counts.items()}
        done = Run(
            stats=counts,
            metrics=figures(self._spec, monitor.state),
            policy_calls=len(self._turns),
            decision_sha256=self._digest.hexdigest(),
        )
        return BrokerRun(run=done, log=monitor.log, turns=self._turns)

    def _relay(self) -> None:
        """Let the simulator log, and the policy decide, until the simulator is done."""
        monitor, horizon = self._monitor, self._scenario.values[HORIZON]
        decisions: list[tuple[int, tuple[int, ...]]] = []
        idle = 0
        while idle <= MOST_IDLE_TURNS:
            said = self._say(Turn(monitor.state.now, horizon, decisions))
            idle = 0 if said.events else idle + 1
            for kind, time, args in said.events:
                name = self._kinds[kind] if kind < len(self._kinds) else f"number {kind}"
                monitor.take((name, time, args))
            if said.then == "done":
                return
            decisions = []
            if said.then == "asks" and monitor.asking:
                decisions = self._decide()
                monitor.asked()
        expected = f"an event within {MOST_IDLE_TURNS} turns"
        raise Broken("a run has an end", monitor.state.now, None, expected, "none")

    def _say(self, turn: Turn) -> Said:
        try:
            said: Said = self._simulator.decide(turn, _no_answer)
        except PolicyFailure as error:
            raise simulator_failed(error.failure) from error
        return said

    def _decide(self) -> list[tuple[int, tuple[int, ...]]]:
        monitor = self._monitor
        new, self._shown = monitor.log[self._shown :], len(monitor.log)
        now = monitor.state.now
        decided = self._policy.decide(self._projection.observe(now, new), _no_answer)
        self._turns.append(len(monitor.log))
        if not decided.decisions:
            return []
        named = []
        for kind, args in decided.decisions:
            if not 0 <= kind < len(self._decisions):
                self._refuse(f"decision number {kind}, of {len(self._decisions)}")
            name, fields = self._decisions[kind]
            if len(args) != len(fields.fields):
                self._refuse(f"{name} with {len(args)} fields, expected {len(fields.fields)}")
            named.append((name, tuple(args)))
        problem = monitor.accept(named)
        if problem is not None:
            self._refuse(problem)
        self._digest.update(encode((now, named)))
        return decided.decisions  # type: ignore[no-any-return]

    def _refuse(self, message: str) -> Never:
        now = self._monitor.state.now
        raise PolicyFailure(Failure(kind="invalid_decision", message=message, step=now))


class Projection:
    """What of a scenario and a log a policy is told."""

    def __init__(self, spec: SealedSpec, scenario: Scenario) -> None:
        self._scenario = scenario
        self._seen = public(spec)
        self._tables = {name: number for number, name in enumerate(spec.tables)}
        self._columns = {
            name: [place for place, key in enumerate(rows.columns) if key in seen.columns]
            for (name, rows), seen in zip(
                spec.tables.items(), self._seen.tables.values(), strict=True
            )
        }
        self._events = {
            name: (
                number,
                [place for place, key in enumerate(spec.events[name].fields) if key in kind.fields],
                [
                    (table, place)
                    for place, table in enumerate(spec.events[name].fields.values())
                    if table != "int" and spec.tables[table].revealed_by == name
                ],
            )
            for number, (name, kind) in enumerate(self._seen.events.items())
        }
        self._revealed: set[tuple[str, int]] = set()

    def setup(self) -> policy_side.Setup:
        """Return what a policy knows before the first event."""
        scenario, seen = self._scenario, self._seen
        return policy_side.Setup(
            values=[scenario.values[name] for name in seen.values],
            parameters=[scenario.parameters[name] for name in seen.parameters],
            tables={
                name: [self._row(name, number)[2] for number in range(len(scenario.tables[name]))]
                for name, rows in seen.tables.items()
                if rows.revealed_by is None
            },
        )

    def observe(self, now: int, events: Sequence[Event]) -> policy_side.Observation:
        """Return what these events tell."""
        told, revealed = [], []
        for name, time, args in events:
            rule = self._events.get(name)
            if rule is None:
                continue
            number, shown, reveals = rule
            told.append((number, time, tuple([args[place] for place in shown])))
            for table, place in reveals:
                row = (table, args[place])
                if row not in self._revealed:
                    self._revealed.add(row)
                    revealed.append(self._row(*row))
        return policy_side.Observation(now, now, told, revealed)

    def _row(self, table: str, number: int) -> tuple[int, int, tuple[int, ...]]:
        row = self._scenario.tables[table][number]
        return (self._tables[table], number, tuple([row[place] for place in self._columns[table]]))


def _no_answer(_query: Any) -> Never:
    raise TypeError("a sealed domain answers no queries")
