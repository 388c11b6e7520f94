"""Python source to a syntax tree, from several threads at once."""

import ast
import threading
import warnings

TRIES = 20
"""How often a source is read before a failure of the interpreter itself is believed."""

_reading = threading.Lock()


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
