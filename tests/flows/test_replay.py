"""Replay: a recorded search runs again to the same end, for nothing, without its server."""

from dataclasses import replace
from pathlib import Path

import pytest

from flows.errors import ConfigError
from flows.history.journal import Journal
from flows.history.records import CandidateRow, LlmCallRow, Row
from flows.proposers.replay import ReplayProposer, recorded_rows, recorded_settings
from flows.settings.search import load_config
from tests.support import model_server as server
from tests.support.asked_search import Searched, improves, search, searching
from tests.support.model_server import ModelServer
from tests.support.search_fakes import FakeProposer, better_each_time, config

MIXED = (improves, server.prose(), server.cut_off("```python\n"), improves, server.refuses())


def leaderboard(done: Searched) -> list[tuple[object, ...]]:
    return [
        (
            *(row.iteration, row.slot, row.candidate, row.title, row.outcome, row.score),
            *(row.standing, row.origin, row.operator, tuple(row.parents), row.duplicate_of),
            row.validation_score,
        )
        for row in done.candidates
    ]


def recorded(folder: Path, strategy: str = "refine", slots: int = 1) -> Searched:
    """Return a search that a model was asked in; its server is gone."""
    with ModelServer(*MIXED) as running:
        chosen = searching(
            running.url, folder / "p.toml", strategy=strategy, slots=slots, budget__candidates=6
        )
        return search(chosen)


def replayed(rows: list[Row], strategy: str = "refine", slots: int = 1, **more: int) -> Searched:
    proposer = {"proposer__kind": "replay", "proposer__replay_of": "search-1"}
    small = {"feedback__prompt_tokens": 4000, "budget__candidates": 6}
    chosen = config(**{**small, **proposer, "strategy": strategy, "slots": slots, **more})
    return search(chosen, proposer=ReplayProposer(rows))


@pytest.mark.parametrize(
    ("strategy", "slots"), [("refine", 1), ("refine", 2), ("best_of_n", 2), ("evolve", 1)]
)
def test_a_search_with_a_model_is_replayed_to_the_same_leaderboard(
    tmp_path: Path, strategy: str, slots: int
) -> None:
    first = recorded(tmp_path, strategy, slots)

    again = replayed(first.rows, strategy, slots)

    assert leaderboard(again) == leaderboard(first)
    assert {row.outcome for row in first.candidates} == {"ok", "malformed"}
    assert [row.prompt_sha256 for row in again.candidates] == [
        row.prompt_sha256 for row in first.candidates
    ]


def test_a_replay_costs_nothing_and_says_that_it_is_one(tmp_path: Path) -> None:
    first = recorded(tmp_path)

    again = replayed(first.rows)

    assert first.result is not None and first.result.spend.dollars > 0
    assert again.result is not None
    assert (again.result.spend.calls, again.result.spend.dollars) == (0, 0.0)
    assert again.result.spend.replayed_calls == len(again.calls) == 6
    assert {(call.replayed, call.cost_usd) for call in again.calls} == {(True, 0.0)}
    assert [(call.request_sha256, call.reply, call.error) for call in again.calls] == [
        (call.request_sha256, call.reply, call.error) for call in first.calls
    ]


def test_an_offline_search_is_replayed_without_prompts_or_calls() -> None:
    first = search(config(), proposer=FakeProposer(better_each_time))

    again = replayed(first.rows, budget__candidates=4)

    assert leaderboard(again) == leaderboard(first)
    assert again.calls == [] and again.prompts == []
    assert {row.origin for row in again.candidates} == {"offline"}


def test_an_answer_to_another_question_says_so(tmp_path: Path) -> None:
    first = recorded(tmp_path)

    again = replayed(first.rows, feedback__attempts=1)

    told = [call.error for call in again.calls if "recorded as the answer" in (call.error or "")]
    assert told and [row.source for row in again.candidates] == [
        row.source for row in first.candidates
    ]


def test_a_missing_reply_is_a_lost_attempt_with_its_reason() -> None:
    first = search(config(), proposer=FakeProposer(better_each_time))
    holes = [row for row in first.rows if getattr(row, "iteration", 0) != 2]

    again = replayed(holes, budget__candidates=3)

    assert [row.iteration for row in again.candidates] == [1, 3, 4]
    assert again.result is not None and again.result.lost == 1
    [lost] = [row for row in again.rows if getattr(row, "kind", "") == "attempt_lost"]
    assert "holds no proposal at 2/0" in getattr(lost, "message", "")


def test_a_reply_whose_attempt_was_never_recorded_is_used_all_the_same(tmp_path: Path) -> None:
    first = recorded(tmp_path)
    last = next(row for row in reversed(first.rows) if isinstance(row, LlmCallRow))
    cut = first.rows[: first.rows.index(last) + 1]

    again = replayed(cut)

    assert [row.source for row in again.candidates] == [row.source for row in first.candidates]


def test_what_was_recorded_is_replayed_though_its_reply_would_be_read_otherwise_now(
    tmp_path: Path,
) -> None:
    first = recorded(tmp_path)
    source = "# what an earlier version found in the reply\n"
    rows = [
        replace(row, source=source) if isinstance(row, CandidateRow) and row.iteration == 1 else row
        for row in first.rows
    ]

    again = replayed(rows)

    [row] = [row for row in again.candidates if row.iteration == 1]
    assert row.source == source


def test_an_experiment_is_found_by_id_or_name_and_missed_by_name(tmp_path: Path) -> None:
    first = search(config(), proposer=FakeProposer(better_each_time))
    assert first.result is not None
    with Journal(tmp_path, first.result.experiment_id) as journal:
        journal.append_all(first.rows)

    by_id = recorded_rows(tmp_path, first.result.experiment_id)
    by_name = recorded_rows(tmp_path, "search")

    assert len(by_id) == len(by_name) > 4
    with pytest.raises(ConfigError, match=rf"no experiment 'x'.*{first.result.experiment_id}"):
        recorded_rows(tmp_path, "x")


def test_of_several_experiments_with_one_name_a_file_must_give_the_id(tmp_path: Path) -> None:
    ids = []
    for seed in (1, 2):
        done = search(config(seed=seed), proposer=FakeProposer(better_each_time))
        assert done.result is not None
        ids.append(done.result.experiment_id)
        with Journal(tmp_path, ids[-1]) as journal:
            journal.append_all(done.rows)

    with pytest.raises(ConfigError, match="2 experiments are called 'search'"):
        recorded_rows(tmp_path, "search")
    assert recorded_settings(tmp_path, "search")["proposer.replay_of"] == ids[1]
    assert recorded_settings(tmp_path, ids[0])["proposer.replay_of"] == ids[0]


def test_the_settings_of_an_experiment_are_its_own_with_replay_as_the_proposer(
    tmp_path: Path,
) -> None:
    chosen = config(seed=9, strategy="evolve", guards__gap_percent=21.0)
    first = search(chosen, proposer=FakeProposer(better_each_time))
    assert first.result is not None
    with Journal(tmp_path, first.result.experiment_id) as journal:
        journal.append_all(first.rows)

    settings = recorded_settings(tmp_path, "search")

    again = load_config(None, settings)
    assert again.proposer.replay_of == first.result.experiment_id
    assert again.name == "search replay"
    same = {"name": chosen.name, "proposer": chosen.proposer}
    assert again.model_copy(update=same) == chosen


def test_an_experiment_without_attempts_cannot_be_replayed(tmp_path: Path) -> None:
    first = search(config(), proposer=FakeProposer(better_each_time))
    assert first.result is not None
    with Journal(tmp_path, first.result.experiment_id) as journal:
        journal.append_all([row for row in first.rows if getattr(row, "iteration", 0) in (0, None)])

    with pytest.raises(ConfigError, match="holds no attempt"):
        recorded_rows(tmp_path, "search")
