"""The modules a policy may import: the screen admits them, workers load them before the seal."""

from collections.abc import Collection

STANDARD_MODULES = (
    "__future__",
    "abc",
    "bisect",
    "collections",
    "collections.abc",
    "contextlib",
    "copy",
    "dataclasses",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "heapq",
    "itertools",
    "json",
    "logging",
    "math",
    "numbers",
    "operator",
    "random",
    "re",
    "statistics",
    "string",
    "textwrap",
    "types",
    "typing",
)

PRELOADED_ENCODINGS = ("ascii", "latin_1", "utf_8", "unicode_escape", "raw_unicode_escape")
"""Looked up lazily by str.encode; a sealed worker cannot open their files any more."""


def may_import(module: str, packages: Collection[str]) -> bool:
    """Tell whether a policy may import ``module``, given by its full dotted name.

    ``packages`` are those of its domain, which the driver answers: nothing is installed.
    """
    return module in STANDARD_MODULES or module.partition(".")[0] in packages
