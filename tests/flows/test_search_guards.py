"""The guards within the loop: confirmed, promoted, refused, barred, audited, and tested once."""

from dataclasses import replace
from typing import Any

import pytest

from flows.history.records import CandidateRow, EvaluationRow, EventRow
from flows.search.loop import run_search
from flows.search.progress import SearchResult, attempt_line
from sandbox.errors import CellFailed
from tests.support.search_fakes import (
    DOMAIN,
    SPLITS,
    FakeJournal,
    FakeProposer,
    FakeSandbox,
    config,
    proposal,
    scenario,
    services,
)


def search(*policies: str, **settings: Any) -> tuple[SearchResult, FakeJournal, FakeSandbox]:
    """Search through these policies, one for each proposal."""
    journal, sandbox = FakeJournal(), FakeSandbox()
    changes = settings.pop("changes", {})
    width = settings.get("slots", 1)  # slots ask at the same time, each for the policy of its place
    proposer = FakeProposer(
        lambda asked: proposal(policies[(asked.iteration - 1) * width + asked.slot])
    )
    settings = {"budget__candidates": len(policies), **settings}
    outside = services(proposer, journal=journal, sandbox=sandbox, **changes)
    return run_search(config(**settings), outside), journal, sandbox


def standings(result: SearchResult) -> list[str]:
    return [row.standing for row in result.candidates if row.iteration > 0]


def events(journal: FakeJournal, *kinds: str) -> list[EventRow]:
    return [row for row in journal.rows if isinstance(row, EventRow) and row.kind in kinds]


def test_only_what_is_better_on_train_is_tried_on_validation() -> None:
    _, __, sandbox = search("latency = 40", "latency = 45", "latency = 30")

    assert sandbox.tried_on("v1")[1:] == ["latency = 40", "latency = 30"]


def test_better_on_train_but_not_on_validation_is_refused() -> None:
    result, journal, _ = search("latency = 46 v1 = 51 v2 = 49")
    row = result.candidates[-1]

    assert (row.standing, row.improved) == ("refused", False)
    assert row.score == pytest.approx(50 / 46)
    assert row.validation_score == pytest.approx(50 / (51 * 49) ** 0.5)
    assert result.best is not None and result.best.title == "naive"
    assert events(journal, "refused")[0].message.endswith("not statistically significant")


def test_the_gap_alarm_bars_and_is_told() -> None:
    result, journal, _ = search("latency = 25 v1 = 49 v2 = 48")
    row = result.candidates[-1]

    assert row.standing == "barred"
    assert row.gap_percent == pytest.approx(100 * (2 / (50 / (49 * 48) ** 0.5) - 1))
    (alarm,) = events(journal, "gap_alarm")
    assert alarm.detail["reason"] == "gap" and "overfitted to the train scenarios" in alarm.message


def test_other_decisions_from_trial_to_trial_are_found_before_promotion() -> None:
    result, journal, _ = search("moody latency = 40")
    row = result.candidates[-1]

    assert (row.outcome, row.standing) == ("nondeterministic", "barred")
    assert "decided differently when the same scenario was tried again" in row.standing_detail
    assert result.best is not None and result.best.title == "naive"
    assert [event.iteration for event in events(journal, "warning")] == [1]


def test_what_would_be_promoted_decides_all_of_train_again_first() -> None:
    result, journal, sandbox = search("latency = 40 two moody", "latency = 46 v1 = 51 two moody")
    promising, hopeless = result.candidates[1:]

    assert (promising.outcome, promising.standing) == ("nondeterministic", "barred")
    assert (hopeless.outcome, hopeless.standing) == ("ok", "refused")
    tried = [names for source, names in sandbox.trials if "moody" in source]
    train, confirmation, elite = ("one", "two", "one"), ("v1", "v2", "one"), ("one", "two")
    assert tried == [train, confirmation, elite, train, confirmation]
    assert events(journal, "audit") == []


def test_a_latency_below_the_bound_bars_on_train_and_on_validation() -> None:
    for where in ("one", "v1"):
        result, _, __ = search(f"latency = 40 {where} magic")

        assert standings(result) == ["barred"]
        assert "implausible" in result.candidates[-1].standing_detail


def test_a_failure_on_validation_refuses_and_stays_out_of_the_feedback() -> None:
    seen: list[Any] = []

    def answer(request: Any) -> Any:
        seen.append(request.attempts[-1])
        return proposal(["latency = 40 v2 fails", "latency = 41"][request.iteration - 1])

    result = run_search(config(budget__candidates=2), services(FakeProposer(answer)))

    row = result.candidates[1]
    assert (row.outcome, row.standing) == ("ok", "refused")
    assert row.standing_detail == "failed on validation: policy_error: ValueError: no"
    assert [each.scenario for each in seen[1].evaluations] == ["one", "two"]
    assert (seen[1].problem, seen[1].standing) == (None, "refused")


def test_the_source_of_a_barred_policy_is_barred_without_a_trial() -> None:
    cheat = "latency = 25 v1 = 49 v2 = 48"
    result, _, sandbox = search(cheat, cheat)

    assert standings(result) == ["barred"] * 2
    assert result.candidates[2].duplicate_of == "1/0"
    assert result.candidates[2].standing_detail.startswith("the same as 1/0: gap alarm")
    assert len(sandbox.tried_on("v1")) == 2


def test_what_decides_on_train_as_a_barred_policy_does_may_still_be_honest() -> None:
    cheat, honest = "latency = 25 v1 = 49 v2 = 48", "latency = 25"
    result, _, __ = search(cheat, f"x = 1; {cheat}", honest)

    assert standings(result) == ["barred", "barred", "promoted"]
    assert [row.duplicate_of for row in result.candidates[1:]] == [None, "1/0", None]


def test_a_line_says_why_what_decides_on_train_as_another_was_refused() -> None:
    cheat = "latency = 25 v1 = 49 v2 = 48"
    result, _, __ = search(cheat, f"x = 1; {cheat}", f"{cheat} v2 fails")
    lines = [attempt_line(row) for row in result.candidates[1:]]

    assert [row.duplicate_of for row in result.candidates[1:]] == [None, "1/0", "1/0"]
    assert "(barred: gap alarm" in lines[1] and lines[1].endswith("; same as 1/0)")
    assert "(refused: failed on validation: policy_error: ValueError: no; same as 1/0)" in lines[2]


def test_what_decides_on_train_as_a_refused_policy_does_is_not_confirmed_again() -> None:
    lucky = "latency = 46 v1 = 51 v2 = 49"
    result, _, sandbox = search(lucky, f"x = 1; {lucky}")

    assert standings(result) == ["refused", "refused"]
    assert result.candidates[2].standing_detail.startswith("the same as 1/0: on validation")
    assert len(sandbox.tried_on("v1")) == 2


def test_slots_of_an_iteration_are_decided_in_their_order() -> None:
    result, _, __ = search("latency = 40", "latency = 30", "latency = 35", slots=3)

    assert standings(result) == ["promoted", "promoted", "refused"]
    assert "against 1/1: 14.3 % worse" in result.candidates[-1].standing_detail


def test_alike_slots_of_an_iteration_are_confirmed_once() -> None:
    result, _, sandbox = search("latency = 40", "x = 1; latency = 40", slots=2)

    assert [row.duplicate_of for row in result.candidates[1:]] == [None, "1/0"]
    assert len(sandbox.tried_on("v1")) == 2


def test_an_idle_slot_takes_its_share_of_a_lone_confirmation() -> None:
    names = tuple(f"v{number}" for number in range(1, 8))
    many = replace(SPLITS, validation=tuple(scenario(name, "validation") for name in names))
    changes = {"scenarios": many}
    policies = ("latency = 60", "latency = 40", "latency = 30", "latency = 20 v7 fails")
    result, journal, sandbox = search(*policies, slots=2, changes=changes)

    lone, paired = (
        [tried for source, tried in sandbox.trials if source == one] for one in policies[1:3]
    )
    assert sorted(each for each in lone if each[0] != "one") == [names[::2], (*names[1::2], "one")]
    assert (*names, "one") in paired
    assert standings(result) == ["", "promoted", "promoted", "refused"]
    rows = [row for row in journal.rows if isinstance(row, EvaluationRow) and row.slot == 1]
    confirmed = [
        row.scenario for row in rows if row.iteration == 1 and row.purpose in ("score", "repeat")
    ]
    assert confirmed == ["one", "two", "one", *names, "one"]


def test_an_audit_tells_whether_every_tick_changes_anything() -> None:
    _, journal, sandbox = search("latency = 40")
    (audited,) = events(journal, "audit")

    assert sandbox.trials[-3] == ("latency = 40", ("one", "two"))
    assert audited.detail["same"] is True
    assert audited.message.endswith("called every tick, it makes the same decisions on 2 scenarios")


def test_no_audit_is_made_where_it_is_not_wanted_or_would_change_nothing() -> None:
    every_tick = tuple(DOMAIN.cell.with_calls(each, "every_tick") for each in SPLITS.train)
    _, unwanted, __ = search("latency = 40", guards__audit_scenarios=0)
    _, same, __ = search("latency = 40", changes={"scenarios": replace(SPLITS, train=every_tick)})

    assert events(unwanted, "audit") == events(same, "audit") == []


def test_a_second_try_that_our_cell_fails_is_a_lost_attempt() -> None:
    class Fragile(FakeSandbox):
        def try_policy(self, source: str, scenarios: Any) -> Any:
            if scenarios[0].name == "v1" and "latency = 40" in source:
                raise CellFailed("no answer")
            return super().try_policy(source, scenarios)

    answers = iter(["latency = 40", "latency = 30"])
    proposer = FakeProposer(lambda _: proposal(next(answers)))

    result = run_search(config(budget__candidates=1), services(proposer, sandbox=Fragile()))

    assert (result.status, result.lost) == ("finished_with_losses", 1)
    assert [row.iteration for row in result.candidates] == [0, 2]


def test_without_validation_a_warning_says_what_decides() -> None:
    result, journal, _ = search(
        "latency = 40", changes={"scenarios": replace(SPLITS, validation=(), test=())}
    )

    assert standings(result) == ["promoted"]
    assert "no validation scenarios: train decides" in events(journal, "warning")[0].message
    assert "The test scenarios were not used." in result.verdict


def test_the_metric_gamer_gains_nothing_by_latency_and_is_refused_by_throughput() -> None:
    gamer = "latency = 55 throughput = 8"
    plain, _, __ = search(gamer)
    fooled, _, __ = search(gamer, objective="legacy_throughput")

    assert standings(plain) == [""]
    assert fooled.candidates[-1].score == pytest.approx(8.0)
    assert standings(fooled) == ["refused"]
    assert fooled.candidates[-1].standing_detail.startswith("gamed: by legacy_throughput")


def test_evaluations_carry_split_and_purpose() -> None:
    _, journal, __ = search("latency = 40")
    rows = [r for r in journal.rows if isinstance(r, EvaluationRow) and r.iteration == 1]

    assert {(row.split, row.purpose) for row in rows} == {
        ("train", "score"),
        ("train", "repeat"),
        ("train", "elite"),
        ("train", "audit"),
        ("validation", "score"),
        ("test", "score"),
    }


def test_the_same_configuration_gives_the_same_rows() -> None:
    first = search("latency = 40", "latency = 46 v1 = 60", "latency = 30", slots=2)[1]
    second = search("latency = 40", "latency = 46 v1 = 60", "latency = 30", slots=2)[1]

    assert first.rows == second.rows
    assert any(isinstance(row, CandidateRow) and row.standing for row in first.rows)
