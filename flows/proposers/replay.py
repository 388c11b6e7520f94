"""Proposes again what a recorded experiment proposed: for nothing, and with the network closed."""

from collections.abc import Iterable
from dataclasses import replace

from flows.attempt import Proposal, ProposalRequest, ProposerUnavailable
from flows.clock import Clock, SystemClock, stamp
from flows.history.records import CandidateRow, ExperimentRow, LlmCallRow, Row
from flows.proposers.model import proposal_of, reply_in
from flows.proposers.refusals import FINAL

Place = tuple[int, int]


class ReplayProposer:
    """Answers every request with what is recorded at the same (iteration, slot)."""

    name = "replay"

    def __init__(self, rows: Iterable[Row], clock: Clock | None = None) -> None:
        self.experiment_id = ""
        self.model: str | None = None
        self._clock = clock or SystemClock()
        self._candidates: dict[Place, CandidateRow] = {}
        self._answers: dict[Place, LlmCallRow] = {}
        for row in rows:
            self._absorb(row)
        self.uses_prompt = bool(self._answers)
        """A model's experiment has prompts again, so that both can be compared."""

    def propose(self, request: ProposalRequest) -> Proposal:
        """Return the recorded proposal; it keeps its origin, and its reply costs nothing now."""
        place = (request.iteration, request.slot)
        candidate, answer = self._candidates.get(place), self._answers.get(place)
        if answer is not None and not request.recorded_calls:
            request.record_call(self._again(request, answer))
        if candidate is not None:
            return Proposal(
                source=candidate.source,
                title=candidate.title,
                origin=candidate.origin,
                operator=candidate.operator,
                parents=tuple(candidate.parents),
                problem=candidate.problem if candidate.source is None else None,
            )
        if answer is not None:
            return proposal_of(request, reply_in(answer), answer.model)
        raise ProposerUnavailable(
            f"{self.experiment_id} holds no proposal at {place[0]}/{place[1]}: it was lost there, "
            "or the experiment ended before; give this search no more candidates than that one had"
        )

    def _absorb(self, row: Row) -> None:
        match row:
            case ExperimentRow():
                self.experiment_id, self.model = row.experiment_id, row.model
            case CandidateRow() if row.iteration > 0:
                self._candidates[row.iteration, row.slot] = row
            case LlmCallRow() if row.outcome in FINAL:
                self._answers[row.iteration, row.slot] = row
            case _:
                pass

    def _again(self, request: ProposalRequest, answer: LlmCallRow) -> LlmCallRow:
        """Return the row of a reply that is used again; it says when the question was another."""
        asked = request.prompt.sha256 if request.prompt is not None else answer.prompt_sha256
        same = asked == answer.prompt_sha256
        return replace(
            answer,
            experiment_id=request.experiment_id,
            prompt_sha256=asked,
            error=answer.error if same else f"recorded as the answer to {answer.prompt_sha256}",
            cost_usd=0.0,
            seconds=0.0,
            created_at=stamp(self._clock),
            replayed=True,
        )
