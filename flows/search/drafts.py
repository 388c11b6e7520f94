"""An attempt on its way through the hops, before it is recorded."""

from dataclasses import dataclass

from flows.search.ledger import Key
from flows.search.proposing import Prompt, Proposal
from sandbox.outcome import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A proposal on its way: ``lost`` says why there is none, a trial is None if not needed."""

    key: Key
    proposal: Proposal | None = None
    prompt: Prompt | None = None
    trial: Trial | None = None
    """On the train scenarios, the first of them twice."""
    second: Trial | None = None
    """On the validation scenarios, and on the first train scenario again."""
    elite: Trial | None = None
    """On train again, in one more cell, before it is promoted."""
    audit: Trial | None = None
    """On some train scenarios, called in every tick."""
    lost: str | None = None
    seconds: float = 0.0

    @property
    def source(self) -> str | None:
        return self.proposal.source if self.proposal is not None else None

    @property
    def title(self) -> str:
        return self.proposal.title if self.proposal is not None else ""

    @property
    def trials(self) -> tuple[Trial, ...]:
        """What was tried so far, in order."""
        every = (self.trial, self.second, self.elite, self.audit)
        return tuple(trial for trial in every if trial is not None)

    @property
    def cell_seconds(self) -> float | None:
        """Wall seconds in cells; None when none was needed."""
        cells = [trial.cell.seconds for trial in self.trials if trial.cell is not None]
        return sum(cells) if cells else None
