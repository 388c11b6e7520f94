"""What every domain promises, as questions to one: each answers with sentences about what it broke.

``assay domains check`` asks them about a folder, the tests about every domain. ``python -m
simulator.promises FOLDER POLICY`` simulates the scenario on its standard input in a process of its
own and prints the figures, to be compared with those of this process.
"""

import contextlib
import json
import math
import os
import random
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

import msgspec

from simulator.contract import Policy
from simulator.domain import Domain, Promises, Run, open_domain
from simulator.domain_spec import DomainSpec, Objective, figure
from simulator.driver import LocalPolicy
from simulator.errors import InputError, PolicyFailure
from simulator.messages import MessageError, decode, encode

WHOLE = (-1, 0, 1, 2, 3, 7, 1000, -(1 << 63), (1 << 63) - 1)
REAL = (-1.0, 0.0, 0.5, 1.0, 3.7, 1e300, math.inf, -math.inf, math.nan)
TEXTS = ("", "a", "0", "é\x00\n", "x" * 1000)
MOST_ITEMS = 4
"""Of a list in a random value."""
MOST_DEPTH = 8
MOST_NUMBERS = 64
"""Numbers of earlier messages that random decisions use."""
ANEW_ODDS = 0.2
"""How often a part of a decision is made anew as a whole."""
KEEP_ODDS = (0.5, 0.9, 0.98)
"""How often a policy is left to decide for itself, so that some runs get far and some get odd."""
SECONDS = 120.0
"""For a simulation in another process."""


class Recorder:
    """A policy that keeps every message as it would reach a policy's process: (step, bytes)."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.messages: list[tuple[int, bytes]] = []

    def start(self, setup: Any) -> None:
        self.messages.append((-1, encode(setup)))
        self._policy.start(setup)

    def decide(self, observation: Any, answer: Callable[[Any], Any]) -> Any:
        self.messages.append((observation.step, encode(observation)))

        def recorded(query: Any) -> Any:
            reply = answer(query)
            self.messages.append((query, encode(reply)))
            return reply

        return self._policy.decide(observation, recorded)


class Fuzzer:
    """A policy whose decisions are changed at random; all are of the declared type."""

    def __init__(
        self, kind: msgspec.inspect.StructType, policy: Policy, rng: random.Random
    ) -> None:
        self._type = kind
        self._policy = policy
        self._rng = rng
        self._values = Values(rng)
        self._keep_odds = rng.choice(KEEP_ODDS)
        self.changed = 0

    def start(self, setup: Any) -> None:
        self._policy.start(setup)

    def decide(self, observation: Any, answer: Callable[[Any], Any]) -> Any:
        self._values.note(msgspec.to_builtins(observation))
        decision = self._policy.decide(observation, answer)
        if self._rng.random() < self._keep_odds:
            return decision
        other = self._values.changed(self._type, decision)
        try:
            other = decode(encode(other), self._type.cls)  # as the wall would
        except MessageError:
            return decision
        other = _in_frame(other, decision, observation.quiet_until)
        self.changed += other is not decision
        return other


def _in_frame(other: Any, decision: Any, quiet_until: int) -> Any:
    """Return ``other`` with the step and calls of ``decision``, which the cell itself checks."""
    wanted = (decision.step, decision.calls)
    for name in other.__struct_fields__:
        if (other.step, other.calls) != wanted:
            candidate = msgspec.structs.replace(other, **{name: getattr(decision, name)})
            if (candidate.step, candidate.calls) != (other.step, other.calls):
                other = candidate
    ends_early = not other.size and decision.step != quiet_until
    return decision if ends_early or (other.step, other.calls) != wanted else other


class Values:
    """Makes random values of the types that ``msgspec.inspect`` describes."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._numbers: deque[int] = deque(WHOLE, maxlen=MOST_NUMBERS)

    def note(self, value: Any) -> None:
        """Remember the whole numbers in a value: some of them name something that is there."""
        if type(value) is int:
            self._numbers.append(value)
        elif isinstance(value, dict):
            self.note(list(value.values()))
        elif isinstance(value, list | tuple):
            for each in value[-MOST_NUMBERS:]:
                self.note(each)

    def changed(self, kind: msgspec.inspect.Type, value: Any) -> Any:
        """Return a value with one part of it made anew."""
        rng = self._rng
        if rng.random() < ANEW_ODDS:
            return self.any_of(kind)
        match kind:
            case msgspec.inspect.StructType():
                field = rng.choice(kind.fields)
                part = self.changed(field.type, getattr(value, field.name))
                return msgspec.structs.replace(value, **{field.name: part})
            case msgspec.inspect.ListType() if value:
                place, items = rng.randrange(len(value)), list(value)
                match rng.randrange(4):
                    case 0:
                        del items[place]
                    case 1:
                        items.append(items[place])
                    case 2:
                        items.append(self.any_of(kind.item_type))
                    case _:
                        items[place] = self.changed(kind.item_type, items[place])
                return items
            case msgspec.inspect.TupleType():
                place, items = rng.randrange(len(value)), list(value)
                items[place] = self.changed(kind.item_types[place], items[place])
                return tuple(items)
            case _:
                return self.any_of(kind)

    def any_of(self, kind: msgspec.inspect.Type, depth: int = 0) -> Any:
        """Return any value of a type."""
        rng = self._rng
        size = rng.randrange(MOST_ITEMS) if depth < MOST_DEPTH else 0

        def part(item: msgspec.inspect.Type) -> Any:
            return self.any_of(item, depth + 1)

        match kind:
            case msgspec.inspect.IntType():
                return rng.choice((rng.choice(WHOLE), rng.choice(self._numbers)))
            case msgspec.inspect.FloatType():
                return rng.choice(REAL)
            case msgspec.inspect.StrType():
                return rng.choice(TEXTS)
            case msgspec.inspect.BytesType():
                return rng.choice(TEXTS).encode()
            case msgspec.inspect.BoolType():
                return rng.random() < 0.5
            case msgspec.inspect.NoneType():
                return None
            case msgspec.inspect.AnyType():
                return rng.choice((None, *WHOLE, *REAL, *TEXTS))
            case msgspec.inspect.LiteralType():
                return rng.choice(kind.values)
            case msgspec.inspect.EnumType():
                return rng.choice(list(kind.cls))
            case msgspec.inspect.UnionType():
                return part(rng.choice(kind.types))
            case msgspec.inspect.ListType() | msgspec.inspect.VarTupleType():
                return [part(kind.item_type) for _ in range(size)]
            case msgspec.inspect.TupleType():
                return tuple(part(each) for each in kind.item_types)
            case msgspec.inspect.DictType():
                return {part(kind.key_type): part(kind.value_type) for _ in range(size)}
            case msgspec.inspect.StructType():
                return kind.cls(**{each.name: part(each.type) for each in kind.fields})
        name = type(kind).__name__
        raise InputError(f"a decision holds a {name}, of which no random value can be made")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fuzzed:
    """What became of random decisions."""

    decisions: int
    broken: tuple[str, ...]


def survives_decisions(
    domain: Domain, scenarios: Sequence[Any], source: str, decisions: int, seed: int = 0
) -> Fuzzed:
    """Make random decisions; a run must end well, or name a decision that is not allowed.

    They disturb those of the policy in ``source``, or of the idle one, which has no plans to upset.
    Figures of runs that end well are held against the laws and bounds of the domain.
    """
    rng = random.Random(seed)
    kind = msgspec.inspect.type_info(domain.contract.dialogue.decision)
    assert isinstance(kind, msgspec.inspect.StructType), "the check of the contract comes first"
    made = runs = 0
    broken: list[str] = []
    while made < decisions and len(broken) < 10 and runs < 100 * decisions:
        scenario = scenarios[runs % len(scenarios)]
        disturbed = rng.choice((source, domain.cell.IDLE_POLICY))
        fuzzer = Fuzzer(kind, LocalPolicy(domain.contract, disturbed), rng)
        runs += 1
        try:
            run = domain.cell.simulate(scenario, fuzzer)
        except PolicyFailure as error:
            if error.failure.kind not in ("invalid_decision", "policy_error"):
                broken.append(f"{scenario.name}: a decision ended as {error.failure}")
        except Exception as error:
            broken.append(f"{scenario.name}: a decision raised {type(error).__name__}: {error}")
        else:
            broken += breaks_laws(domain, scenario, run)
        made += fuzzer.changed
    if made < decisions and not broken:
        broken.append(f"only {made} random decisions could be made in {runs} runs")
    return Fuzzed(decisions=made, broken=tuple(dict.fromkeys(broken)))


def breaks_laws(domain: Domain, scenario: Any, run: Run) -> list[str]:
    """Return what is wrong with a run: missing figures, a bound beaten, a law of the domain."""
    broken = [f"{scenario.name}: {what}" for what in _spec_broken(domain, scenario, run)]
    check = getattr(domain.cell, "check_run", None)
    if check is not None:
        broken += [f"{scenario.name}: {law}" for law in check(scenario, run)]
    return broken


def _spec_broken(domain: Domain, scenario: Any, run: Run) -> list[str]:
    spec, broken = domain.spec, []
    for path in missing_known(domain, scenario):
        broken.append(f"figures lacks {path}, which {domain.name} charges or draws")
    if set(scenario.size) != set(spec.sizes):
        broken.append(f"size has {sorted(scenario.size)}, expected {sorted(spec.sizes)}")
    for objective in spec.objectives:
        broken += _bound_broken(objective, run)
        broken += _costs_broken(spec, objective, run)
    try:
        json.dumps([run.stats, run.metrics], allow_nan=False)
    except (TypeError, ValueError) as error:
        broken.append(f"the figures are no JSON: {error}")
    if spec.timeline is not None:
        lanes = [
            (channel.key, figure(f"{spec.timeline.figure}.{channel.key}", run.metrics))
            for channel in spec.timeline.channels
        ]
        broken += [
            f"the timeline has no list {key}" for key, curve in lanes if type(curve) is not list
        ]
    if spec.spans is not None:
        rows = figure(spec.spans.figure, run.metrics)
        if type(rows) is not list or any(len(row) != len(spec.spans.columns) for row in rows):
            broken.append(f"{spec.spans.figure} are no rows of {', '.join(spec.spans.columns)}")
    return broken


def missing_figures(domain: Domain, runs: Sequence[Run]) -> list[str]:
    """Return a sentence for each figure that ``domain.toml`` names and that none of the runs has.

    An objective needs a value; a metric may have none in a run in which nothing happened.
    """
    known = sorted({path for run in runs for path in _paths(run)})
    broken = []
    for path, what in _named_figures(domain.spec):
        if path in known:
            continue
        near = get_close_matches(path, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known[:10])}"
        broken.append(f"{what}: no run has {path}; {hint}")
    for objective in domain.spec.objectives:
        found = [figure(objective.figure, run.metrics, run.stats) for run in runs]
        if objective.figure in known and all(value is None for value in found):
            broken.append(f"objective {objective.name}: {objective.figure} is never a number")
    return broken


def _named_figures(spec: DomainSpec) -> Iterator[tuple[str, str]]:
    """Yield the path of each figure that a run should have, and what names it."""
    for objective in spec.objectives:
        yield objective.figure, f"figure of objective {objective.name}"
        if objective.bound is not None:
            yield objective.bound, f"bound of objective {objective.name}"
    for metric in spec.metrics:
        yield metric.key, "key of a metric"
        if metric.out_of is not None:
            yield metric.out_of, f"out_of of metric {metric.key}"
    for listing in spec.listings:
        yield listing.figure, "figure of a listing"
    if spec.classes is not None:
        yield spec.classes.figure, "figure of the classes"
        for row in spec.classes.rows:
            for column in spec.classes.columns:
                yield f"{spec.classes.figure}.{row.key}.{column}", "a column of the classes"
    if spec.timeline is not None:
        yield spec.timeline.seconds_per_sample, "seconds_per_sample of the timeline"
    if spec.spans is not None:
        yield spec.spans.created, "created of the spans"


def _paths(run: Run) -> Iterator[str]:
    """Yield the path of every figure of a run, those that hold others included."""
    waiting = [("", run.metrics), ("stats.", run.stats)]
    while waiting:
        start, table = waiting.pop()
        for key, value in table.items():
            yield f"{start}{key}"
            if isinstance(value, dict):
                waiting.append((f"{start}{key}.", value))


def missing_known(domain: Domain, scenario: Any) -> list[str]:
    """Return the known figures that ``domain.toml`` names and a scenario has not."""
    spec = domain.spec
    named = [path for each in spec.objectives for path in (each.failed, each.least)]
    named += [each.capacity for each in (spec.timeline.channels if spec.timeline else ())]
    named.append(spec.spans.lanes if spec.spans else None)
    known = scenario.figures
    return [path for path in dict.fromkeys(named) if path is not None and path not in known]


def _costs_broken(spec: DomainSpec, objective: Objective, run: Run) -> list[str]:
    """Return what is wrong with the parts of an objective's figure, where there are any."""
    paths = [each.figure for each in spec.costs if each.objective == objective.name]
    parts = [figure(path, run.metrics, run.stats) for path in paths]
    whole = figure(objective.figure, run.metrics, run.stats)
    if not paths or whole is None:
        return []
    if None in parts:
        return [f"the cost {paths[parts.index(None)]} has no figure"]
    if math.isclose(sum(parts), whole, rel_tol=1e-6, abs_tol=1e-9):
        return []
    return [f"the costs of {objective.name} add up to {sum(parts)}, {objective.figure} is {whole}"]


def _bound_broken(objective: Objective, run: Run) -> list[str]:
    if objective.bound is None:
        return []
    cost, bound = (
        figure(path, run.metrics, run.stats) for path in (objective.figure, objective.bound)
    )
    if cost is None or bound is None:
        return []
    beaten = cost < bound if objective.better == "less" else cost > bound
    return [f"{objective.figure} {cost} beats its bound {bound}"] if beaten else []


def leaks(domain: Domain, scenario: Any, source: str, seed: int) -> list[str]:
    """Return where the messages to a policy tell apart what it cannot know apart.

    Empty for a domain without ``disguise``.
    """
    disguise = getattr(domain.cell, "disguise", None)
    if disguise is None:
        return []
    other, until = cast(Promises, domain.cell).disguise(scenario, seed)
    first, second = (_messages(domain, each, source, until) for each in (scenario, other))
    for place, (one, two) in enumerate(zip(first, second, strict=False)):
        if one != two:
            unit = domain.spec.unit_of_step
            return [
                f"{scenario.name}: message {place}, for {unit} {one[0]}, tells what shows only "
                f"after {unit} {until} (disguise of seed {seed})"
            ]
    if len(first) != len(second):
        return [f"{scenario.name}: {len(first)} messages, {len(second)} when disguised as {seed}"]
    return []


def _messages(domain: Domain, scenario: Any, source: str, until: int) -> list[tuple[int, bytes]]:
    recorder = Recorder(LocalPolicy(domain.contract, source))
    with contextlib.suppress(PolicyFailure):  # it may come to nothing after ``until``
        domain.cell.simulate(scenario, recorder)
    return [(step, data) for step, data in recorder.messages if step <= until]


def differs_when_repeated(domain: Domain, scenario: Any, source: str) -> list[str]:
    """Return what differs between two runs in this process, and one in another."""
    runs = [figures_of(domain, scenario, source) for _ in range(2)]
    if runs[0] != runs[1]:
        return [f"{scenario.name}: two runs in one process differ"]
    elsewhere = _run_elsewhere(domain, scenario, source)
    if runs[0] != elsewhere:
        return [f"{scenario.name}: a run in another process differs: {elsewhere[:300]}"]
    return []


def figures_of(domain: Domain, scenario: Any, source: str) -> str:
    """Return all that a run says, or why the policy failed, as one line of JSON."""
    try:
        run = domain.cell.simulate(scenario, LocalPolicy(domain.contract, source))
    except PolicyFailure as error:
        return json.dumps(repr(error.failure))
    values = [run.stats, run.metrics, run.policy_calls, run.decision_sha256]
    return json.dumps(values, sort_keys=True)


def _run_elsewhere(domain: Domain, scenario: Any, source: str) -> str:
    job = encode([domain.cell.encode_scenario(scenario), source])
    paths = [str(Path(__file__).resolve().parents[1]), *filter(None, sys.path)]
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "simulator.promises", str(domain.root)],
            input=job,
            check=False,
            capture_output=True,
            timeout=SECONDS,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "4711"},
        )
    except subprocess.TimeoutExpired:
        return f"it takes more than {SECONDS:.0f} s"
    return done.stdout.decode().strip() or done.stderr.decode(errors="replace").strip()[-300:]


def main() -> None:
    """Do what ``differs_when_repeated`` asks of another process."""
    domain = open_domain(Path(sys.argv[1]))
    data, source = decode(sys.stdin.buffer.read(), list)
    print(figures_of(domain, domain.cell.decode_scenario(data), source))


if __name__ == "__main__":
    main()
