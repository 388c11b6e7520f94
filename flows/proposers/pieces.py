"""Pieces of code that a reply holds, and which of them make the policy."""

import ast
import builtins
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sandbox.parsing import parse

MOST_PARSED_CHARS = 1_000_000
MOST_PARSED = 2_000
MOST_HELPERS = 50

_REGISTERS_STEP = re.compile(r"\bregister_scheduler\s*\(")
_REGISTERS_INIT = re.compile(r"\bregister_scheduler_init\s*\(")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Text that may be Python; ``python`` says that the reply calls it so."""

    text: str
    python: bool = True

    @property
    def steps(self) -> bool:
        """Whether it seems to register a step function."""
        return _REGISTERS_STEP.search(self.text) is not None

    @property
    def inits(self) -> bool:
        """Whether it seems to register an init function."""
        return _REGISTERS_INIT.search(self.text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A source that registers a step function; ``sound`` when it is Python as it stands."""

    source: str
    sound: bool


class Reader:
    """Says what is Python, until it has read so much that a reply cannot be meant well."""

    def __init__(self, most_chars: int) -> None:
        self.error_line: int | None = None
        """The line at which the text that was last read stops being Python, None if unknown."""
        self._most_chars = most_chars
        self._chars = MOST_PARSED_CHARS
        self._times = MOST_PARSED

    def tree(self, text: str) -> ast.Module | None:
        """Return the tree of a source, or None of what is none, or too long, or too much."""
        self.error_line = None
        if len(text) > self._most_chars or self._times <= 0 or self._chars < len(text):
            return None
        self._times -= 1
        self._chars -= len(text)
        try:
            return parse(text)
        except SyntaxError as error:
            self.error_line = error.lineno
        except (ValueError, RecursionError, MemoryError, SystemError):
            pass
        return None


def registers_step(text: str) -> bool:
    """Return whether a text seems to register a step function."""
    return _REGISTERS_STEP.search(text) is not None


def policy_in(pieces: Sequence[Piece], reader: Reader) -> Found | None:
    """Return the policy that the pieces make, None where no piece registers a step function.

    Pieces that are called Python count before the others, those with both registrations before
    a pair that has them together, what is Python before what is not, later pieces before earlier
    ones: a model that corrects itself ends with what it means. Pieces without a registration are
    put before it where they define a name that it lacks.
    """
    for some in ([piece for piece in pieces if piece.python], list(pieces)):
        steps = [number for number, piece in enumerate(some) if piece.steps]
        whole = [number for number in steps if some[number].inits]
        if steps:
            step = _last_sound(some, whole or steps, reader)
            return _joined(some, {step} if whole else {step, *_init_for(some, step)}, reader)
    return None


def _last_sound(pieces: Sequence[Piece], numbers: Sequence[int], reader: Reader) -> int:
    sound = (n for n in reversed(numbers) if reader.tree(pieces[n].text) is not None)
    return next(sound, numbers[-1])


def _init_for(pieces: Sequence[Piece], step: int) -> set[int]:
    """Return the last init function before a step function, else the first after it."""
    inits = [number for number, piece in enumerate(pieces) if piece.inits]
    before = [number for number in inits if number < step]
    return set(before[-1:] or inits[:1])


def _joined(pieces: Sequence[Piece], chosen: set[int], reader: Reader) -> Found:
    """Return the chosen pieces, with those that define what they lack, in their order."""
    plain = [
        n for n, piece in enumerate(pieces) if n not in chosen and not piece.steps | piece.inits
    ]
    trees = {n: reader.tree(pieces[n].text) for n in [*chosen, *plain[-MOST_HELPERS:]]}
    defined = {n: _defined(tree) for n, tree in trees.items() if tree is not None and n in plain}
    waiting = sorted(chosen)
    taken, known = set(chosen), _bound(trees[n] for n in chosen)
    while waiting:
        tree = trees[waiting.pop()]
        for name in sorted(_loaded(tree) - known):
            helper = next((n for n in reversed(defined) if name in defined[n]), None)
            if helper is not None and helper not in taken:
                taken.add(helper)
                waiting.append(helper)
                known |= _bound([trees[helper]])
    source = "\n\n".join(pieces[n].text for n in sorted(taken))
    return Found(source=source, sound=reader.tree(source) is not None)


def _defined(tree: ast.Module) -> set[str]:
    """Return the names that a module gives a value at its top."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(each.asname or each.name).partition(".")[0] for each in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            names |= _stored(node)
    return names


def _bound(trees: Iterable[ast.Module | None]) -> set[str]:
    """Return every name that is bound anywhere in these trees, and the builtins."""
    names = set(dir(builtins))
    for tree in trees:
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.alias):
                names.add((node.asname or node.name).partition(".")[0])
            elif isinstance(node, ast.arg):
                names.add(node.arg)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
    return names


def _stored(node: ast.stmt) -> set[str]:
    names = (each for each in ast.walk(node) if isinstance(each, ast.Name))
    return {each.id for each in names if isinstance(each.ctx, ast.Store)}


def _loaded(tree: ast.Module | None) -> set[str]:
    nodes = ast.walk(tree) if tree is not None else ()
    return {each.id for each in nodes if isinstance(each, ast.Name)}
