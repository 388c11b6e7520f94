"""Puts one simulator to one check, and makes what goes wrong as small as it can.

A check passes, fails with a counterexample, or is not applicable where a changed scenario would
leave the bounds of the contract. The policies of a check are the person's own and run here; the
simulator may be anywhere behind its port, and nothing that it says is trusted. Where a changed run
is compared with another one, it is made by a second process, which has seen nothing of the first.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from simulator.bootstrap import check_spec as kinds
from simulator.bootstrap import relations, theory
from simulator.bootstrap.check_spec import RANDOM, Check
from simulator.bootstrap.folder import REFERENCE, Folder, figure_rows
from simulator.bootstrap.metered import Meter, Metered, OutOfTime, Unloadable
from simulator.bootstrap.ranking import tau_with_interval
from simulator.bootstrap.shrink import shrink
from simulator.contract import Policy
from simulator.driver import LocalPolicy
from simulator.errors import InputError, PolicyFailure
from simulator.messages import encode
from simulator.sealed.broker import BrokerRun, RandomPolicy, run
from simulator.sealed.expressions import compile_expression
from simulator.sealed.log import Event, SimulatorFailure, event_text
from simulator.sealed.policy_side import contract_of
from simulator.sealed.scenarios import Scenario, generate, make_scenario, state_of
from simulator.sealed.shapes import SealedSpec
from simulator.sealed.spec import HORIZON
from simulator.sealed.writer_side import simulator_contract

SHRINK_RUNS = 200
"""Simulations that may be spent on making a counterexample smaller."""
SHRINK_CPU_SECONDS = 3.0
AROUND = 20
"""Events that a counterexample shows up to where the logs differ."""
MOST_ROWS = 40
"""Rows that a counterexample shows of its scenario."""
ALMOST = 0.999
"""The furthest that a check which fails can get."""
CLOSE = 1e-9
"""Relative room for rounding where figures must be equal."""
KNOWN_OUTCOME = (kinds.Worked, kinds.Reference, kinds.Analytic, kinds.Figures, kinds.Zero)


class Wrong(Exception):
    """What a simulator did wrong, in one run or between several."""

    def __init__(
        self, what: str, expected: str, found: str, log: Sequence[str] = (), at: int | None = None
    ) -> None:
        super().__init__(f"{what}: {found}, expected {expected}")
        self.what, self.expected, self.found = what, expected, found
        self.log, self.at = log, at


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a check went. All of it is text and numbers, as it stands in the history."""

    verdict: str
    """pass | fail | not applicable."""
    reason: str = ""
    runs: int = 0
    reached: float = 1.0
    """How far it got before something went wrong, from 0 to 1: over scenarios, and time in one."""
    exact: bool = False
    """Whether the right outcome is known, so that doing too little is never enough."""
    counterexample: Mapping[str, str] | None = None
    figures: Mapping[str, Mapping[str, float]] | None = None
    """By seed, of a measurement."""
    digest: str = ""
    """Of all logs before anything was made smaller."""

    @property
    def metrics(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "passed": float(self.verdict != "fail"),
            "verdict": self.verdict,
            "runs": self.runs,
            "reached": self.reached,
            "exact": self.exact,
        }
        for name in ("reason", "counterexample", "figures"):
            if getattr(self, name):
                found[name] = getattr(self, name)
        return found


def try_check(
    check: Check,
    folder: Folder,
    simulator: Policy,
    beside: Policy | None = None,
    *,
    shrinks: bool = True,
    run_cpu_seconds: float | None = None,
) -> Result:
    """Put a simulator to a check; raise ``PolicyFailure`` only where it cannot be loaded.

    ``beside`` is the same simulator in another process; without it there is but one.
    Its process may use ``run_cpu_seconds`` in each run, as far as the port can see to that.
    """
    bench = Bench(folder, check, simulator, beside or simulator, run_cpu_seconds)
    try:
        return replace(_tried(check, bench, shrinks), exact=isinstance(check, KNOWN_OUTCOME))
    except Unloadable as error:
        raise PolicyFailure(error.failure) from None


def _tried(check: Check, bench: "Bench", shrinks: bool) -> Result:
    figures = None
    try:
        if type(check) in _OVER_ALL:
            figures = _OVER_ALL[type(check)](check, bench)
        else:
            for scenario in bench.scenarios():
                bench.scenario = scenario
                _KINDS[type(check)](check, bench, scenario)
    except InputError as error:
        return Result(verdict="not applicable", reason=str(error), runs=bench.runs)
    except OutOfTime as error:
        reason = str(error)
        return Result(
            verdict="fail",
            reason=reason,
            runs=bench.runs,
            reached=bench.reached(0),
            digest=bench.digest,
        )
    except Wrong as wrong:
        digest, runs, reached = bench.digest, bench.runs, bench.reached(wrong.at)
        smaller = bench.scenario
        if shrinks:
            smaller, wrong = _smallest(check, bench, wrong)
        return Result(
            verdict="fail",
            reason=str(wrong),
            runs=runs,
            reached=reached,
            counterexample=_counterexample(bench.spec, smaller, wrong),
            digest=digest,
        )
    return Result(verdict="pass", runs=bench.runs, figures=figures, digest=bench.digest)


def _smallest(check: Check, bench: "Bench", wrong: Wrong) -> tuple[Scenario | None, Wrong]:
    """Return the smallest scenario found in which it still goes wrong, and how it does there."""
    found, question = bench.scenario, _KINDS.get(type(check))
    if found is None or question is None or bench.dead:
        return found, wrong
    if isinstance(check, kinds.Worked):
        return found, wrong  # a person made it as small as it should be
    told = {id(found): wrong}

    def fails(scenario: Scenario) -> bool:
        if bench.dead or bench.runs > most:
            return False
        try:
            question(check, bench, scenario)
        except Wrong as other:
            if other.what != wrong.what:
                return False
            told[id(scenario)] = other
            kept.append(scenario)
            return True
        except (InputError, OutOfTime):
            pass
        return False

    most = bench.runs + SHRINK_RUNS
    kept = [found]  # keeps every id alive
    bench.begin_again(SHRINK_CPU_SECONDS)
    smallest = shrink(bench.spec, found, fails, SHRINK_RUNS)
    return smallest, told[id(smallest)]


class Bench:
    """Runs scenarios with one simulator, within the CPU seconds of one check."""

    def __init__(
        self,
        folder: Folder,
        check: Check,
        simulator: Policy,
        beside: Policy,
        run_cpu_seconds: float | None = None,
    ) -> None:
        self.folder, self.spec, self.check = folder, folder.spec, check
        self._meter = Meter([simulator, beside], check.cpu_seconds)
        run_limit = run_cpu_seconds or math.inf
        self._first, self._second = (
            Metered(each, self._meter, run_limit) for each in (simulator, beside)
        )
        self.runs = 0
        self.scenario: Scenario | None = None
        """The one that is tried now."""
        self._begun, self._horizon = 0, 1
        self._digest = hashlib.sha256()
        self._contract = contract_of(self.spec)

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    @property
    def dead(self) -> bool:
        """Whether the simulator's process cannot be asked any more."""
        return self._first.dead or self._second.dead

    def reached(self, at: int | None) -> float:
        """Return how far the check got that went wrong at a time, below 1.

        None is no time: all runs went through, and what came out of them is wrong.
        """
        if not self._begun:
            return 0.0
        seeds = getattr(self.check, "all_seeds", self.check.seeds)
        share = 1.0 if at is None else min(1.0, at / self._horizon)
        return round(min(ALMOST, (self._begun - 1 + share) / max(self._begun, len(seeds))), 6)

    def begin_again(self, cpu_seconds: float) -> None:
        """Give what follows so many CPU seconds."""
        self._meter.begin(cpu_seconds)

    def scenarios(self, seeds: Sequence[int] | None = None) -> Iterator[Scenario]:
        """Yield the scenarios of the check: one a seed, or the one of its file."""
        check = self.check
        if isinstance(check, kinds.Worked):
            yield self._begin(self.from_file(check.file))
        elif check.scenario:
            yield self._begin(self.from_file(check.scenario))
        else:
            for seed in check.seeds if seeds is None else seeds:
                yield self._begin(generate(self.spec, check.generator, seed, check.set))

    def from_file(self, name: str) -> Scenario:
        """Return the scenario of a file, or of a worked trace."""
        table = self.folder.files[name]
        assert not isinstance(table, str), "scenarios are read as tables"
        own = self.check.set
        return make_scenario(
            self.spec,
            {**table.get("values", {}), **_some(own, self.spec.values)},
            {key: _rows(self.spec, key, rows) for key, rows in table.get("tables", {}).items()},
            where=name,
            parameters={**table.get("parameters", {}), **_some(own, self.spec.parameters)},
            seed=table.get("seed", 0),
            name=name,
        )

    def run(self, scenario: Scenario, policy: str | None = None) -> BrokerRun:
        """Run the simulator; raise ``Wrong`` where it breaks a law, or its contract, or itself."""
        return self._run(scenario, policy or self.check.policy, self._first)

    def run_beside(self, scenario: Scenario) -> BrokerRun:
        """Run the simulator where it has seen nothing of what ``run`` runs."""
        return self._run(scenario, self.check.policy, self._second)

    def run_reference(self, scenario: Scenario, policy: str | None = None) -> BrokerRun:
        """Run the person's own simulator."""
        source = self.folder.files[REFERENCE]
        assert isinstance(source, str), "sources are texts"
        own = LocalPolicy(simulator_contract(self.spec), source, REFERENCE)
        return self._run(scenario, policy or self.check.policy, own)

    def lines(self, log: Sequence[Event]) -> list[str]:
        """Return events as people read them."""
        return [event_text(event, self.spec) for event in log]

    def _begin(self, scenario: Scenario) -> Scenario:
        self._begun += 1
        self._horizon = max(1, scenario.values[HORIZON])
        return scenario

    def _run(self, scenario: Scenario, name: str, simulator: Policy) -> BrokerRun:
        scenario = _remade(self.spec, scenario)
        self.runs += 1
        policy: Policy = RandomPolicy(scenario.seed, self.check.draw)
        if name != RANDOM:
            policy = LocalPolicy(self._contract, self.folder.policies[name], f"{name}.py")
        try:
            ended = run(self.spec, self.folder.laws, scenario, simulator, policy)
        except SimulatorFailure as error:
            found = error.counterexample
            self._digest.update(encode([found.law, found.time, found.event]))
            log = [*found.before, *([found.event] if found.event else [])]
            raise Wrong(found.law, found.expected, found.found, log, found.time or 0) from None
        except PolicyFailure as error:
            told = f"{error.failure.kind}: {error.failure.message}"
            self._digest.update(told.encode("utf-8", "backslashreplace"))
            what, at = f"the policy {name} can run", error.failure.step or 0
            raise Wrong(what, "decisions", told, at=at) from None
        self._digest.update(encode(ended.log))
        return ended


def _plain(check: Any, bench: Bench, scenario: Scenario) -> None:
    bench.run(scenario)


def _determinism(check: Any, bench: Bench, scenario: Scenario) -> None:
    first = bench.run(scenario).story
    _must_equal(bench, "two runs have the same log", first, bench.run_beside(scenario).story)


def _causality(check: kinds.Causality, bench: Bench, scenario: Scenario) -> None:
    ended = bench.run(scenario)
    log = ended.log
    times = sorted({time for _, time, _ in log})
    for number in range(check.moments):
        if not times:
            return
        moment = times[(number + 1) * len(times) // (check.moments + 1)]
        seed = scenario.seed + number
        laws = bench.folder.laws.laws
        other = relations.disguised(bench.spec, scenario, log, moment, check.columns, seed, laws)
        seen = [event for event in bench.run_beside(other).story if event[1] <= moment]
        before = [event for event in ended.story if event[1] <= moment]
        what = f"what cannot have shown at {moment} us changes nothing up to then"
        _must_equal(bench, what, before, seen)


def _time_scale(check: kinds.TimeScale, bench: Bench, scenario: Scenario) -> None:
    other, change = relations.scaled(bench.spec, scenario, check.factor)
    what = f"with all times {check.factor} times as long, all happens {check.factor} times as late"
    _must_equal(bench, what, change(bench.run(scenario).log), bench.run_beside(other).log)


def _shift(check: kinds.Shift, bench: Bench, scenario: Scenario) -> None:
    other, change = relations.shifted(bench.spec, scenario, check.by, check.columns)
    what = f"when all begins {check.by} us later, all happens {check.by} us later"
    _must_equal(bench, what, change(bench.run(scenario).log), bench.run_beside(other).log)


def _relabel(check: kinds.Relabel, bench: Bench, scenario: Scenario) -> None:
    other, change = relations.relabelled(bench.spec, scenario, check.table, scenario.seed)
    expected = relations.sorted_log(change(bench.run(scenario).log))
    found = relations.sorted_log(bench.run_beside(other).log)
    what = f"with other numbers for {check.table}, the same happens to the same rows"
    _must_equal(bench, what, expected, found)


def _duplicate(check: kinds.Duplicate, bench: Bench, scenario: Scenario) -> None:
    other, halves = relations.duplicated(bench.spec, scenario, check.tables, check.values)
    alone, both = bench.run(scenario).log, bench.run_beside(other).log
    for number, (change, is_own) in enumerate(halves):
        expected = relations.sorted_log(change(alone))
        found = relations.sorted_log([event for event in both if is_own(event)])
        _must_equal(bench, f"copy {number} beside another goes as it does alone", expected, found)


def _monotone(check: kinds.Monotone, bench: Bench, scenario: Scenario) -> None:
    values = scenario.values | {check.value: scenario.values[check.value] + check.by}
    first = _figure(bench.run(scenario), check.figure)
    second = _figure(bench.run_beside(replace(scenario, values=values)), check.figure)
    room = CLOSE * max(abs(first), abs(second))
    right = second <= first + room if check.direction == "falls" else second >= first - room
    if not right:
        raise Wrong(
            f"{check.figure} {check.direction} when {check.value} grows by {check.by}",
            f"at {'most' if check.direction == 'falls' else 'least'} {first:g}",
            f"{second:g}",
        )


def _zero(check: kinds.Zero, bench: Bench, scenario: Scenario) -> None:
    spec, tables = bench.spec, dict(scenario.tables)
    for text, value in check.zero.items():
        table, _, column = text.partition(".")
        if table not in spec.tables or column not in spec.tables[table].columns:
            raise InputError(f"zero has {text}, expected TABLE.COLUMN")
        place = list(spec.tables[table].columns).index(column)
        tables[table] = [[*row[:place], value, *row[place + 1 :]] for row in tables[table]]
    changed = _remade(spec, replace(scenario, tables=tables))
    general, known = state_of(spec, changed).of_run(), changed.figures

    def names(path: tuple[str, ...]) -> Callable[[Any], Any] | None:
        if len(path) == 1 and path[0] in known:
            return lambda _: known[path[0]]
        return general(path)

    expected = float(compile_expression(check.equals, names, check.name)(None))
    _must_be(check.figure, expected, _figure(bench.run(changed), check.figure))


def _reference(check: kinds.Reference, bench: Bench, scenario: Scenario) -> None:
    right, own = bench.run_reference(scenario), bench.run(scenario)
    if check.log:
        one, two = relations.sorted_log(right.log), relations.sorted_log(own.log)
        _must_equal(bench, "the log is that of reference.py", one, two)
    for name in check.figures:
        expected = _figure(right, name)
        room = check.share * abs(expected)
        _must_be(f"{name}, as reference.py has it,", expected, _figure(own, name), room)


def _worked(check: kinds.Worked, bench: Bench, scenario: Scenario) -> None:
    table = bench.folder.files[check.file]
    assert not isinstance(table, str), "worked traces are read as tables"
    lines = table.get("log", [])
    expected = relations.sorted_log([_event(bench.spec, line, check.file) for line in lines])
    found = relations.sorted_log(bench.run(scenario, table.get("policy")).log)
    _must_equal(bench, f"the log is the one that was worked out in {check.file}", expected, found)


def _analytic(check: kinds.Analytic, bench: Bench) -> None:
    expected = theory.THEORIES[check.theory](**check.arguments) * check.unit
    values = [
        _figure(bench.run(scenario), check.figure) for scenario in bench.scenarios(check.all_seeds)
    ]
    mean = math.fsum(values) / len(values)
    room = theory.tolerance(values) + check.bias * abs(expected)
    what = f"the mean {check.figure} over {len(values)} runs, by {check.theory},"
    _must_be(what, expected, mean, room)


def _figures(check: kinds.Figures, bench: Bench) -> None:
    for row in figure_rows(bench.folder, check.file):
        if row.figure == check.figure and check.generator in ("", row.generator):
            scenario = generate(bench.spec, row.generator, row.seed, check.set)
            bench.scenario = scenario
            own = _figure(bench.run(scenario, row.policy), row.figure)
            what = f"{row.figure}, as measured for {row.generator} {row.seed} with {row.policy},"
            _must_be(what, row.value, own, row.spread)


def _ranking(check: kinds.Ranking, bench: Bench) -> None:
    own: list[list[float]] = []
    right: list[list[float]] = []
    rows = figure_rows(bench.folder, check.file) if check.file else []
    for policy in check.policies:
        own.append([])
        right.append([])
        if check.file:
            for row in rows:
                if (row.policy, row.figure) == (policy, check.figure):
                    scenario = generate(bench.spec, row.generator, row.seed, check.set)
                    own[-1].append(_figure(bench.run(scenario, policy), check.figure))
                    right[-1].append(row.value)
            continue
        for scenario in bench.scenarios():
            own[-1].append(_figure(bench.run(scenario, policy), check.figure))
            right[-1].append(_figure(bench.run_reference(scenario, policy), check.figure))
    if not right[0] or len({len(each) for each in right}) > 1:
        raise InputError(f"{check.file} has not the same rows of {check.figure} for each policy")
    low, tau, high = tau_with_interval(own, right, check.seeds[0])
    if low < check.least_tau:
        raise Wrong(
            f"policies come in the right order by {check.figure}",
            f"Kendall's tau of at least {check.least_tau:g}",
            f"{tau:.3f} ({low:.3f} to {high:.3f})",
        )


def _measure(check: kinds.Measure, bench: Bench) -> dict[str, dict[str, float]]:
    found = {}
    for scenario in bench.scenarios():
        ended = bench.run(scenario)
        found[str(scenario.seed)] = {name: _figure(ended, name) for name in check.figures}
    return found


_KINDS: dict[type[Check], Callable[[Any, Bench, Scenario], None]] = {
    kinds.Run: _plain,
    kinds.Robust: _plain,
    kinds.Determinism: _determinism,
    kinds.Causality: _causality,
    kinds.TimeScale: _time_scale,
    kinds.Shift: _shift,
    kinds.Relabel: _relabel,
    kinds.Duplicate: _duplicate,
    kinds.Monotone: _monotone,
    kinds.Zero: _zero,
    kinds.Reference: _reference,
    kinds.Worked: _worked,
}
"""By kind of check: the question to one scenario; it raises ``Wrong``."""
_OVER_ALL: dict[type[Check], Callable[[Any, Bench], Any]] = {
    kinds.Analytic: _analytic,
    kinds.Figures: _figures,
    kinds.Ranking: _ranking,
    kinds.Measure: _measure,
}
"""The same for questions to all scenarios of a check together."""


def _must_equal(bench: Bench, what: str, expected: Sequence[Event], found: Sequence[Event]) -> None:
    difference = relations.first_difference(expected, found)
    if difference is None:
        return
    texts = ["the end of the log" if e is None else bench.lines([e])[0] for e in difference]
    event = difference[1]
    place = len(found) if event is None else list(found).index(event)
    log = bench.lines(found[max(0, place - AROUND) : place + 1])
    raise Wrong(what, texts[0], texts[1], log, min(e[1] for e in difference if e is not None))


def _must_be(what: str, expected: float, found: float, room: float = 0.0) -> None:
    if abs(found - expected) > room + CLOSE * abs(expected):
        within = f" within {room:.6g}" if room else ""
        raise Wrong(f"{what} is right", f"{expected:.9g}{within}", f"{found:.9g}")


def _figure(ended: BrokerRun, name: str) -> float:
    return float(ended.run.metrics[name])


def _event(spec: SealedSpec, line: str, where: str) -> Event:
    """Return the event of a line: ``120 started job=3``."""
    try:
        moment, kind, *fields = line.split()
        given = dict(field.split("=", 1) for field in fields)
        return kind, int(moment), tuple(int(given.pop(name)) for name in spec.events[kind].fields)
    except (ValueError, KeyError):
        raise InputError(
            f"{where}: {line!r} is no event, expected TIME EVENT field=value"
        ) from None


def _counterexample(spec: SealedSpec, scenario: Scenario | None, wrong: Wrong) -> dict[str, str]:
    found = {"what": wrong.what, "expected": wrong.expected, "found": wrong.found}
    if wrong.at is not None:
        found["at"] = f"{wrong.at} us"
    if wrong.log:
        found["log"] = "\n".join(wrong.log)
    if scenario is not None:
        found["scenario"] = scenario_text(spec, scenario)
    return found


def scenario_text(spec: SealedSpec, scenario: Scenario) -> str:
    """Return a scenario as lines, its first rows only where there are many."""
    lines = [f"{name} = {value}" for name, value in (scenario.values | scenario.parameters).items()]
    for table, rows in scenario.tables.items():
        columns = list(spec.tables[table].columns)
        for number, row in enumerate(rows[:MOST_ROWS]):
            cells = " ".join(f"{k}={v}" for k, v in zip(columns, row, strict=True))
            lines.append(f"{table}[{number}] {cells}".rstrip())
        if len(rows) > MOST_ROWS:
            lines.append(f"and {len(rows) - MOST_ROWS} more rows of {table}")
    return "\n".join(lines)


def _remade(spec: SealedSpec, scenario: Scenario) -> Scenario:
    """Return a changed scenario with the figures that go with it; raise ``InputError``."""
    return make_scenario(
        spec,
        scenario.values,
        scenario.tables,
        where="the changed scenario",
        parameters=scenario.parameters,
        seed=scenario.seed,
        name=scenario.name,
        family=scenario.family,
    )


def _rows(spec: SealedSpec, table: str, rows: Sequence[Any]) -> list[list[int]]:
    """Return rows as lists, whichever way a file has them."""
    if table not in spec.tables:
        raise InputError(f"there is no table {table}")
    columns = list(spec.tables[table].columns)
    try:
        return [[row[name] for name in columns] if isinstance(row, dict) else row for row in rows]
    except KeyError as error:
        raise InputError(f"a row of {table} has no {error.args[0]}") from None


def _some(given: Mapping[str, int], known: Mapping[str, Any]) -> dict[str, int]:
    return {name: value for name, value in given.items() if name in known}
