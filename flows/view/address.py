"""Addresses of views: all that a page shows is in its address, so that a link shows the same."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

W = TypeVar("W")

MOST_CHARS = 200
"""Of one value in an address, where it is not a statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One value of a list in a form, with how many rows have it."""

    value: str
    count: int
    chosen: bool


def choices(values: Iterable[str], chosen: str) -> tuple[Choice, ...]:
    """Return the different values in order, and what is chosen also where no row has it."""
    counts: dict[str, int] = {chosen: 0} if chosen else {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return tuple(
        Choice(value=value, count=counts[value], chosen=value == chosen)
        for value in sorted(counts)
        if value
    )


def address(path: str, wanted: Any, usual: Any) -> str:
    """Return the address of a view: a dataclass of texts and numbers, less what is usual."""
    differs = {
        name: value for name, value in asdict(wanted).items() if value != getattr(usual, name)
    }
    return f"{path}?{urlencode(differs)}" if differs else path


def read(kind: type[W], given: Mapping[str, str]) -> W:
    """Return what an address wants; a number that is none counts as not given."""
    found: dict[str, Any] = {}
    for each in fields(kind):  # type: ignore[arg-type]
        value = given.get(each.name, "")[:MOST_CHARS]
        if each.type in (int, "int"):
            if value.isdecimal() and len(value) < 10:
                found[each.name] = int(value)
        elif value:
            found[each.name] = value
    return kind(**found)


def experiment_address(experiment_id: str) -> str:
    """Return the address of the page about an experiment."""
    return f"/experiment/{quote(experiment_id, safe='')}"


def reference(experiment_id: str, attempt: str) -> str:
    """Return how an address names an attempt."""
    return f"{experiment_id}:{attempt}"
