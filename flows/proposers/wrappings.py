"""Unwraps what a policy can be wrapped in: a model's thoughts, JSON and tags."""

import ast
import html
import json
import re
from itertools import islice

from flows.proposers.fences import blocks_of, level
from flows.proposers.pieces import Piece, Reader, registers_step

THOUGHTS = ("think", "thinking", "thought", "reasoning", "analysis", "scratchpad")
TAGS = ("policy", "code", "python", "source", "solution", "answer", "pre")
MOST_OBJECTS = 30
MOST_TAGS = 50
"""Places in a text that are tried as the beginning of an object or of a tag."""

_CODE_POINTS = dict.fromkeys(map(ord, "\ufeff\u200b\u2060")) | {0xA0: " "}
"""Invisible characters that no Python source may hold outside of its strings."""
_SPECIAL = re.compile(r"<\|[\w ]{1,20}\|>")
_FINAL = "<|channel|>final<|message|>"
_OBJECT = re.compile(r'\{\s*+"')
_TAG = re.compile(rf"<({'|'.join(TAGS)})(?:\s[^<>]{{0,100}})?>")


def plain(reply: str) -> str:
    """Return a reply with plain line ends, without marks of a model's protocol, as UTF-8 can."""
    text = reply.encode("utf-8", "replace").decode("utf-8")
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_CODE_POINTS)
    return _SPECIAL.sub("", text.rpartition(_FINAL)[2])


def without_thoughts(text: str) -> str:
    """Return a reply without a reasoning model's inline thoughts, which may hold drafts.

    Thoughts may have an end only, where a server's template wrote their beginning.
    """
    for name in THOUGHTS:
        text = "".join(_outside(text, f"<{name}>", f"</{name}>"))
    return text


def policy_in_json(text: str, reader: Reader) -> str | None:
    """Return the field ``policy`` when the text, or a fenced block in it, is a JSON object."""
    if "policy" not in text:
        return None
    for candidate in (text, *(block.text for block in blocks_of(text))):
        if candidate.lstrip().startswith("{"):
            found = _decoded(candidate.strip(), reader)
            if isinstance(found, dict) and isinstance(found.get("policy"), str):
                return str(found["policy"])
    return None


def policy_in_inner_json(text: str) -> str | None:
    """Return the field ``policy`` of a JSON object with prose around it."""
    if '"policy"' not in text:
        return None
    decoder = json.JSONDecoder(strict=False)
    for place in islice(_OBJECT.finditer(text), MOST_OBJECTS):
        try:
            found, _ = decoder.raw_decode(text, place.start())
        except (ValueError, RecursionError):
            continue
        policy = found.get("policy") if isinstance(found, dict) else None
        if isinstance(policy, str) and registers_step(policy):
            return policy
    return None


def tagged_pieces(text: str, reader: Reader) -> list[Piece]:
    """Return what stands between tags such as ``<code>``, as pieces of code."""
    pieces = []
    end = 0
    for opening in islice(_TAG.finditer(text), MOST_TAGS):
        begin = opening.end()
        close = text.find(f"</{opening.group(1)}>", begin)
        if begin <= end or close < 0 or _TAG.match(text[begin : begin + 200].lstrip()):
            continue
        end = close
        inner = text[begin:close].removeprefix("<![CDATA[").removesuffix("]]>").strip("\n")
        if registers_step(inner) and reader.tree(inner) is None:
            inner = html.unescape(inner)
        pieces.append(Piece(text=level(inner)))
    return pieces


def _outside(text: str, opening: str, closing: str) -> list[str]:
    """Return what stands outside of these tags; an end alone ends all that came before it."""
    kept: list[str] = []
    place = 0
    while (end := text.find(closing, place)) >= 0:
        begin = text.find(opening, place, end)
        if begin >= 0:
            kept.append(text[place:begin])
        else:
            kept.clear()
        place = end + len(closing)
    return [*kept, text[place:]]


def _decoded(text: str, reader: Reader) -> object:
    """Return what JSON says, that with raw line ends in its strings, or Python's way to say it."""
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        pass
    tree = reader.tree(text) if '"""' in text or "'''" in text else None
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return None
    try:
        return ast.literal_eval(tree.body[0].value)
    except (ValueError, TypeError, RecursionError, MemoryError):
        return None
