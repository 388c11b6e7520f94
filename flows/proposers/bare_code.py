"""Finds code that stands in a text without a fence, apart from the prose around it."""

import ast
import builtins
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from flows.proposers.fences import is_fence
from flows.proposers.pieces import Piece, Reader, mentions_registration

_QUOTES = re.compile(r'"""|\'\'\'|#')
_GOES_ON = re.compile(r"[)\]}]|(?:else|elif|except|finally)\b")
_DECORATED = ("@", "def ", "async def ", "class ", ")")
_DEFINES = re.compile(r"^(?:(?:async )?def \w+[ \t]*\(|class \w+[ \t]*[(:])", re.MULTILINE)
_CALLS = re.compile(r"[\w.]+\(")
_REGISTERS = re.compile(r"^([ \t]*)@?register_scheduler\s*\(", re.MULTILINE)
_STATEMENTS = (
    *(ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    *(ast.Assign, ast.AugAssign, ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Assert),
)


class _Kind(Enum):
    CODE = "code"
    DEFINITION = "a definition, sound or not"
    FORMULA = "an assignment that needs names from before it"
    COMMENT = "a comment, or a heading"
    PROSE = "prose"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Lines that belong together: a statement with what stands below it, or a line of prose."""

    kind: _Kind
    text: str
    blank_after: bool


def bare_pieces(text: str, reader: Reader) -> list[Piece]:
    """Return the runs of code in a text that stands on its own, without the prose around them."""
    text = _outdented(_without_fences(text))
    for quoted in (True, False):  # quotes in prose can hide where a docstring begins
        parts = [_judged(lines, reader) for lines in _parts(text, quoted)]
        runs = [run for run in _runs(parts) if run.strip()]
        if any(mentions_registration(run) for run in runs):
            return [Piece(text=run) for run in runs]
    return []


def is_all_code(tree: ast.Module, text: str) -> bool:
    """Return whether no statement of a module could be a line of prose that happens to parse."""
    lines = text.split("\n")
    return all(_is_code(node, lines[node.lineno - 1]) for node in tree.body)


def until_prose(text: str, reader: Reader) -> str:
    """Return the code that a text begins with, up to its first line of prose."""
    kept: list[str] = []
    for lines in _parts(text, True):
        if _judged(lines, reader).kind is _Kind.PROSE:
            break
        kept += lines
    return "\n".join(kept)


def _without_fences(text: str) -> str:
    lines = ("\x00" if is_fence(line) else line for line in text.split("\n"))
    return "\n".join(line.removesuffix("```") for line in lines)


def _outdented(text: str) -> str:
    """Return the text with its code at the left edge, where it is indented as a whole."""
    margin = min((found.group(1) for found in _REGISTERS.finditer(text)), key=len, default="")
    if not margin:
        return text
    return "\n".join(line.removeprefix(margin) for line in text.split("\n"))


def _parts(text: str, quoted: bool) -> Iterator[list[str]]:
    """Return the lines of a text in parts, each with its first line at the left edge."""
    lines = text.split("\n")
    last = {mark: text.rfind(mark) for mark in ('"""', "'''")} if quoted else {}
    part: list[str] = []
    quote, place, decorated = "", 0, False
    for line in lines:
        inside = bool(quote)
        quote = _quote_after(line, place, quote, last)
        place += len(line) + 1
        attached = inside or not line or line[0].isspace() or bool(_GOES_ON.match(line))
        if part and not attached and not (decorated and line.startswith(_DECORATED)):
            yield part
            part = []
        decorated = (
            line.startswith("@") or (decorated and line.startswith(")"))
            if (not inside and line and not line[0].isspace())
            else decorated
        )
        part.append(line)
    if part:
        yield part


def _quote_after(line: str, place: int, quote: str, last: dict[str, int]) -> str:
    """Return the triple quotes that are open after a line, ``''`` where none are."""
    for found in _QUOTES.finditer(line):
        mark = found.group()
        if quote:
            quote = "" if mark == quote else quote
        elif mark == "#":
            break
        elif place + found.start() < last.get(mark, 0):
            quote = mark
    return quote


def _judged(lines: Sequence[str], reader: Reader) -> _Part:
    text = "\n".join(lines)
    return _Part(kind=_kind(text, reader), text=text, blank_after=not lines[-1].strip())


def _kind(text: str, reader: Reader) -> _Kind:
    if not text.strip() or all(line.startswith("#") for line in text.split("\n") if line.strip()):
        return _Kind.COMMENT
    if _DEFINES.search(text) is not None and text.startswith(_DECORATED[:-1]):
        return _Kind.DEFINITION
    tree = reader.tree(text)
    if tree is None or not tree.body or not is_all_code(tree, text):
        return _Kind.PROSE
    return _Kind.FORMULA if isinstance(tree.body[0], ast.Assign) and _needs(tree) else _Kind.CODE


def _needs(tree: ast.Module) -> bool:
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    return any(isinstance(each.ctx, ast.Load) and not hasattr(builtins, each.id) for each in names)


def _is_code(node: ast.stmt, line: str) -> bool:
    if isinstance(node, ast.AnnAssign):
        return node.value is not None
    if not isinstance(node, ast.Expr):
        return isinstance(node, _STATEMENTS)
    if isinstance(node.value, ast.Call):
        return _CALLS.match(line) is not None
    return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _runs(parts: Sequence[_Part]) -> Iterator[str]:
    """Return the parts of code that follow one another, with the comments that belong to them."""
    run: list[_Part] = []
    comments: list[_Part] = []
    for part in parts:
        if not run and comments and comments[-1].blank_after:
            comments = []
        kind = part.kind
        if kind is _Kind.COMMENT:
            comments.append(part)
        elif kind is _Kind.PROSE or (kind is _Kind.FORMULA and not run):
            yield _ended(run)
            run, comments = [], []
        else:
            run += [*comments, part]
            comments = []
    yield _ended(run)


def _ended(run: list[_Part]) -> str:
    """Return a run up to its last definition or registration: a formula after it is prose."""
    ends = [n for n, part in enumerate(run) if _belongs_last(part)]
    kept = run[: ends[-1] + 1] if ends else run
    return "\n".join(part.text for part in kept)


def _belongs_last(part: _Part) -> bool:
    return part.kind is _Kind.DEFINITION or mentions_registration(part.text)
