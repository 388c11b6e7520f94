"""Expressions of a contract: arithmetic on names, compiled once, that reads nothing else.

The text is parsed as Python and every node must be on a short list. What is compiled is made anew
of such nodes alone; a name in it is the call of a closure that its resolver returns, so no
attribute of a Python object is ever read.
"""

import ast
import re
import warnings
from collections.abc import Callable
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple

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


_BINARY = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)
_COMPARE = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
_UNARY = (ast.USub, ast.UAdd, ast.Not)
_FUNCTIONS: dict[str, Callable[..., Any]] = {"min": min, "max": max, "abs": abs}
_CONTEXT = "context"


def compile_expression(text: str, names: Resolve, where: str) -> Getter:
    """Return a function from a context to a number or a truth value.

    It raises ``Missing`` or ``Impossible``. An expression that is none raises ``InputError``, which
    begins with ``where``.
    """
    found = _translated(text)
    if isinstance(found, str):
        raise InputError(f"{where}: {found}")
    getters: dict[str, Any] = {}
    for key, path in found.names.items():
        getter = names(path)
        if getter is None:
            name = ".".join(path).replace("in_.", "in.")
            raise InputError(f"{where}: {show(text)}: unknown name {name}")
        getters[key] = getter
    if found.is_name:
        return getters[next(iter(getters))]  # type: ignore[no-any-return]
    inner = eval(found.code, {"__builtins__": {}, **_FUNCTIONS, **getters})

    def value(context: Any) -> Any:
        try:
            found = inner(context)
        except ArithmeticError as error:
            raise Impossible(one_line(str(error))) from None
        if not -MOST <= found <= MOST:
            raise Impossible("a number beyond 63 bits")
        return found

    return value


class _Translated(NamedTuple):
    """An expression as the code of a function of the context."""

    code: CodeType
    names: dict[str, tuple[str, ...]]
    """The names that the code calls, and what stands for them in the text."""
    is_name: bool
    """Whether it is nothing but a name."""


class _NoExpression(Exception):
    """Says why a text is none."""


@lru_cache(maxsize=1024)
def _translated(text: str) -> _Translated | str:
    """Return an expression as code, or why it is none; every run has the same ones."""
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
    translator = _Translator()
    try:
        body = translator.translate(tree)
    except _NoExpression as problem:
        return f"{show(text)}: {problem}"
    arguments = ast.arguments(
        posonlyargs=[], args=[ast.arg(arg=_CONTEXT)], kwonlyargs=[], kw_defaults=[], defaults=[]
    )
    whole = ast.fix_missing_locations(ast.Expression(ast.Lambda(args=arguments, body=body)))
    return _Translated(
        code=compile(whole, "<expression>", "eval"),
        names=translator.names,
        is_name=isinstance(tree, ast.Name | ast.Attribute),
    )


class _Translator:
    """Makes a tree of allowed nodes alone from one that a person wrote."""

    def __init__(self) -> None:
        self.names: dict[str, tuple[str, ...]] = {}

    def translate(self, node: ast.expr) -> ast.expr:
        match node:
            case ast.Constant(value=int() | float() as value):
                if not -MOST <= value <= MOST:
                    raise _NoExpression(f"the number {show(value)} is beyond 63 bits")
                return ast.Constant(value=value)
            case ast.Name() | ast.Attribute():
                return self._name(node)
            case ast.UnaryOp(op=op, operand=operand) if isinstance(op, _UNARY):
                return ast.UnaryOp(op=op, operand=self.translate(operand))
            case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _BINARY):
                return ast.BinOp(left=self.translate(left), op=op, right=self.translate(right))
            case ast.BoolOp(op=op, values=values):
                whole = ast.BoolOp(op=op, values=[self.translate(each) for each in values])
                return _negated(_negated(whole))  # a truth value, and no part of the expression
            case ast.Compare(left=left, ops=ops, comparators=rest):
                if not all(isinstance(op, _COMPARE) for op in ops):
                    raise _NoExpression("of comparisons only < <= > >= == != are allowed")
                others = [self.translate(each) for each in rest]
                return ast.Compare(left=self.translate(left), ops=ops, comparators=others)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
                if len(args) < 2 if name != "abs" else len(args) != 1:
                    raise _NoExpression(
                        f"{name} takes {'one number' if name == 'abs' else 'several'}"
                    )
                return _call(name, [self.translate(each) for each in args])
        raise _NoExpression(f"{type(node).__name__} is not allowed")

    def _name(self, node: ast.expr) -> ast.expr:
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            raise _NoExpression("a dot may follow a name only")
        key = f"name_{len(self.names)}"
        self.names[key] = (node.id, *parts)
        return _call(key, [ast.Name(id=_CONTEXT, ctx=ast.Load())])


def _call(name: str, args: list[ast.expr]) -> ast.expr:
    return ast.Call(func=ast.Name(id=name, ctx=ast.Load()), args=args, keywords=[])


def _negated(node: ast.expr) -> ast.expr:
    return ast.UnaryOp(op=ast.Not(), operand=node)
