"""What a search tells whoever watches it: values, in the order in which things happen."""

from dataclasses import dataclass

from flows.budget import Spend
from flows.config import SearchConfig
from flows.records import CandidateRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """The search is about to work; ``recorded`` candidates are there already when it continues."""

    experiment_id: str
    config: SearchConfig
    scenarios: int
    recorded: int
    resumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """A hop starts: ``propose`` or ``try``."""

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
    """An attempt was lost to a failure of ours; nothing is held against a policy."""

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
    already_done: bool = False
    """The experiment had ended in an earlier run, so that nothing was tried now."""


Happening = Began | Working | Settled | Lost | Notice
