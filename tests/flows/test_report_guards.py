"""What the guards of a search leave in its report: verdict, validation line, standings, audit."""

from dataclasses import replace

from flows.judging.leaderboard import HEADERS, leaderboard
from flows.report.candidates import guard_lines, payload, table_rows
from flows.report.compare import contenders, duel
from flows.report.data import in_order, pick_best, slot_name, slot_of
from flows.report.panels import rows_of, span_panel, time_panel
from flows.report.progress import improvement_curve
from flows.report.summary import measure, tiles, verdict
from tests.support.guarded_rows import guarded_rows


def test_the_best_is_the_last_that_was_promoted_whatever_its_train_score() -> None:
    rows = list(guarded_rows(12).candidates)
    promoted = [row for row in rows if row.iteration and row.improved]
    rows[rows.index(promoted[-1])] = replace(promoted[-1], score=0.1)

    best = pick_best(rows)

    assert best is not None and best.iteration == promoted[-1].iteration


def test_a_barred_candidate_is_never_shown_as_the_best() -> None:
    rows = [
        replace(row, standing="barred", improved=False) if row.iteration else row
        for row in guarded_rows(6).candidates
    ]

    assert pick_best(rows) is None


def test_a_repeat_is_never_shown_as_the_best_for_nothing_of_it_was_measured() -> None:
    rows = [
        replace(row, improved=False, standing="", score=1.0) if row.iteration else row
        for row in guarded_rows(6).candidates
    ]
    repeat = replace(rows[-1], iteration=9, score=1.1, duplicate_of="1/0", outcome="ok")

    best = pick_best([*rows, repeat])

    assert best is not None and best.duplicate_of is None


def test_what_was_only_tried_is_not_marked_as_the_best_in_the_table() -> None:
    data = guarded_rows(6)
    rows = tuple(
        replace(row, standing="refused", improved=False) if row.iteration else row
        for row in data.candidates
    )

    shown = table_rows(replace(data, candidates=rows))

    assert [row.title for row in shown if row.kind == "best"] == [shown[0].title] == ["priority"]
    assert {row.standing for row in shown if row.kind == "baseline"} == {"baseline"}


def test_the_verdict_is_that_of_the_test_scenarios() -> None:
    data = guarded_rows(12)

    assert verdict(data).startswith("Better than every baseline on test: variation ")
    assert verdict(data).endswith(" 12 candidates were tried.")


def test_without_a_promotion_the_verdict_and_the_first_tile_name_the_baseline() -> None:
    data = guarded_rows(6)
    rows = tuple(
        replace(row, standing="refused", improved=False) if row.iteration else row
        for row in data.candidates
    )
    data = replace(data, candidates=rows, events=())

    assert verdict(data).startswith("No candidate was significantly better: the baseline priority")
    assert tiles(data)[0].value == "1.30"
    assert tiles(data)[0].label == "best score on validation"
    assert tiles(data)[0].note == (
        "the baseline priority: no candidate was promoted; 1.40 on train"
    )


def test_the_curve_has_a_validation_line_and_tells_standings_apart() -> None:
    data = guarded_rows(21)

    drawn = improvement_curve(data)["data"]

    kind = drawn["attempts"]["columns"].index("kind")
    kinds = {row[kind] for row in drawn["attempts"]["rows"]}
    confirmed = [row for row in data.attempts if row.validation_score is not None]
    assert kinds == {"improved", "refused", "barred", "failed", "tried"}
    assert len(drawn["validated"]["rows"]) == len(confirmed)
    assert drawn["confirmed"]["rows"][0] == [1, 1.302]
    assert drawn["confirmed"]["rows"][-1][0] == len(data.attempts)


def test_a_candidate_tells_its_interval_its_gap_and_its_audit() -> None:
    data = guarded_rows(12)
    assert data.best is not None

    standing, figures, audit = guard_lines(data, data.best)

    assert standing.startswith("promoted: 12.3 % better")
    assert "gain over the previous best +4.1 to +20.7" in figures
    assert "train score above validation score by +1.5" in figures
    assert audit == "audit: the same decisions in every_tick on 2 scenarios"
    assert payload(data)["candidates"]["7/0"]["guards"][0].startswith("barred: ")


def test_the_table_has_validation_and_why_something_was_refused() -> None:
    rows = {row.slot: row for row in table_rows(guarded_rows(12))}

    assert rows["7/0"].standing == "barred"
    assert rows["7/0"].problem == "its train score is 30 % above validation, more than 15 %"
    assert rows["7/0"].validation != "–" and rows["2/0"].validation == "–"


def test_the_table_begins_with_the_best_and_ends_with_the_barred_as_the_leaderboard_does() -> None:
    data = guarded_rows(21)
    barred = sum(row.standing == "barred" for row in data.candidates)

    shown = [row.slot for row in table_rows(data)]
    ranked = leaderboard(data.candidates, top=len(data.candidates))
    repeats = {slot_name(slot_of(row)) for row in data.candidates if row.duplicate_of}

    assert barred and data.best is not None and shown[0] == slot_name(slot_of(data.best))
    place = HEADERS.index("attempt")
    assert [slot for slot in shown if slot not in repeats] == [line[place] for line in ranked]


def test_scenarios_come_in_the_order_in_which_a_search_touches_them() -> None:
    rows = guarded_rows(12, 4).scenarios
    rows = (replace(rows[3], split="test"), *rows[:3])

    assert [row.split for row in in_order(rows)] == ["train", "train", "validation", "test"]


def test_spans_that_overlap_are_in_different_rows_and_rows_are_few() -> None:
    spans = [(0, 4), (1, 2), (2, 5), (3, 4), (4, 6)]

    assert rows_of(spans) == [0, 1, 1, 2, 0]
    assert rows_of([]) == []


def test_the_best_and_the_best_baseline_are_drawn_and_what_is_left_out_is_said() -> None:
    data = guarded_rows(12, spans=900)

    panel = span_panel(data, duel(data, contenders(data)))

    first, second = panel.content["choices"][0]
    note = "the first 300 of 900 containers, started before second 99.67"
    assert [first["title"], second["title"]] == [f"best found: {note}", f"priority: {note}"]
    assert first["until"] == first["known"] == 99.667
    assert first["lanes"] == ["pool 0", "pool 1"]
    assert len(first["spans"] + second["spans"]) == 600
    assert panel.content["classes"][:3] == ["query", "interactive", "batch"]
    assert {bar[4] for bar in first["spans"]} == {0, 1, 2}
    assert {bar[5] for bar in first["spans"]} == set(range(5))


def test_a_history_without_spans_or_curves_has_no_such_panel() -> None:
    data = guarded_rows(3)
    rows = [
        replace(row, metrics={**row.metrics, "containers": None, "timeline": None})
        if row.metrics
        else row
        for row in data.evaluations
    ]
    data = replace(data, evaluations=tuple(rows))
    pair = duel(data, contenders(data))

    assert span_panel(data, pair).names == time_panel(data, pair).names == ()


def test_curves_are_the_channels_of_the_domain_and_kills_are_added_up() -> None:
    data = guarded_rows(12)

    choice = time_panel(data, duel(data, contenders(data))).content["choices"][0]

    assert data.spec.timeline is not None
    channels = [channel for channel in data.spec.timeline.channels if channel.drawn]
    assert [chart["of"] for chart in choice] == list(range(len(channels)))
    assert [chart["capacity"] for chart in choice] == [64.0, 256.0, None, None, None, None]
    assert choice[1]["title"] == "memory allocated, GB, of 256"
    place, seconds, values = choice[5]["series"][0]
    assert (place, seconds, sum(values)) == (0, 2.0, 6)


def test_every_objective_says_what_its_scores_are() -> None:
    data = guarded_rows(3)
    names = [objective.name for objective in data.spec.objectives]

    words = {
        name: measure(replace(data, experiment=replace(data.experiment, objective=name)))
        for name in names
    }

    assert words["weighted_latency"] == (
        "Weighted latency of naive divided by that of the policy; higher is better. An unfinished "
        "pipeline counts with the whole duration, so dropping work does not help."
    )
    assert words["goodput"] == (
        "Pipelines completed per hour, divided by that of naive; higher is better."
    )
    assert all("higher is better" in each for each in words.values())
