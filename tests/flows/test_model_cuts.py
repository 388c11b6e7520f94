"""Killed after any row, a search with a model goes on to the same end and pays nothing twice."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.history.records import CandidateRow, EvaluationRow, LlmCallRow, PromptRow, Row
from flows.proposers.model import OpenAiProposer
from flows.proposers.refusals import FINAL
from tests.support.asked_search import answers, search, searching
from tests.support.model_server import Behaviour, ModelServer, Received, Sent, prose
from tests.support.search_fakes import FakeClock

CANDIDATES = 6


def answering() -> Behaviour:
    """Answer the same to the same request: mostly a policy, each third new one only words."""
    met: dict[str, int] = {}

    def answer(received: Received) -> Sent:
        request = hashlib.sha256(json.dumps(received.body, sort_keys=True).encode()).hexdigest()
        number = met.setdefault(request, len(met))
        behaviour = prose() if number % 3 == 1 else answers(f"latency = {30 + number / 20}")
        return behaviour(received)

    return answer


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.nightly)])
def test_after_any_row_the_rest_is_asked_for_and_nothing_a_second_time(
    tmp_path: Path, step: int
) -> None:
    with ModelServer(answering()) as server:
        settings = {"slots": 2, "budget__candidates": CANDIDATES, "strategy": "evolve"}
        chosen = searching(server.url, tmp_path / "prices.toml", **settings)
        proposer: Any = OpenAiProposer(chosen.proposer, {}, FakeClock())
        whole = search(chosen, proposer=proposer).rows
        assert len(server.requests) == len(paid(whole)) == CANDIDATES
        assert {row.outcome for row in whole if isinstance(row, CandidateRow)} == {
            "ok",
            "malformed",
        }

        for kept in range(1, len(whole), step):
            server.requests.clear()
            rows = search(chosen, earlier=whole[:kept], proposer=proposer).rows

            asked = len(server.requests)
            assert asked == CANDIDATES - len(paid(whole[:kept])), f"cut after row {kept}"
            assert len(paid(rows)) == CANDIDATES, f"cut after row {kept}"
            assert essence(rows) == essence(whole), f"cut after row {kept}"


def paid(rows: list[Row]) -> list[LlmCallRow]:
    """Return the answered requests, each as often as it is recorded."""
    return [row for row in rows if isinstance(row, LlmCallRow) and row.outcome in FINAL]


def essence(rows: list[Row]) -> dict[Any, Row]:
    """Return what does not depend on the moment, each key once."""
    kept: dict[Any, Row] = {}
    for row in rows:
        match row:
            case CandidateRow():
                kept["candidate", row.iteration, row.slot] = replace(row, created_at="", seconds=0)
            case EvaluationRow():
                key = (row.iteration, row.slot, row.scenario, row.attempt)
                kept["evaluation", key] = replace(row, created_at="")
            case LlmCallRow():
                call = (row.iteration, row.slot, row.attempt)
                kept["call", call] = replace(row, created_at="", seconds=0)
            case PromptRow():
                kept["prompt", row.prompt_sha256] = row
            case _:
                pass
    return kept
