"""``assay run --json``: the shapes that another program reads, one object for each event."""

import json
from pathlib import Path
from typing import Any

from flows.cli.watching import ended_line, event_lines, interrupted_line
from flows.experiment import Finished
from flows.search.budget import Spend
from flows.search.progress import Began, Lost, Notice, SearchResult, Settled, Stepped, Working
from flows.settings.search import SearchConfig
from tests.support.guarded_rows import guarded_rows

DATA = guarded_rows(12)
BEST = next(row for row in DATA.attempts if row.improved)
SPENT = Spend(candidates=3, evaluations=9, seconds=12.5, largest_call_tokens=9)


def parsed(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


def test_a_search_begins_with_what_it_will_do() -> None:
    began = Began(experiment_id="e-1", config=SearchConfig(), scenarios=6, resumed=False)

    assert parsed(event_lines(began)) == [
        {
            "event": "begun", "experiment": "e-1", "resumed": False, "recorded": 0,
            "suite": "smoke", "scenarios": 6, "candidates": 24, "strategy": "refine",
            "objective": "weighted_latency", "proposer": "offline", "slots": 1, "seed": 0,
        }
    ]  # fmt: skip


def test_a_candidate_that_is_promoted_is_two_events() -> None:
    settled = Settled(row=BEST, best=BEST, spend=SPENT)

    candidate, new_best = parsed(event_lines(settled))

    assert (candidate["event"], new_best["event"]) == ("candidate", "new_best")
    assert candidate["attempt"] == f"{BEST.iteration}/0"
    assert candidate["standing"] == "promoted"
    assert candidate["best"] == {
        "attempt": f"{BEST.iteration}/0",
        "score": BEST.score,
        "validation_score": BEST.validation_score,
    }
    assert (candidate["spend"]["candidates"], candidate["spend"]["seconds"]) == (3, 12.5)
    assert not any(key.startswith("largest") for key in candidate["spend"])
    assert {key: candidate[key] for key in new_best if key != "event"} == {
        key: value for key, value in new_best.items() if key != "event"
    }


def test_a_candidate_that_is_refused_is_one_event_with_the_reason() -> None:
    refused = next(row for row in DATA.attempts if row.standing == "refused")

    [candidate] = parsed(event_lines(Settled(row=refused, best=None, spend=SPENT)))

    assert candidate["standing"] == "refused"
    assert "95 % confidence interval" in candidate["standing_detail"]
    assert candidate["best"] is None


def test_losses_and_notices_are_events_and_a_hop_is_none() -> None:
    lost = Lost(iteration=3, slot=1, message="gone")

    assert parsed(event_lines(lost)) == [{"event": "lost", "attempt": "3/1", "message": "gone"}]
    assert parsed(event_lines(Notice(message="wait"))) == [{"event": "notice", "message": "wait"}]
    step = {"event": "step", "what": "mutants tried", "done": 2, "total": 30}
    assert parsed(event_lines(Stepped(what="mutants tried", done=2, total=30))) == [step]
    assert event_lines(Working(iteration=1, slot=0, hop="try")) == []


def test_the_last_line_has_the_whole_result() -> None:
    result = SearchResult(
        experiment_id="e-1",
        status="finished",
        status_detail="all 12 candidates were tried",
        candidates=DATA.candidates,
        best=BEST,
        lost=0,
        spend=SPENT,
        verdict="better",
    )

    ended = json.loads(ended_line(Finished(result=result, best_policy=Path("/b.py"), report=None)))

    assert (ended["event"], ended["status"], ended["verdict"]) == ("ended", "finished", "better")
    assert (ended["tried"], ended["best_policy"], ended["report"]) == (12, "/b.py", None)
    assert ended["promoted"] == sum(row.improved for row in DATA.attempts)
    assert ended["best"]["title"] == BEST.title


def test_a_search_that_is_stopped_says_how_to_go_on() -> None:
    line = interrupted_line("e-1", "assay run --seed 3")

    assert json.loads(line) == {
        "event": "interrupted",
        "experiment": "e-1",
        "continue": "assay run --seed 3",
    }
