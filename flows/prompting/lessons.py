"""What the record shows: which changes made children better or worse than their parents.

The lessons are computed, not written: a change is a difference between the syntax trees of a child
and its parent, or between their genes, and its effect is that on the score on train, in pairs.
"""

import ast
import math
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache
from itertools import islice
from statistics import NormalDist
from typing import Any, Protocol, TypeVar

from flows.attempt import SeenAttempt
from flows.judging.guards import BARRED
from flows.judging.intervals import Interval, paired_interval
from flows.untrusted import counted, prompt_line
from sandbox.outcome import Outcome
from sandbox.source import parse
from simulator.domain_host import Space
from simulator.domain_spec import Objective, figure

LEVEL = 0.95
RESAMPLES = 2_000
FEWEST_PAIRS = 6
"""Where nothing has an effect, six children that all gain or all lose are as rare as 1 in 32."""
MOST_LINES = 12
FEWEST_TRIES = 3
"""Pairs without a difference after which a change is said to have none."""
NO_DIFFERENCE = 0.005
"""Scores that differ by less than this share are the same."""
MOST_GAIN = 20.0
"""The log of a ratio, at most: a score that is 500 million times as good is no better known."""
LATEST = 500
"""Children that count: what was learned long ago holds less for the policies of today."""
MOST_CHANGES = 40
"""A child that differs in more than these says nothing about any of them."""

MOST_NODES = 20_000
MOST_STEPS = 20
"""Nodes that are looked at around a number or in an expression, to find what it is called."""
NAME_CHARS = 40
KEY_CHARS = 60
NAMED_TOGETHER = 3
SORTING = ("sort", "sorted", "min", "max", "nsmallest", "nlargest")


class Bred(Protocol):
    """What has parents: an attempt, or the row of one."""

    @property
    def candidate(self) -> str | None: ...
    @property
    def parents(self) -> Sequence[str]: ...


B = TypeVar("B", bound=Bred)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A policy and how it did on the train scenarios."""

    key: tuple[int, int]
    candidate: str | None
    parents: tuple[str, ...]
    origin: str
    source: str
    scores: Mapping[str, float]
    """By scenario, higher is better; what was not completed is missing."""
    failed: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """Something in which two policies may differ, and what each direction is called."""

    what: str
    more: str
    less: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """The effect of a change, in the direction in which it is a gain."""

    words: str
    effect: Interval
    """Of the log of the score of the child over that of its parent; ``scenarios`` are pairs."""
    against: tuple[tuple[str, float], ...] = ()
    """The families in which it is a loss, with the mean log ratio there."""
    failed: int = 0
    """How many more children with this change failed."""
    changes: tuple[tuple[Change, int], ...] = ()
    """Each change that was made, and its direction: 1 is more, -1 is less."""

    def text(self) -> str:
        """Return the lesson on one line."""
        low, mean, high = self.effect.percent
        said = f"{self.words}: +{mean:.0f} % ({low:.0f} to {high:.0f}), "
        said += counted(self.effect.scenarios, "pair")
        turned = [f"{100 * math.expm1(loss):.0f} % on {family}" for family, loss in self.against]
        said += f"; but {', '.join(turned)}" if turned else ""
        return said + (f"; {self.failed} more failed" if self.failed else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a record shows: lessons, the surest gain first, and what changed nothing."""

    lessons: tuple[Lesson, ...] = ()
    without_effect: tuple[tuple[str, int], ...] = ()
    """Changes that made no difference in any of so many pairs."""

    def lines(self) -> tuple[str, ...]:
        """Return the record as lines of Markdown, at most ``MOST_LINES``."""
        idle = [f"{what} ({pairs})" for what, pairs in self.without_effect[:MOST_LINES]]
        said = [each.text() for each in self.lessons[: MOST_LINES - bool(idle)]]
        return (*said, *([f"no effect in any pair: {', '.join(idle)}"] if idle else ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A child and one of its parents: what differs, and the gain by scenario (log ratios)."""

    parent: Tried
    child: Tried
    changes: Mapping[Change, int]
    """What the child has more (1) or less (-1) of than its parent."""
    gains: Mapping[str, float]


def latest(attempts: Sequence[B]) -> list[B]:
    """Return the ``LATEST`` children and their parents."""
    children = [each for each in attempts if each.parents][-LATEST:]
    known = {id(each) for each in children}
    parents = {parent for each in children for parent in each.parents}
    return [each for each in attempts if id(each) in known or each.candidate in parents]


def seen(attempts: Sequence[SeenAttempt], objective: Objective) -> list[Tried]:
    """Return the latest attempts that have a source and may be trusted, as they did on train."""
    return [
        Tried(
            key=(each.iteration, each.slot),
            candidate=each.candidate,
            parents=each.parents,
            origin=each.origin,
            source=each.source,
            scores=_scores(each, objective),
            failed=each.outcome != Outcome.OK,
        )
        for each in latest(attempts)
        if each.source is not None and each.standing != BARRED
    ]


def record_of(
    tried: Sequence[Tried], families: Mapping[str, str], space: Space[Any] | None
) -> Record:
    """Return what these attempts show; ``families`` names that of each train scenario.

    With a space the attempts of the offline proposer are compared by their genes.
    """
    found: dict[Change, list[tuple[Pair, int]]] = {}
    for pair in pairs_of(tried, space):
        for change, direction in pair.changes.items():
            found.setdefault(change, []).append((pair, direction))
    together: dict[Hashable, list[Change]] = {}
    for change in sorted(found):
        together.setdefault(_made(found[change]), []).append(change)
    lessons, idle = [], []
    for changes in together.values():
        made = found[changes[0]]
        done = [
            (pair, direction) for pair, direction in made if pair.gains and not pair.child.failed
        ]
        gains = [direction * _mean(pair.gains.values()) for pair, direction in done]
        if len(gains) >= FEWEST_TRIES and max(map(abs, gains)) < NO_DIFFERENCE:
            idle.append((_named([each.what for each in changes]), len(gains)))
        elif len(gains) >= FEWEST_PAIRS:
            effect = _interval(tuple(gains))
            if effect.excludes_zero:
                lessons.append(_lesson(changes, found, done, effect, families))
    lessons.sort(key=lambda each: (-each.effect.low, each.words))
    idle.sort(key=lambda each: (-each[1], each[0]))
    return Record(lessons=tuple(lessons), without_effect=tuple(idle))


def _made(pairs: Sequence[tuple[Pair, int]]) -> Hashable:
    """Return when a change was made, equal for changes that were always made together."""
    first = pairs[0][1]
    return tuple((pair.parent.key, pair.child.key, turn * first) for pair, turn in pairs)


def _lesson(
    changes: Sequence[Change],
    found: Mapping[Change, Sequence[tuple[Pair, int]]],
    done: Sequence[tuple[Pair, int]],
    effect: Interval,
    families: Mapping[str, str],
) -> Lesson:
    """Return the lesson of changes that were always made together."""
    gain = 1 if effect.mean > 0 else -1
    first = found[changes[0]][0][1]
    turns = [(each, gain * first * found[each][0][1]) for each in changes]
    named = [change.more if turn > 0 else change.less for change, turn in turns]
    against = []
    for family in sorted(set(families.values())):
        parts = [
            [value for name, value in pair.gains.items() if families.get(name) == family]
            for pair, _ in done
        ]
        gains = [
            gain * turn * _mean(part) for part, (_, turn) in zip(parts, done, strict=True) if part
        ]
        if len(gains) >= FEWEST_PAIRS and (there := _interval(tuple(gains))).high < 0:
            against.append((family, there.mean))
    failures = [turn for pair, turn in found[changes[0]] if pair.child.failed and turn == gain]
    return Lesson(
        words=_named(named),
        effect=effect if gain > 0 else _turned(effect),
        against=tuple(against),
        failed=len(failures),
        changes=tuple(turns),
    )


def pairs_of(tried: Sequence[Tried], space: Space[Any] | None) -> list[Pair]:
    """Return each child with each parent from which it differs a little, in order of attempts."""
    known: dict[str, Tried] = {}
    pairs: list[Pair] = []
    for child in sorted(tried, key=lambda each: each.key):
        for parent in (known[each] for each in child.parents if each in known):
            changes = _changes(_described(parent, space), _described(child, space))
            if 0 < len(changes) <= MOST_CHANGES and not parent.failed:
                gains = _gains(parent.scores, child.scores)
                pairs.append(Pair(parent=parent, child=child, changes=changes, gains=gains))
        if child.candidate is not None:
            known.setdefault(child.candidate, child)
    return pairs


def changes_between(parent: Tried, child: Tried) -> dict[Change, int]:
    """Return what the source of a child has more (1) or less (-1) of than its parent's."""
    return _changes(_described(parent, None), _described(child, None))


def _gains(parent: Mapping[str, float], child: Mapping[str, float]) -> dict[str, float]:
    both = [name for name in sorted(child) if parent.get(name, 0.0) > 0.0 and child[name] > 0.0]
    return {name: math.log(child[name] / parent[name]) for name in both}


def _scores(attempt: SeenAttempt, objective: Objective) -> dict[str, float]:
    """Return a figure by scenario, higher is better, of those that have one."""
    found = {}
    for each in attempt.evaluations:
        value = figure(objective.figure, each.metrics, each.stats)
        if each.outcome is Outcome.OK and isinstance(value, int | float) and value > 0:
            found[each.scenario] = float(value) if objective.better == "more" else 1.0 / value
    return found


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return math.fsum(found) / len(found)


@lru_cache(maxsize=4096)
def _interval(gains: tuple[float, ...]) -> Interval:
    """Return the interval of the mean; its level is what it covers, also where pairs are few."""
    ratios = [math.exp(max(-MOST_GAIN, min(MOST_GAIN, each))) for each in gains]
    widened = wider(LEVEL, len(ratios))
    found = paired_interval(ratios, level=widened, resamples=RESAMPLES, seed=0)
    return replace(found, level=LEVEL)


def wider(level: float, count: int) -> float:
    """Return the level at which an interval from ``count`` values covers as often as it says.

    Means of few resampled values vary too little: the interval becomes that of Student's t.
    """
    normal, free = NormalDist(), count - 1
    z = normal.inv_cdf(0.5 + level / 2.0)
    t = (
        z
        + (z**3 + z) / (4 * free)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * free**3)
    )
    return 2.0 * normal.cdf(t * math.sqrt(count / free)) - 1.0


def _turned(effect: Interval) -> Interval:
    return replace(effect, low=-effect.high, high=-effect.low, mean=-effect.mean)


def _named(words: Sequence[str]) -> str:
    more = len(words) - NAMED_TOGETHER
    return " and ".join(words[:NAMED_TOGETHER]) + (f" and {more} more" if more > 0 else "")


# What a policy is like.


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Numbers by the role that they have in a policy, and what is there or is not."""

    numbers: Mapping[str, tuple[float, ...]]
    things: frozenset[Change]


NONE = Traits(numbers={}, things=frozenset())


def _described(tried: Tried, space: Space[Any] | None) -> tuple[str, Traits]:
    """Return the traits of a policy, and whether they are genes: only like kinds compare."""
    if tried.origin == "offline" and space is not None:
        genes = _genes_in(tried.source, space)
        if genes is not None:
            return "genes", genes
    return "code", traits_of(tried.source)


@lru_cache(maxsize=8192)
def _genes_in(source: str, space: Space[Any]) -> Traits | None:
    genome = space.from_source(source)
    return genes_of(genome) if is_dataclass(genome) else None


def _changes(parent: tuple[str, Traits], child: tuple[str, Traits]) -> dict[Change, int]:
    """Return what a child has more (1) or less (-1) of than its parent."""
    (one, before), (other, after) = parent, child
    if one != other:
        return {}
    changes = {}
    for role, numbers in after.numbers.items():
        direction = _direction(before.numbers.get(role, ()), numbers)
        if direction:
            changes[Change(role, f"larger {role}", f"smaller {role}")] = direction
    changes |= dict.fromkeys(after.things - before.things, 1)
    return changes | dict.fromkeys(before.things - after.things, -1)


def _direction(before: Sequence[float], after: Sequence[float]) -> int:
    """Return 1 where some numbers grew and none shrank, -1 the other way round, else 0."""
    if len(before) != len(after):
        return 0
    grew = any(new > old for old, new in zip(before, after, strict=True))
    shrank = any(new < old for old, new in zip(before, after, strict=True))
    return grew - shrank


def genes_of(genome: Any) -> Traits:
    """Return the traits of a genome, a dataclass with a field for each gene."""
    values = {each.name: getattr(genome, each.name) for each in fields(genome)}
    numbers = {
        _code(name): (value,)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    things = [_choice(*each) for each in values.items() if _code(each[0]) not in numbers]
    return Traits(numbers=numbers, things=frozenset(each for each in things if each is not None))


def _choice(name: str, value: object) -> Change | None:
    """Return the choice of a value, None for False: that is the choice of True undone."""
    said, words = _code(name), _code(str(value))
    if isinstance(value, bool):
        return Change(said, f"with {said}", f"without {said}") if value else None
    return Change(f"{said} {words}", f"{said} is {words}", f"{said} is not {words}")


@lru_cache(maxsize=8192)
def traits_of(source: str) -> Traits:
    """Return the traits of a source; none of one that cannot be read or is too large."""
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return NONE
    nodes = list(islice(ast.walk(tree), MOST_NODES + 1))
    if len(nodes) > MOST_NODES:
        return NONE
    above = {child: node for node in nodes for child in ast.iter_child_nodes(node)}
    above |= {
        default: argument
        for node in nodes
        if isinstance(node, ast.arguments)
        for argument, default in _defaults(node)
    }
    numbers: dict[str, tuple[float, ...]] = {}
    for node in nodes:
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            role = _role(node, above)
            if role is not None:
                numbers[role] = (*numbers.get(role, ()), _signed(node, above))
    return Traits(numbers=numbers, things=frozenset((*_members(nodes), *_orders(nodes))))


def _defaults(arguments: ast.arguments) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Yield each argument that has a default, with it."""
    plain = [*arguments.posonlyargs, *arguments.args]
    yield from zip(plain[len(plain) - len(arguments.defaults) :], arguments.defaults, strict=True)
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if default is not None:
            yield argument, default


def _signed(node: ast.Constant, above: Mapping[ast.AST, ast.AST]) -> float:
    outer = above.get(node)
    minus = isinstance(outer, ast.UnaryOp) and isinstance(outer.op, ast.USub)
    assert isinstance(node.value, int | float)
    return -node.value if minus else node.value


def _role(node: ast.AST, above: Mapping[ast.AST, ast.AST]) -> str | None:
    """Return what a number is for: by the name, keyword, argument or comparison it stands in."""
    for _ in range(MOST_STEPS):
        outer = above.get(node)
        match outer:
            case ast.keyword(arg=str(name)):
                return _code(f"{name}=")
            case ast.arg(arg=name):
                return _code(name)
            case ast.Assign(targets=[target, *_]) | ast.AnnAssign(target=target):
                return _called("{}", [target])
            case ast.AugAssign(target=target) | ast.NamedExpr(target=target):
                return _called("step of {}", [target])
            case ast.Compare(left=left, comparators=others):
                return _called("limit of {}", _without(node, [left, *others]))
            case ast.Call(func=func, args=others):
                if (inner := _name(func)) in ("min", "max"):
                    return _called(f"{inner} with {{}}", _without(node, others))
                return _called("argument of {}", [func])
            case ast.BinOp(left=left, right=right, op=op):
                form = "offset of {}" if isinstance(op, ast.Add | ast.Sub) else "factor on {}"
                named = _called(form, _without(node, [left, right]))
                if named is not None:
                    return named
            case ast.Dict(keys=keys, values=values):
                places = [key for key, value in zip(keys, values, strict=True) if value is node]
                return _called("entry {}", [key for key in places if key is not None])
            case ast.UnaryOp() | ast.BoolOp() | ast.IfExp() | ast.Tuple() | ast.List():
                pass
            case _:
                return None
        node = outer
    return None


def _without(node: ast.AST, others: Iterable[ast.AST]) -> list[ast.AST]:
    return [each for each in others if each is not node]


def _called(form: str, nodes: Sequence[ast.AST]) -> str | None:
    """Return the form with the first name in these expressions, None where there is none."""
    name = next((found for found in map(_name, nodes) if found), None)
    return None if name is None else form.format(_code(name))


def _name(node: ast.AST) -> str | None:
    """Return the last part of the first name in an expression, as ``free`` of ``s.all.free[0]``."""
    for each in islice(ast.walk(node), MOST_STEPS):
        match each:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return name
            case ast.Constant(value=str(name)):
                return name
    return None


def _members(nodes: Sequence[ast.AST]) -> Iterator[Change]:
    """Yield what is called or read of the objects that a policy gets, and what decides a branch."""
    own = {
        each.name
        for each in nodes
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    for each in nodes:
        match each:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                own.add(name)
            case ast.arg(arg=name):
                own.add(name)
    tested = set[ast.AST]()
    for each in nodes:
        match each:
            case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
                _mark(test, tested)
            case ast.comprehension(ifs=tests):
                for test in tests:
                    _mark(test, tested)
    for each in nodes:
        match each:
            case ast.Call(func=ast.Name(id=name)) if name not in own:
                yield _presence(_code(name), "calls {}", "no call of {}")
            case ast.Attribute(attr=name) if name not in own:
                yield _presence(_code(f".{name}"), "uses {}", "does without {}")
                if each in tested:
                    yield _presence(_code(f".{name}"), "branches on {}", "no branch on {}")


def _mark(node: ast.AST, marked: set[ast.AST]) -> None:
    """Add a node and all below it, each once."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if each not in marked:
            marked.add(each)
            waiting += ast.iter_child_nodes(each)


def _orders(nodes: Sequence[ast.AST]) -> Iterator[Change]:
    """Yield what a policy sorts by."""
    for each in nodes:
        if isinstance(each, ast.Call) and _name(each.func) in SORTING:
            for word in each.keywords:
                if word.arg == "key":
                    said = prompt_line(_key_text(word.value), KEY_CHARS)
                    yield _presence(said, "sorts by {}", "does not sort by {}")


def _key_text(node: ast.expr) -> str:
    """Return the key of a sort, the argument of a lambda as ``_``."""
    body, names = (
        (node.body, [each.arg for each in node.args.args])
        if isinstance(node, ast.Lambda)
        else (node, [])
    )
    try:
        text = ast.unparse(body)
    except RecursionError:
        return "something deep"
    for name in names:
        text = re.sub(rf"\b{re.escape(name)}\b", "_", text)
    return text


def _presence(said: str, there: str, gone: str) -> Change:
    return Change(there.format(said), there.format(said), gone.format(said))


def _code(name: str) -> str:
    return prompt_line(name, NAME_CHARS)
