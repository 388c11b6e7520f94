"""The space of a domain that has none of its own: edits of the syntax trees of its library.

A genome is a policy's source. The first line of its docstring says what was changed, so that a
table can name it.
"""

import ast
import copy
import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from simulator.domain import Domain
from simulator.domain_host import Metrics, Render

FACTORS = (0.5, 0.8, 1.25, 2.0)
"""What a number may be multiplied by."""

EDITS = (1, 1, 1, 2, 2, 3)
"""How many places a mutation changes, drawn from these."""

SAMPLE_EDITS = 4
FAR_EDITS = 12
"""How many places change in a policy that is to be far from all others."""

DIGITS = 6
"""Numbers keep so many significant digits, so that they stay readable."""

TITLE_CHARS = 90
MOST_NODES = 20_000
"""Larger policies have no descendants: each generation may add statements."""

COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
}
CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}
CALCULATED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}

Function = ast.FunctionDef
Place = tuple[ast.AST, Callable[[Any, random.Random], str]]
"""A node of a tree, and the function that changes it and says how."""


@dataclass(frozen=True)
class EditSpace:
    """The library's policies and everything that edits make of them; a ``Space`` of sources."""

    domain: Domain

    @cached_property
    def SEEDS(self) -> Sequence[str]:  # noqa: N802 - as the protocol names it
        """The names of the library's policies, the reference last."""
        names = self.domain.policy_names()
        return sorted(names, key=lambda name: (name == self.domain.spec.reference, name))

    def seed_genome(self, number: int) -> str:
        """Return a policy of the library as it is."""
        return self.domain.policy_source(self.SEEDS[number])

    def sample(self, rng: random.Random) -> str:
        """Return a policy of the library with a few changes."""
        return self._changed(rng, SAMPLE_EDITS)

    def random_genome(self, rng: random.Random) -> str:
        """Return a policy of the library with many changes."""
        return self._changed(rng, FAR_EDITS)

    def mutate(self, rng: random.Random, genome: str) -> str:
        """Return the policy with one to three places changed."""
        return edited(rng, genome, rng.choice(EDITS))

    def crossover(self, rng: random.Random, mother: str, father: str) -> str:
        """Return the mother with statements of the father's functions."""
        return crossed(rng, mother, father)

    def advice(self, _genome: str, _metrics: Sequence[Metrics]) -> Sequence[str]:
        """Return nothing: what a figure asks for is not known here."""
        return ()

    def nearest_genome(self, policy: str) -> str | None:
        """Return the policy of the library itself."""
        known = policy.replace("_", "-") in self.SEEDS
        return self.domain.policy_source(policy) if known else None

    def from_source(self, source: str) -> str | None:
        """Return the source, whoever wrote it, if it can be edited."""
        with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            tree = ast.parse(source)
            ast.unparse(tree)  # very deep trees can be read but not written
            return source if sum(1 for _ in ast.walk(tree)) <= MOST_NODES else None
        return None

    def emit(self, genome: str, _render: Render) -> str:
        """Return the policy itself."""
        return genome

    def title(self, genome: str) -> str:
        """Return the first line of the docstring, which says what was changed."""
        return _headline(ast.parse(genome)).rstrip(".")[:TITLE_CHARS]

    def _changed(self, rng: random.Random, edits: int) -> str:
        return edited(rng, self.seed_genome(rng.randrange(len(self.SEEDS))), edits)


def edited(rng: random.Random, source: str, edits: int) -> str:
    """Return the policy with so many places changed, each drawn from all that can be."""
    tree, said = ast.parse(source), []
    for _ in range(edits):
        found = list(_places(tree))
        if found:
            node, change = rng.choice(found)
            said.append(change(node, rng))
    return _written(tree, _origin(tree), said) if said else source


def crossed(rng: random.Random, mother: str, father: str) -> str:
    """Return the mother with one to three statements of the father in functions of their name."""
    tree, other = ast.parse(mother), ast.parse(father)
    theirs, said = _functions(other), []
    for _ in range(rng.choice(EDITS)):
        shared = [(own, theirs[name]) for name, own in _functions(tree).items() if name in theirs]
        differing = [pair for pair in shared if ast.dump(pair[0]) != ast.dump(pair[1])]
        if differing:
            said.append(_exchange(rng, *rng.choice(differing)))
    said += _constants(rng, tree, other)
    return _written(tree, _origin(tree), said) if said else mother


def _exchange(rng: random.Random, own: Function, other: Function) -> str:
    """Put a statement of one function in the place of one of the other, or in front of it."""
    taken = copy.deepcopy(rng.choice(_statements(other)))
    place = rng.randrange(len(own.body))
    if ast.get_docstring(own) is not None:
        place = max(place, 1)
    replaces = rng.random() < 0.5 and place < len(own.body)
    own.body[place : place + replaces] = [taken]
    return f"{own.name}: {_short(taken)}"


def _constants(rng: random.Random, tree: ast.Module, other: ast.Module) -> list[str]:
    """Take each constant that both modules set from one of them."""
    theirs = {name: each.value for name, each in _assigned(other).items()}
    said = []
    for name, each in _assigned(tree).items():
        taken = theirs.get(name)
        if taken is None or ast.dump(taken) == ast.dump(each.value) or rng.random() < 0.5:
            continue
        each.value = copy.deepcopy(taken)
        said.append(_short(each))
    return said


def _assigned(tree: ast.Module) -> dict[str, ast.Assign]:
    return {
        each.targets[0].id: each
        for each in tree.body
        if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name)
    }


def _functions(tree: ast.Module) -> dict[str, Function]:
    """Return the module's functions by their name; one that is registered by its decorator's."""
    found = {}
    for each in tree.body:
        if isinstance(each, Function):
            decorators = [d.func if isinstance(d, ast.Call) else d for d in each.decorator_list]
            names = [d.id for d in decorators if isinstance(d, ast.Name)]
            found[names[0] if names else each.name] = each
    return found


def _statements(function: Function) -> list[ast.stmt]:
    """Return the statements of a function's own body, without its docstring."""
    has_text = ast.get_docstring(function) is not None and len(function.body) > 1
    return function.body[has_text:]


def _places(tree: ast.Module) -> Iterator[Place]:
    """Yield what can be changed, in the order of the text."""
    fixed = set[int]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript | ast.JoinedStr):
            inside = node.slice if isinstance(node, ast.Subscript) else node
            fixed |= {id(each) for each in ast.walk(inside)}  # indices and texts, not quantities
        if isinstance(node, Function):
            fixed |= {id(each) for decorator in node.decorator_list for each in ast.walk(decorator)}
    for node in ast.walk(tree):
        if id(node) in fixed:
            continue
        match node:
            case ast.Constant(value=bool()):
                yield node, _flip
            case ast.Constant(value=int() | float()):
                yield node, _scale
            case ast.Compare() if type(node.ops[0]) in COMPARED:
                yield node, _compare
            case ast.BoolOp():
                yield node, _join
            case ast.BinOp() if type(node.op) in CALCULATED and not _of_text(node):
                yield node, _calculate
            case ast.Call(func=ast.Name(id=name)) if name in CALLED:
                yield node.func, _call
            case ast.If() | ast.While() | ast.IfExp():
                yield node, _negate


def _of_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(side, ast.Constant | ast.JoinedStr | ast.List | ast.Tuple)
        and not isinstance(getattr(side, "value", None), int | float)
        for side in (node.left, node.right)
    )


def _flip(node: ast.Constant, _rng: random.Random) -> str:
    node.value = not node.value
    return f"{not node.value} becomes {node.value}"


def _scale(node: ast.Constant, rng: random.Random) -> str:
    before = node.value
    assert isinstance(before, int | float)
    node.value = scaled(before, rng.choice(FACTORS))
    return f"{before} becomes {node.value}"


def scaled(number: int | float, factor: float) -> int | float:
    """Return the number times the factor, never the same; whole numbers stay whole."""
    if isinstance(number, int):
        with suppress(OverflowError):
            found = round(number * factor)
            return found if found != number else number + (1 if factor > 1 else -1)
        return number // 2
    found_float = float(f"{number * factor:.{DIGITS}g}")
    return found_float if found_float != number else factor


def _compare(node: ast.Compare, rng: random.Random) -> str:
    before = _short(node)
    node.ops[0] = rng.choice(COMPARED[type(node.ops[0])])()
    return f"{before} becomes {_short(node)}"


def _join(node: ast.BoolOp, _rng: random.Random) -> str:
    before = _short(node)
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    return f"{before} becomes {_short(node)}"


def _calculate(node: ast.BinOp, _rng: random.Random) -> str:
    before = _short(node)
    node.op = CALCULATED[type(node.op)]()
    return f"{before} becomes {_short(node)}"


def _call(node: ast.Name, _rng: random.Random) -> str:
    before, node.id = node.id, CALLED[node.id]
    return f"{before} becomes {node.id}"


def _negate(node: ast.If | ast.While | ast.IfExp, _rng: random.Random) -> str:
    before = _short(node.test)
    match node.test:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            node.test = operand
        case test:
            node.test = ast.UnaryOp(op=ast.Not(), operand=test)
    return f"{before} becomes {_short(node.test)}"


def _short(node: ast.AST) -> str:
    """Return the beginning of a piece of code on one line."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 40 else f"{text[:37]}..."


def _written(tree: ast.Module, origin: str, said: Sequence[str]) -> str:
    """Return the source of a tree with a docstring that names its origin and the changes."""
    first = ast.Expr(ast.Constant(f"{origin}, {'; '.join(said)}"))
    has_text = ast.get_docstring(tree) is not None
    tree.body[: 1 if has_text else 0] = [first]
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def _origin(tree: ast.Module) -> str:
    """Return what the policy was called before this change."""
    return re.split("[:,.]", _headline(tree))[0] or "a policy"


def _headline(tree: ast.Module) -> str:
    return (ast.get_docstring(tree) or "").strip().split("\n")[0]
