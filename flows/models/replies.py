"""Finds the policy in the text of a model's reply."""

import ast
import json
import re
from dataclasses import dataclass

from sandbox.parsing import parse

MAX_SOURCE_CHARS = 100_000

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+.-]*)[^\n`]*$")
_REGISTERS_STEP = re.compile(r"\bregister_scheduler\s*\(")
_REGISTERS_INIT = re.compile(r"\bregister_scheduler_init\s*\(")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_TITLE_CHARS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """The source of a policy, or the reason why the reply holds none."""

    source: str | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Block:
    language: str
    text: str


def extract_source(reply: str) -> Extracted:
    """Return the policy in a reply: a fenced block that registers a scheduler, else the best guess.

    A reply in JSON is read first: what follows is done with its field ``policy``.

    In order: the first Python block with both registrations, the blocks that have them together,
    the first block with a step function, the largest block, the whole reply when it is Python.
    """
    text = _without_thoughts(_clean(reply))
    field = _field_of_json(text)
    text = text if field is None else field
    if not text.strip():
        return Extracted(source=None, problem="the reply is empty: answer with one policy")
    source = _from_blocks(_blocks(text))
    if source is None and (field is not None or _is_policy(text)):
        source = text
    if source is None or not source.strip():
        return Extracted(
            source=None,
            problem="the reply holds no code: answer with one fenced Python block that registers "
            "an init and a step function",
        )
    if len(source) > MAX_SOURCE_CHARS:
        return Extracted(
            source=None,
            problem=f"the policy has {len(source)} characters: the limit is {MAX_SOURCE_CHARS}",
        )
    return Extracted(source=source.strip("\n") + "\n")


def title_of(source: str) -> str:
    """Return the first line of a policy's docstring or comment, made safe to print, or ``''``."""
    try:
        text = ast.get_docstring(parse(source)) or ""
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        text = ""
    if not text.strip():
        first = source.strip().splitlines()[0] if source.strip() else ""
        text = first.lstrip("#! ") if first.startswith("#") else ""
    line = text.strip().splitlines()[0] if text.strip() else ""
    line = " ".join(_CONTROL.sub(" ", line).split())
    return line if len(line) <= _TITLE_CHARS else line[: _TITLE_CHARS - 1].rstrip() + "…"


def _clean(reply: str) -> str:
    """Return the reply with plain line ends and nothing that UTF-8 cannot hold."""
    text = reply.encode("utf-8", "replace").decode("utf-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _without_thoughts(text: str) -> str:
    """Return what follows a reasoning model's inline thoughts, which may hold drafts."""
    return text.rpartition("</think>")[2] if "</think>" in text else text


def _field_of_json(text: str) -> str | None:
    """Return the field ``policy`` when the text, or a fenced block in it, is a JSON object."""
    candidates = [text, *(block.text for block in _blocks(text) if block.language == "json")]
    for candidate in candidates:
        if not candidate.lstrip().startswith("{"):
            continue
        try:
            found = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        policy = found.get("policy") if isinstance(found, dict) else None
        if isinstance(policy, str):
            return _clean(policy)
    return None


def _blocks(text: str) -> list[_Block]:
    """Return the fenced blocks; one that is never closed reaches to the end."""
    blocks: list[_Block] = []
    lines: list[str] = []
    fence = language = ""
    for line in text.split("\n"):
        found = _FENCE.match(line)
        if not fence:
            if found is not None:
                fence, language, lines = found.group(1), found.group(2).lower(), []
        elif found is not None and not found.group(2) and found.group(1).startswith(fence):
            blocks.append(_Block(language, "\n".join(lines)))
            fence = ""
        else:
            lines.append(line)
    if fence:
        blocks.append(_Block(language, "\n".join(lines)))
    return blocks


def _from_blocks(blocks: list[_Block]) -> str | None:
    python = [block.text for block in blocks if block.language in ("python", "py", "python3")]
    for texts in (python, [block.text for block in blocks]):
        steps = [text for text in texts if _REGISTERS_STEP.search(text)]
        inits = [text for text in texts if _REGISTERS_INIT.search(text)]
        whole = next((text for text in steps if text in inits), None)
        if whole is not None:
            return whole
        if steps and inits:
            return "\n\n".join(text for text in texts if text in (inits[0], steps[0]))
        if steps:
            return steps[0]
    return max((block.text for block in blocks), key=len, default=None)


def _is_policy(text: str) -> bool:
    if _REGISTERS_STEP.search(text) is None:
        return False
    try:
        parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
