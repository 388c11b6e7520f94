"""Expressions of a contract: arithmetic on names, compiled once, that reads nothing else.

The text is parsed as Python and every node must be on a short list. A name becomes a closure that
its resolver returns, so no attribute of a Python object is ever read.
"""

import ast
import operator
import re
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from simulator.errors import InputError
from simulator.textfile import one_line, show

MAX_CHARS = 500
MAX_NODES = 200
MOST = (1 << 63) - 1
"""No result is larger; every part of an expression has at most ``MAX_NODES`` times as many bits."""

Getter = Callable[[Any], Any]
"""Returns the value of a name or an expression in a context: a row, the fields of an event."""
Resolve = Callable[[tuple[str, ...]], Getter | None]
"""Returns the getter of a name with dots, None where there is no such name."""


class Missing(Exception):
    """An expression needs the time of an event that did not come."""


class Impossible(Exception):
    """An expression has no value of ordinary size, as after a division by zero."""


_BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARE: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_UNARY: dict[type[ast.AST], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {"min": min, "max": max, "abs": abs}


def compile_expression(text: str, names: Resolve, where: str) -> Getter:
    """Return a function from a context to a number or a truth value.

    It raises ``Missing`` or ``Impossible``. An expression that is none raises ``InputError``, which
    begins with ``where``.
    """
    inner = _Compiler(names, where, text).compile(_parse(text, where))

    def value(context: Any) -> Any:
        try:
            found = inner(context)
        except ArithmeticError as error:
            raise Impossible(one_line(str(error))) from None
        if not -MOST <= found <= MOST:
            raise Impossible("a number beyond 63 bits")
        return found

    return value


@lru_cache(maxsize=1024)
def _parsed(text: str) -> ast.expr | str:
    """Return the tree of an expression, or why it is none; every run compiles the same ones."""
    if len(text) > MAX_CHARS:
        return f"{len(text)} characters, expected at most {MAX_CHARS}"
    plain = re.sub(r"\bin\s*\.", "in_.", text).strip()  # the one name that Python keeps for itself
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(plain, mode="eval").body
        nodes = sum(1 for _ in ast.walk(tree))
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        return f"{show(text)} is no expression: {one_line(str(error))}"
    if nodes > MAX_NODES:
        return f"{nodes} parts, expected at most {MAX_NODES}"
    return tree


def _parse(text: str, where: str) -> ast.expr:
    found = _parsed(text)
    if isinstance(found, str):
        raise InputError(f"{where}: {found}")
    return found


class _Compiler:
    def __init__(self, names: Resolve, where: str, text: str) -> None:
        self._names = names
        self._where = where
        self._text = text

    def compile(self, node: ast.expr) -> Getter:
        match node:
            case ast.Constant(value=int() | float() as value):
                if not -MOST <= value <= MOST:
                    raise self._refused(f"the number {show(value)} is beyond 63 bits")
                return lambda _: value
            case ast.Name() | ast.Attribute():
                return self._name(node)
            case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
                apply, part = _UNARY[type(op)], self.compile(operand)
                return lambda context: apply(part(context))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return _two(_BINARY[type(op)], self.compile(left), self.compile(right))
            case ast.BoolOp(op=op, values=values):
                return _both(isinstance(op, ast.And), [self.compile(each) for each in values])
            case ast.Compare(left=left, ops=ops, comparators=rest):
                return self._comparison([left, *rest], ops)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
                return self._call(name, args)
        raise self._refused(f"{type(node).__name__} is not allowed")

    def _name(self, node: ast.expr) -> Getter:
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            raise self._refused("a dot may follow a name only")
        path = (node.id, *parts)
        found = self._names(path)
        if found is None:
            raise self._refused(f"unknown name {'.'.join(path).replace('in_.', 'in.')}")
        return found

    def _comparison(self, operands: list[ast.expr], ops: list[ast.cmpop]) -> Getter:
        if any(type(op) not in _COMPARE for op in ops):
            raise self._refused("of comparisons only < <= > >= == != are allowed")
        parts = [self.compile(each) for each in operands]
        steps = [
            _two(_COMPARE[type(op)], left, right)
            for op, left, right in zip(ops, parts, parts[1:], strict=False)
        ]
        return steps[0] if len(steps) == 1 else _both(True, steps)

    def _call(self, name: str, args: list[ast.expr]) -> Getter:
        if len(args) < 2 if name != "abs" else len(args) != 1:
            raise self._refused(f"{name} takes {'one number' if name == 'abs' else 'several'}")
        function, parts = _FUNCTIONS[name], [self.compile(each) for each in args]
        return lambda context: function(*[part(context) for part in parts])

    def _refused(self, why: str) -> InputError:
        return InputError(f"{self._where}: {show(self._text)}: {why}")


def _two(apply: Callable[[Any, Any], Any], left: Getter, right: Getter) -> Getter:
    return lambda context: apply(left(context), right(context))


def _both(every: bool, parts: list[Getter]) -> Getter:
    if every:
        return lambda context: all(part(context) for part in parts)
    return lambda context: any(part(context) for part in parts)
