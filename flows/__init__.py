"""Decides what to try next and remembers everything: search, proposers, history, command line."""

from functools import cache


@cache
def assay_version() -> str:
    """Return the installed version, or ``0+unknown`` in a checkout that was never installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("assay")
    except PackageNotFoundError:
        return "0+unknown"
