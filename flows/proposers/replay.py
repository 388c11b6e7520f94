"""Proposes again what a recorded experiment proposed: for nothing, and with the network closed."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from flows.attempt import Proposal, ProposalRequest, ProposerUnavailable
from flows.clock import Clock, SystemClock, stamp
from flows.errors import ConfigError
from flows.history.journal import journal_files, read_rows
from flows.history.records import CandidateRow, ExperimentRow, LlmCallRow, Row
from flows.proposers.answers import proposal_of, reply_in
from flows.proposers.refusals import FINAL
from flows.settings.sources import decides_what_runs

Place = tuple[int, int]
LONGEST_NAME = 50


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


# Which experiment is replayed, with which settings.


def recorded_rows(home: Path, wanted: str) -> list[Row]:
    """Return the rows of the experiment with this id or name; refuse what cannot be replayed."""
    found = _found(home, wanted)
    if len(found) > 1:
        raise ConfigError(
            f"proposer.replay_of: {len(found)} experiments are called {wanted!r}: give one of the "
            f"ids {', '.join(found)}"
        )
    return _rows(home, found[0])


def recorded_settings(home: Path, wanted: str) -> dict[str, Any]:
    """Return the settings of an experiment by their dotted keys, with replay as the proposer.

    Where policies run is left out, and a domain that is a folder: a history that came with a folder
    does not decide what code runs.

    Of several experiments with one name it is the newest; the settings name it by its id.
    """
    rows = _rows(home, _found(home, wanted)[-1])
    experiment = next(row for row in rows if isinstance(row, ExperimentRow))
    settings: dict[str, Any] = {}
    for name, value in experiment.config.items():
        if decides_what_runs(name, value):
            continue
        if not isinstance(value, dict):
            settings[name] = value
        elif name != "proposer":
            settings |= {f"{name}.{key}": inner for key, inner in value.items()}
    return {
        **settings,
        "name": f"{experiment.name[:LONGEST_NAME]} replay",
        "proposer.kind": "replay",
        "proposer.replay_of": experiment.experiment_id,
    }


def _found(home: Path, wanted: str) -> list[str]:
    """Return the ids that an id or a name stands for, in the order of their start."""
    known = list(dict.fromkeys(path.name.rsplit(".", 3)[0] for path in journal_files(home)))
    found = [wanted] if wanted in known else [each for each in known if _name(each) == wanted]
    if not found:
        recorded = ", ".join(known) or "none"
        raise ConfigError(
            f"proposer.replay_of: no experiment {wanted!r} is recorded in {home}; recorded: "
            f"{recorded}"
        )
    return found


def _rows(home: Path, experiment_id: str) -> list[Row]:
    rows = list(read_rows(home, experiment_id))
    if not any(isinstance(row, CandidateRow) and row.iteration > 0 for row in rows):
        raise ConfigError(
            f"proposer.replay_of: {experiment_id} holds no attempt that could be replayed: choose "
            "an experiment that tried candidates"
        )
    return rows


def _name(experiment_id: str) -> str:
    """Return the name in an id, which ends in a hash."""
    return experiment_id.rpartition("-")[0]
