"""A policy's source, as text and as a tree: what it must be, its name, its lines, what changed."""

import ast
import difflib
import hashlib
import threading
import warnings
from collections import Counter

from simulator.cell.cleantext import lines_of

MAX_DIFF_STEPS = 20_000_000
"""Pairs of equal lines that a difference may look at, at worst: less than a second."""
TRIES = 20
"""How often a source is read before a failure of the interpreter itself is believed."""

_reading = threading.Lock()


def candidate_id(source: str) -> str:
    """Return the name of a candidate: the sha256 of its source, in hex."""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()


def malformed_because(source: str, max_bytes: int) -> str | None:
    """Return why ``source`` is no text that could be a policy, or None when it may be one."""
    try:
        size = len(source.encode())
    except UnicodeEncodeError as error:
        return f"the source has a lone surrogate at position {error.start}; it must be UTF-8 text"
    if size > max_bytes:
        return f"the source has {size} bytes; {max_bytes} are allowed"
    if "\0" in source:
        return f"the source has a NUL character at position {source.index(chr(0))}"
    if not source.strip():
        return "the source is empty"
    return None


def source_line(source: str | None, line: int | None) -> str:
    """Return the line that Python calls number ``line``, stripped; empty where there is none."""
    lines = lines_of(source or "")
    return lines[line - 1].strip() if line and 0 < line <= len(lines) else ""


def source_diff(before: str, after: str, old_name: str, new_name: str) -> str:
    """Return the unified diff of two sources, or a sentence where it would take too long.

    ``difflib`` takes cubic time for sources made for it, so its work is bounded beforehand: the
    equal pairs of lines, as often as there can be a match.
    """
    old, new = lines_of(before), lines_of(after)
    often = Counter(new)
    popular = len(new) // 100 + 1 if len(new) >= 200 else len(new)  # difflib skips what is more so
    each_pass = len(old) + sum(often[line] for line in old if often[line] <= popular)
    if each_pass * min(len(old), len(new)) > MAX_DIFF_STEPS:
        return f"no difference is shown: {len(old):,} and {len(new):,} lines take too long"
    return "\n".join(difflib.unified_diff(old, new, old_name, new_name, lineterm=""))


def parse(source: str, language: tuple[int, int] | None = None) -> ast.Module:
    """Return the tree without a warning, or raise what ``ast.parse`` raises about the source.

    Python 3.11 counts the depth of the trees that several threads make at a time in one place,
    and then fails by chance with a SystemError. So one thread at a time makes one here; and as
    libraries may be making another, a tree that failed so is made again.
    """
    for _ in range(TRIES - 1):
        try:
            return _parse(source, language)
        except SystemError:
            continue
    return _parse(source, language)


def _parse(source: str, language: tuple[int, int] | None) -> ast.Module:
    with _reading, warnings.catch_warnings():  # warnings are settings of the whole process
        warnings.simplefilter("ignore")
        return ast.parse(source, "policy.py", feature_version=language)
