"""What a search reports while it runs, as values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flows.history.records import CandidateRow
from flows.search.budget import Spend
from flows.settings.search import SearchConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """The search starts; ``earlier`` holds the attempts of earlier runs."""

    experiment_id: str
    config: SearchConfig
    scenarios: int
    earlier: tuple[CandidateRow, ...] = ()
    spend: Spend = field(default_factory=Spend)
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """A hop starts: propose, try, confirm, elite, audit or test."""

    iteration: int
    slot: int
    hop: str
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """An attempt is recorded."""

    row: CandidateRow
    best: CandidateRow | None
    spend: Spend


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """An attempt was lost to a failure that is not the policy's."""

    iteration: int
    slot: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One line for the reader."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """How a search ended, with everything it tried."""

    experiment_id: str
    status: str
    status_detail: str
    candidates: tuple[CandidateRow, ...]
    best: CandidateRow | None
    lost: int
    spend: Spend
    cut_short: bool = False
    """It ended before its candidates were tried, because attempts were lost."""
    already_done: bool = False
    """The experiment had ended in an earlier run, so that nothing was tried now."""
    verdict: str = ""
    """The result in a sentence: the best against the best baseline, on test where it was used."""
    test: Mapping[str, Any] = field(default_factory=dict)
    """Figures of the test scenarios; empty when they were not touched."""


Happening = Began | Working | Settled | Lost | Notice


Watch = Callable[[Happening], None]


def ignore(_: object) -> None:
    """Watch nothing."""
