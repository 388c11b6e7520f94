"""Finds the fenced blocks of a reply as models really write them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from flows.proposers.pieces import Piece

PYTHON = frozenset({"python", "python3", "py", "py3", "tool_code"})
PATCH = frozenset({"diff", "patch"})
TAB = 4
DEEPER = 4
"""Columns from which on a fence is part of the text in the block and does not close it."""
LONGEST_INFO = 200

_PLACE = re.compile(r"(?:[ \t]*+(?:>|(?:[-*+]|\d{1,9}[.)])(?=[ \t])))*+[ \t]*+")
"""What may stand before a fence: blanks, marks of lists and of quotes."""
_LANGUAGE = re.compile(r"[{.\s]*+([\w+#-]*+)")
_HUNK = re.compile(r"^@@", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block; ``closed`` unless the text, or another block, began before its end."""

    language: str
    text: str
    closed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fence:
    mark: str
    language: str
    bare: bool
    quotes: int
    width: int

    def closes(self, opening: "_Fence") -> bool:
        return (
            self.bare and self.mark.startswith(opening.mark) and self.width < opening.width + DEEPER
        )

    def begins_anew(self, opening: "_Fence") -> bool:
        """Whether this begins a block of Python though the one before was never closed."""
        if self.language not in PYTHON or self.width >= opening.width + DEEPER:
            return False
        return opening.language not in PYTHON or self.mark == opening.mark


def blocks_of(text: str) -> list[Block]:
    """Return the fenced blocks that are not blank; one never closed reaches to the end."""
    return [block for block in _blocks(text) if block.text.strip()]


def pieces_of(blocks: list[Block]) -> list[Piece]:
    """Return the blocks as pieces of code, of a diff what it leads to."""
    pieces = []
    for block in blocks:
        patched = _patched(block)
        if patched is not None:
            pieces.append(Piece(text=patched))
        elif block.language not in PATCH:
            python = block.language in PYTHON
            pieces.append(Piece(text=block.text, python=python, closed=block.closed))
    return pieces


def level(text: str) -> str:
    """Return a text with its first line at the left edge, and the others as far to the left."""
    lines = text.split("\n")
    first = next((line for line in lines if line.strip()), "")
    columns = _width(first[: len(first) - len(first.lstrip(" \t"))])
    return "\n".join(_without_columns(line, columns) for line in lines) if columns else text


def is_fence(line: str) -> bool:
    """Return whether a line opens or closes a block."""
    return _fence(line) is not None


def _blocks(text: str) -> Iterator[Block]:
    opening: _Fence | None = None
    lines: list[str] = []
    for line in text.split("\n"):
        fence = _fence(line)
        if opening is not None and fence is not None and fence.closes(opening):
            yield _block(opening, lines, closed=True)
            opening = None
        elif fence is not None and (opening is None or fence.begins_anew(opening)):
            if opening is not None:
                yield _block(opening, lines, closed=False)
            opening, lines = fence, []
        elif opening is not None:
            lines.append(_inside(line, opening))
    if opening is not None:
        yield _block(opening, lines, closed=False)


def _fence(line: str) -> _Fence | None:
    if "```" not in line and "~~~" not in line:
        return None
    place = _PLACE.match(line)
    start = place.end() if place is not None else 0
    char = line[start : start + 1]
    if char not in ("`", "~"):
        return None
    rest = line[start:]
    info = rest.lstrip(char)
    mark = rest[: len(rest) - len(info)]
    info = info.strip()
    if len(mark) < 3 or (char == "`" and "`" in info) or len(info) > LONGEST_INFO:
        return None
    language = _LANGUAGE.match(info)
    before = line[:start]
    return _Fence(
        mark=mark,
        language=language.group(1).lower() if language is not None else "",
        bare=not info,
        quotes=before.count(">"),
        width=_width(before.rpartition(">")[2]) - (">" in before and before[-1:] != ">"),
    )


def _inside(line: str, opening: _Fence) -> str:
    """Return a line of a block without the marks of the quotation that it stands in."""
    for _ in range(opening.quotes):
        blank = line.lstrip()
        if not blank.startswith(">"):
            break
        line = blank[1:].removeprefix(" ")
    return line


def _without_columns(line: str, most: int) -> str:
    """Return a line without the blanks in its first columns; a tab reaches to the next stop."""
    columns = start = 0
    while columns < most and line[start : start + 1] in {" ", "\t"}:
        columns += 1 if line[start] == " " else TAB - columns % TAB
        start += 1
    return line[start:]


def _width(text: str) -> int:
    return len(text.expandtabs(TAB))


def _block(opening: _Fence, lines: list[str], *, closed: bool) -> Block:
    if not closed:
        while lines and not lines[-1].strip():
            lines.pop()
        if lines:  # closed at the end of its last line
            lines[-1] = lines[-1].removesuffix(opening.mark)
    return Block(language=opening.language, text=level("\n".join(lines)), closed=closed)


def _patched(block: Block) -> str | None:
    """Return what a diff leads to; None of what is no diff, or one that leaves out lines."""
    lines = block.text.split("\n")
    if block.language not in PATCH and not _looks_patched(lines):
        return None
    if len(_HUNK.findall(block.text)) > 1:
        return None
    kept = [line for line in lines if not line.startswith(("+++", "---", "@@", "-", "\\"))]
    kept = [line for line in kept if line[:1] in ("+", " ", "")]
    return "\n".join(line[1:] for line in kept)


def _looks_patched(lines: list[str]) -> bool:
    full = [line for line in lines if line.strip()]
    return any(line.startswith("+") for line in full) and all(
        line.startswith(("+", "-", " ", "@@", "\\")) for line in full
    )
