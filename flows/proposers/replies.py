"""Finds the policy in the text of a model's reply."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from flows.proposers.bare_code import bare_pieces, is_all_code, until_prose
from flows.proposers.fences import PATCH, PYTHON, Block, blocks_of, is_fence, pieces_of
from flows.proposers.pieces import MAX_SOURCE_CHARS, Found, Piece, Reader, policy_in, registers_step
from flows.proposers.wrappings import (
    plain,
    policy_in_inner_json,
    policy_in_json,
    tagged_pieces,
    without_thoughts,
)
from sandbox.parsing import parse

MAX_REPLY_CHARS = 200_000
"""What a longer reply says after so much is not read, and not stored either."""
MOST_SPANS = 4
"""Fences at which a block that holds fences itself is tried to end."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_TITLE_CHARS = 90
_ANSWER = "answer with one fenced Python block that registers an init and a step function"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """The source of a policy, or the reason why the reply holds none."""

    source: str | None
    problem: str | None = None


def extract_source(reply: str) -> Extracted:
    """Return the policy in a reply, however it is wrapped; prose is never a part of it.

    A reply in JSON is read first: what follows is done with its field ``policy``.

    In order: the whole reply when it is Python, its fenced blocks, JSON inside of prose, what
    stands between tags, code that stands in prose, the largest block. Reading ends after so much
    work as an honest reply can need, so that no reply keeps a search waiting.
    """
    reader = Reader()
    text = without_thoughts(plain(reply[:MAX_REPLY_CHARS]))
    field = policy_in_json(text, reader)
    text = text if field is None else plain(field)
    if not text.strip():
        return Extracted(source=None, problem="the reply is empty: answer with one policy")
    source = text if field is not None and not blocks_of(text) else _source_in(text, reader)
    if source is None or not source.strip():
        return Extracted(source=None, problem=_why_not(text))
    if len(source) > MAX_SOURCE_CHARS:
        return Extracted(
            source=None,
            problem=f"the policy has {len(source)} characters: the limit is {MAX_SOURCE_CHARS}",
        )
    return Extracted(source=source.strip("\n") + "\n")


def title_of(source: str) -> str:
    """Return the first line of a policy's docstring or comment, made safe to print, or ``''``."""
    try:
        text = ast.get_docstring(parse(source), clean=False) or ""
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        text = ""
    if not text.strip():
        first = source.strip().splitlines()[0] if source.strip() else ""
        text = first.lstrip("#! ") if first.startswith("#") else ""
    line = text.strip().splitlines()[0] if text.strip() else ""
    line = " ".join(_CONTROL.sub(" ", line).split())
    return line if len(line) <= _TITLE_CHARS else line[: _TITLE_CHARS - 1].rstrip() + "…"


def _source_in(text: str, reader: Reader) -> str | None:
    blocks = blocks_of(text)
    if registers_step(text):
        found = _policy_in(text, blocks, reader)
        if found is not None:
            return found.source
    usable = [block for block in blocks if block.language not in PATCH and not _is_cut(block)]
    python = [block.text for block in usable if block.language in PYTHON]
    return max(python or (block.text for block in usable), key=len, default=None)


def _policy_in(text: str, blocks: list[Block], reader: Reader) -> Found | None:
    tree = reader.tree(text)
    if tree is not None and is_all_code(tree, text):
        return Found(source=text, sound=True)
    fenced = policy_in(pieces_of(blocks), reader)
    if fenced is not None:
        return fenced if fenced.sound else _mended(text, blocks, reader) or fenced
    inner = policy_in_inner_json(text)
    if inner is not None:
        source = _source_in(plain(inner), reader) or inner
        return Found(source=source, sound=True)
    return policy_in(tagged_pieces(text, reader), reader) or policy_in(
        [*_bare_patch(text), *bare_pieces(text, reader)], reader
    )


def _mended(text: str, blocks: list[Block], reader: Reader) -> Found | None:
    """Return the policy of a block that was never closed, or that holds fences in its strings."""
    pieces = [
        Piece(text=until_prose(block.text, reader))
        for block in blocks
        if not block.closed and registers_step(block.text)
    ]
    pieces += [Piece(text=span) for span in _spans(text) if reader.tree(span) is not None]
    found = policy_in(pieces, reader)
    return found if found is not None and found.sound else None


def _spans(text: str) -> Iterator[str]:
    """Return the text between the first fence and each of the last ones, the longest first."""
    lines = text.split("\n")
    fences = [number for number, line in enumerate(lines) if is_fence(line)]
    for end in reversed(fences[1:][-MOST_SPANS:]):
        yield "\n".join(lines[fences[0] + 1 : end])


def _bare_patch(text: str) -> list[Piece]:
    """Return what a diff without a fence leads to."""
    begin = text.find("\n@@ ") + 1 if "\n@@ " in text else text.find("@@ ")
    if begin < 0:
        return []
    return pieces_of([Block(language="diff", text=text[begin:])])


def _is_cut(block: Block) -> bool:
    """Whether a block holds nothing but the beginning of another."""
    return all(line.lstrip().startswith(("```", "~~~")) for line in block.text.strip().split("\n"))


def _why_not(text: str) -> str:
    if any(block.language in PATCH for block in blocks_of(text)) or "\n@@ " in text:
        return (
            "the reply holds changes to a policy (a diff), not a whole one: answer with the "
            "complete module in one fenced Python block"
        )
    if text.lstrip().startswith("{") and '"policy"' in text:
        return f"the reply holds no code: it begins as JSON and cannot be read as such; {_ANSWER}"
    return f"the reply holds no code: {_ANSWER}"
