"""A policy's source: checks on the text, its id, its lines, its diff and its syntax tree."""

import ast
import difflib
import hashlib
import threading
import warnings
from collections import Counter

from simulator.cell.cleantext import lines_of

MAX_DIFF_STEPS = 20_000_000
"""Pairs of equal lines that a diff may compare at worst; takes less than a second."""
PARSE_TRIES = 20
"""How often a source is parsed before a SystemError of the interpreter is raised."""

_parse_lock = threading.Lock()


def candidate_id(source: str) -> str:
    """Return a candidate's id: the sha256 of its source, in hex."""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()


def malformed_because(source: str, max_bytes: int) -> str | None:
    """Return why ``source`` cannot be a policy's text, or None if it can."""
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
    """Return the line that Python calls number ``line``, stripped; empty if there is none."""
    lines = lines_of(source or "")
    return lines[line - 1].strip() if line and 0 < line <= len(lines) else ""


def source_diff(before: str, after: str, old_name: str, new_name: str) -> str:
    """Return the unified diff of two sources, or a sentence if it would take too long.

    ``difflib`` takes cubic time for hostile sources, so its work is bounded beforehand: pairs of
    equal lines times the largest possible number of matches.
    """
    old, new = lines_of(before), lines_of(after)
    often = Counter(new)
    popular = (
        len(new) // 100 + 1 if len(new) >= 200 else len(new)
    )  # difflib ignores lines more frequent than this
    each_pass = len(old) + sum(often[line] for line in old if often[line] <= popular)
    if each_pass * min(len(old), len(new)) > MAX_DIFF_STEPS:
        return f"no diff: comparing {len(old):,} and {len(new):,} lines would take too long"
    return "\n".join(difflib.unified_diff(old, new, old_name, new_name, lineterm=""))


def parse(source: str, language: tuple[int, int] | None = None) -> ast.Module:
    """Return the syntax tree without warnings, or raise what ``ast.parse`` raises on the source.

    Python 3.11 counts the depth of trees that several threads build in one shared counter, and can
    fail with a SystemError. So only one thread at a time parses here, and a SystemError is retried,
    since a library may be parsing as well.
    """
    for _ in range(PARSE_TRIES - 1):
        try:
            return _parse(source, language)
        except SystemError:
            continue
    return _parse(source, language)


def _parse(source: str, language: tuple[int, int] | None) -> ast.Module:
    with _parse_lock, warnings.catch_warnings():  # warning filters belong to the whole process
        warnings.simplefilter("ignore")
        return ast.parse(source, "policy.py", feature_version=language)
