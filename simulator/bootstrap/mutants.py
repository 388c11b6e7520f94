"""Mutants: a source with one small mistake each, to see whether the checks would notice.

The mistakes are those that people and models make: a comparison turned or moved by one, plus for
minus, one more or less, swapped arguments, a statement left out, another constant.
"""

import ast
import copy
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from simulator.errors import InputError

DEPTH = 20_000
"""Calls within calls that it takes to write the deepest source anew which a cell loads."""
_COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
}

Edit = Callable[[ast.AST], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A source with one mistake, and what and where that is."""

    source: str
    line: int
    change: str


def mutants_of(source: str, count: int, seed: int) -> list[Mutant]:
    """Return up to ``count`` different mutants, drawn evenly over the kinds of mistakes.

    Equal arguments give equal mutants. Raise ``InputError`` where none can be made of a source.
    """
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, DEPTH))
    try:
        return _mutants_of(source, count, seed)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"it cannot be written anew: {error}") from None
    finally:
        sys.setrecursionlimit(before)


def _mutants_of(source: str, count: int, seed: int) -> list[Mutant]:
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if not is_prose(node)]
    known = {ast.unparse(tree)}
    kinds: dict[str, list[tuple[int, str, Edit]]] = {}
    for place, node in enumerate(_places(tree)):
        for kind, change, edit in _edits(node):
            kinds.setdefault(kind, []).append((place, change, edit))
    rng = Random(f"mutants/{seed}")
    for found in kinds.values():
        rng.shuffle(found)
    made: list[Mutant] = []
    while kinds and len(made) < count:
        for kind in list(kinds):
            if not kinds[kind]:
                del kinds[kind]
                continue
            place, change, edit = kinds[kind].pop()
            changed = copy.deepcopy(tree)
            node = list(_places(changed))[place]
            edit(node)
            text = ast.unparse(ast.fix_missing_locations(changed))
            if text not in known and len(made) < count:
                known.add(text)
                made.append(Mutant(source=text + "\n", line=node.lineno, change=change))
    return made


def is_prose(node: ast.stmt) -> bool:
    """Return whether a statement at the top is the docstring, or what the author assumed."""
    targets = (
        [getattr(each, "id", "") for each in node.targets] if isinstance(node, ast.Assign) else []
    )
    return targets == ["ASSUMPTIONS"] or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _places(tree: ast.AST) -> list[ast.expr | ast.stmt]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.expr | ast.stmt)]


def _edits(node: ast.AST) -> Iterator[tuple[str, str, Edit]]:
    """Yield (kind of mistake, it in words, how to make it in a copy of the node)."""
    match node:
        case ast.Compare(ops=[op]):
            for other in _COMPARED.get(type(op), ()):
                words = f"{type(op).__name__} is {other.__name__}"
                yield "comparison", words, _setting("ops", [other()])
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in _COMPUTED:
            other_op = _COMPUTED[type(op)]
            words = f"{type(op).__name__} is {other_op.__name__}"
            yield "arithmetic", words, _setting("op", other_op())
        case ast.BoolOp(op=op):
            other_bool = ast.Or if isinstance(op, ast.And) else ast.And
            words = f"{type(op).__name__} is {other_bool.__name__}"
            yield "logic", words, _setting("op", other_bool())
        case ast.Constant(value=bool(value)):
            yield "constant", f"{value} is {not value}", _setting("value", not value)
        case ast.Constant(value=int(value)):
            yield "off by one", f"{value} is {value + 1}", _setting("value", value + 1)
            if value > 1:
                yield "constant", f"{value} is 0", _setting("value", 0)
        case ast.Call(args=[first, second, *_]) if ast.dump(first) != ast.dump(second):
            yield "arguments", "the first two arguments are swapped", _swap_arguments
    if isinstance(node, ast.Expr | ast.Assign | ast.AugAssign | ast.Return | ast.Continue):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return  # a docstring
        words = f"left out: {ast.unparse(node)[:60]}"
        yield "statement", words, _leave_out
    if isinstance(node, ast.If | ast.While):
        yield "condition", "the condition is turned", _turn


def _setting(name: str, value: object) -> Edit:
    return lambda node: setattr(node, name, value)


def _swap_arguments(node: ast.AST) -> None:
    assert isinstance(node, ast.Call)
    node.args[0], node.args[1] = node.args[1], node.args[0]


def _turn(node: ast.AST) -> None:
    assert isinstance(node, ast.If | ast.While)
    node.test = ast.UnaryOp(op=ast.Not(), operand=node.test)


def _leave_out(node: ast.AST) -> None:
    """Turn the statement into one that does nothing, in place."""
    line, column = node.lineno, node.col_offset  # type: ignore[attr-defined]
    node.__class__ = ast.Pass
    node.__dict__.clear()
    node.__dict__.update(lineno=line, col_offset=column)
