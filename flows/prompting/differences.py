"""How a candidate differs from what it was made from, in a sentence.

The genes of the offline proposer are compared by value, other policies by their syntax trees, as
the lessons of a record are.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from flows.history.records import CandidateRow, Key, key_of
from flows.names import called, name_of
from flows.prompting.lessons import Tried, changes_between
from simulator.domain_host import Space

NAMED = 3
"""Differences that a sentence names; it counts the others."""
ALONE = {
    "seed": "A starting point of the offline proposer",
    "sample": "Made without a parent",
    "baseline": "A policy of the library",
    "folder": "A policy of the folder",
}
"""What is said of what was made from nothing, by its operator."""
UNITS = {"gb": "GB", "mb": "MB", "cpus": "CPUs"}
"""How words in the names of genes are written."""
FIRST = ("sorts", "does not sort", "branches", "no branch", "larger", "smaller")
"""How the changes begin that are named before others."""


def differences(
    rows: Sequence[CandidateRow], space: Space[Any] | None, wanted: Container[Key] | None = None
) -> dict[Key, str]:
    """Return the sentence about the ``wanted`` attempts of an experiment, ``rows`` in their order.

    Without ``wanted``, all are.
    """
    first: dict[str, CandidateRow] = {}
    found = {}
    for row in rows:
        if wanted is None or key_of(row) in wanted:
            parents = [first[each] for each in row.parents if each in first]
            found[key_of(row)] = difference(row, parents, space)
        if row.candidate is not None:
            first.setdefault(row.candidate, row)
    return found


def difference(row: CandidateRow, parents: Sequence[CandidateRow], space: Space[Any] | None) -> str:
    """Return how a candidate differs from its parents, the first of them above all.

    ``space`` is that of the offline proposer, None where the domain has none.
    """
    if row.duplicate_of is not None:
        return f"The same policy as {row.duplicate_of}."
    if row.source is None:
        return "The reply held no policy."
    if not parents:
        words = ALONE.get(row.operator, "Made without a parent")
        title = " ".join(row.title.split()).rstrip(".")
        return f"{words}." if title in ("", name_of(row)) else f"{words}: {title}."
    own, theirs = _genes(row, space), _genes(parents[0], space)
    if own and theirs:
        found = [
            f"{_spaced(gene)} {_value(value)} instead of {_value(theirs[gene])}"
            for gene, value in own.items()
            if value != theirs[gene]
        ]
    else:
        found = _changes(row, parents[0])
    words = _listed(found) if found else "written differently"
    if len(parents) > 1:
        both = " and ".join(map(called, parents))
        return f"A cross of {both}; against {name_of(parents[0])}: {words}."
    return f"As {called(parents[0])}, but {words}."


def _genes(row: CandidateRow, space: Space[Any] | None) -> Mapping[str, Any]:
    """Return the genes of a policy by name, nothing of one that has none."""
    if space is None or row.source is None or row.origin not in ("offline", "baseline"):
        return {}
    known = row.origin == "baseline"
    genome = space.nearest_genome(row.title) if known else space.from_source(row.source)
    if not is_dataclass(genome):
        return {}
    return {each.name: getattr(genome, each.name) for each in fields(genome)}


def _changes(row: CandidateRow, parent: CandidateRow) -> list[str]:
    found = changes_between(_tried(parent), _tried(row))
    named = [each.more if turn > 0 else each.less for each, turn in sorted(found.items())]
    named.sort(key=lambda words: not words.startswith(FIRST))
    return [words.replace("`", "") for words in named]


def _tried(row: CandidateRow) -> Tried:
    return Tried(
        key=key_of(row),
        candidate=row.candidate,
        parents=tuple(row.parents),
        origin=row.origin,
        source=row.source or "",
        scores={},
    )


def _listed(found: Sequence[str]) -> str:
    shown, left = list(found[:NAMED]), len(found) - NAMED
    if left > 0:
        shown.append(f"{left} more {'change' if left == 1 else 'changes'}")
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _spaced(gene: str) -> str:
    return " ".join(UNITS.get(part, part) for part in gene.split("_"))


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")
