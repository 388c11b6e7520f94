"""The schema holds every field of every row, says what each column means, and has a number."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

import flows.history.ingest as ingest_module
from flows.history.records import ROW_KINDS, Row, RowKind
from flows.history.store import ingest, query
from simulator.domain import shipped_domains
from tests.support.history_rows import call, candidate, evaluation, experiment, remember, scenario

VIEWS = [
    *"leaderboard improvement_curve failures_by_kind cost_per_improvement lineage".split(),
    "generalisation_gap",
    "hosts",
    "racing",
    *(f"{each.name}_evaluations" for each in shipped_domains()),
]

# With every change of the schema its number goes up, so that an older assay refuses the database
# instead of rebuilding it without what it does not know.
SCHEMAS = {14: "f25ff728847b383025a8cb47553aa1c3dabff280e9730f35189ce435c7ff69f0"}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose history has no row."""
    home = tmp_path_factory.mktemp("home")
    (home / "journal").mkdir()
    ingest(home)
    return home


@pytest.mark.parametrize("kind", ROW_KINDS, ids=lambda kind: kind.table)
def test_a_table_has_the_fields_of_its_row_and_where_it_came_from(
    empty: Path, kind: RowKind
) -> None:
    columns = query(empty, f"SELECT * FROM {kind.table}").columns

    assert sorted(columns) == sorted((*kind.columns, "recorded_at", "recorded_in"))


@pytest.mark.parametrize("kind", ROW_KINDS, ids=lambda kind: kind.table)
def test_the_primary_key_of_a_table_is_the_key_of_its_row(empty: Path, kind: RowKind) -> None:
    sql = (
        "SELECT constraint_column_names FROM duckdb_constraints() "
        "WHERE table_name = ? AND constraint_type = 'PRIMARY KEY'"
    )

    assert query(empty, sql, [kind.table]).rows == ((list(kind.key),),)


def test_every_column_says_what_it_means(empty: Path) -> None:
    sql = (
        "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = 'history' "
        "AND NOT internal AND comment IS NULL"
    )

    assert query(empty, sql).rows == ()


def test_every_table_and_view_says_what_it_holds(empty: Path) -> None:
    sql = (
        "SELECT table_name, comment FROM (FROM duckdb_tables() UNION ALL BY NAME "
        "SELECT *, view_name AS table_name FROM duckdb_views() WHERE NOT internal) "
        "WHERE schema_name = 'main'"
    )

    comments = dict(query(empty, sql).rows)

    assert comments.keys() == {*VIEWS, *(kind.table for kind in ROW_KINDS)}
    assert all(comments.values())


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_an_empty_history_is_empty(empty: Path, view: str) -> None:
    assert query(empty, f"FROM {view}").rows == ()


def test_a_changed_schema_has_a_new_number() -> None:
    schema = Path(ingest_module.__file__).with_name("schema.sql").read_bytes()

    assert SCHEMAS[ingest_module.SCHEMA_VERSION] == hashlib.sha256(schema).hexdigest()


def test_leaderboard_ranks_every_attempt_within_its_experiment(tmp_path: Path) -> None:
    rows: list[Row] = [
        experiment(),
        candidate(iteration=0, slot=0, origin="baseline", title="naive", score=1.0),
        candidate(iteration=0, slot=1, origin="baseline", title="priority", score=1.4),
        candidate(iteration=1, title="better", score=1.6),
        candidate(iteration=2, title="the same", score=1.6),
        candidate(iteration=3, title="no source", score=None, outcome="malformed"),
    ]
    remember(tmp_path, rows)

    found = query(tmp_path, "SELECT rank, title, experiment FROM leaderboard ORDER BY rank").rows

    assert found == (
        (1, "better", "night"),
        (2, "the same", "night"),
        (3, "priority", "night"),
        (4, "naive", "night"),
        (5, "no source", "night"),
    )


def test_a_candidate_is_found_by_its_name_whether_or_not_its_journal_has_it(tmp_path: Path) -> None:
    remember(
        tmp_path,
        [
            candidate(iteration=0, origin="baseline", title="naive"),
            candidate(candidate="a" * 64),
            candidate(iteration=2, candidate="b" * 64, name="odd-brisk-otter", parents=["a" * 64]),
        ],
    )

    names = query(tmp_path, "SELECT name FROM leaderboard ORDER BY iteration").rows
    line = "SELECT ancestor_name FROM lineage WHERE name = 'odd-brisk-otter' ORDER BY depth"

    assert names == (("naive",), ("strong-pigeon",), ("odd-brisk-otter",))
    assert query(tmp_path, line).rows == (("odd-brisk-otter",), ("strong-pigeon",))


def test_leaderboard_starts_anew_for_each_experiment(tmp_path: Path) -> None:
    remember(tmp_path, [candidate(), candidate(slot=1)])
    remember(tmp_path, [candidate(experiment_id="day")], "day")

    found = query(tmp_path, "SELECT experiment_id, rank FROM leaderboard ORDER BY ALL").rows

    assert found == (("day", 1), ("night", 1), ("night", 2))


def test_the_promoted_best_leads_and_the_barred_come_last(tmp_path: Path) -> None:
    rows: list[Row] = [
        candidate(iteration=0, title="naive", score=1.0, improved=True, standing="promoted"),
        candidate(iteration=1, title="best", score=1.4, improved=True, standing="promoted"),
        candidate(iteration=2, title="refused", score=1.8, standing="refused"),
        candidate(iteration=3, title="barred", score=9.0, standing="barred"),
        candidate(iteration=4, title="implausible", score=None, standing="barred"),
    ]
    remember(tmp_path, rows)

    found = query(tmp_path, "SELECT title, is_best FROM leaderboard ORDER BY rank").rows

    assert found == (
        ("best", True),
        ("refused", False),
        ("naive", False),
        ("barred", False),
        ("implausible", False),
    )


def test_leaderboard_has_a_score_for_each_split(tmp_path: Path) -> None:
    rows: list[Row] = [
        candidate(score=2.0, validation_score=1.5, standing="promoted", gap_percent=4.0),
        evaluation(scenario="x1", split="test", score=4.0),
        evaluation(scenario="x2", split="test", score=1.0),
        evaluation(scenario="x1", split="test", score=9.0, attempt=1, purpose="repeat"),
        candidate(iteration=2, score=1.9),
    ]
    remember(tmp_path, rows)

    sql = "SELECT score, validation_score, test_score, gap_percent, standing FROM leaderboard"

    assert query(tmp_path, f"{sql} ORDER BY rank").rows == (
        (2.0, 1.5, pytest.approx(2.0), 4.0, "promoted"),
        (1.9, None, None, None, ""),
    )


def test_improvement_curve_follows_what_was_promoted_and_nothing_else(tmp_path: Path) -> None:
    rows: list[Row] = [
        experiment(),
        candidate(iteration=0, slot=0, origin="baseline", score=1.0, improved=True),
        candidate(iteration=0, slot=1, origin="baseline", score=1.5, improved=False),
        candidate(iteration=1, score=1.2),
        candidate(iteration=2, score=2.0, validation_score=1.7, improved=True),
        candidate(iteration=3, score=99.0, validation_score=1.1, standing="barred"),
        candidate(iteration=4, score=None, outcome="rejected"),
    ]
    remember(tmp_path, rows)

    sql = (
        "SELECT tried, best_so_far, best_validation_so_far, improved, gain FROM improvement_curve "
        "ORDER BY tried"
    )

    assert query(tmp_path, sql).rows == (
        (1, 1.0, None, True, None),
        (2, 1.0, None, False, None),
        (3, 1.0, None, False, None),
        (4, 2.0, 1.7, True, 1.0),
        (5, 2.0, 1.7, False, None),
        (6, 2.0, 1.7, False, None),
    )


def test_failures_are_counted_by_kind_with_the_latest_message(tmp_path: Path) -> None:
    rows: list[Row] = [
        candidate(slot=0),
        candidate(slot=1, outcome="policy_error", problem="first"),
        candidate(iteration=2, outcome="policy_error", problem="second"),
        candidate(iteration=3, outcome="call_timeout"),
    ]
    remember(tmp_path, rows)

    sql = "SELECT outcome, failures, percent_of_attempts, latest_problem FROM failures_by_kind"

    assert query(tmp_path, f"{sql} ORDER BY ALL").rows == (
        ("call_timeout", 1, 25.0, None),
        ("policy_error", 2, 50.0, "second"),
    )


def test_cost_counts_what_was_paid_and_what_it_brought(tmp_path: Path) -> None:
    rows: list[Row] = [
        experiment(model="any"),
        candidate(iteration=0, origin="baseline", score=1.0, improved=True),
        candidate(iteration=1, score=1.1, improved=True, seconds=4.0),
        candidate(iteration=2, score=1.25, improved=True, seconds=6.0),
        call(iteration=1, cost_usd=0.2, cached_tokens=70),
        call(iteration=2, cost_usd=None, outcome="rate_limited", output_tokens=None),
        call(iteration=2, attempt=1, cost_usd=0.3, cached_tokens=30),
        call(iteration=3, cost_usd=9.0, replayed=True),
    ]
    remember(tmp_path, rows)

    sql = (
        "SELECT attempts, improvements, calls, cached_tokens, output_tokens, cost_usd, "
        "usd_per_improvement, usd_per_percent, seconds_per_improvement FROM cost_per_improvement"
    )

    (found,) = query(tmp_path, sql).rows
    assert found == pytest.approx((2, 2, 4, 100, 1500, 0.5, 0.25, 0.02, 5.0))


def test_a_per_cent_is_paid_for_on_scenarios_that_were_held_out(tmp_path: Path) -> None:
    baseline = {"iteration": 0, "origin": "baseline", "score": 1.0, "validation_score": 1.0}
    rows: list[Row] = [
        candidate(**baseline, improved=True),
        candidate(iteration=1, score=2.0, validation_score=1.1, improved=True),
        candidate(iteration=2, score=9.0, validation_score=1.0, standing="barred"),
        call(iteration=1, cost_usd=0.5),
    ]
    remember(tmp_path, rows)

    sql = "SELECT gain_percent, held_out_gain_percent, usd_per_percent FROM cost_per_improvement"

    assert query(tmp_path, sql).rows[0] == pytest.approx((100.0, 10.0, 0.05))


@pytest.mark.parametrize("held_out", [0.9, 1.0])
def test_what_was_not_gained_has_no_price(tmp_path: Path, held_out: float) -> None:
    baseline = {"iteration": 0, "origin": "baseline", "score": 1.0, "validation_score": 1.0}
    rows: list[Row] = [
        candidate(**baseline, improved=True),
        candidate(iteration=1, score=2.0, validation_score=held_out, improved=True),
        call(iteration=1, cost_usd=0.5),
    ]
    remember(tmp_path, rows)

    sql = "SELECT usd_per_improvement, usd_per_percent FROM cost_per_improvement"

    assert query(tmp_path, sql).rows == ((0.5, None),)


def test_a_search_without_a_model_has_no_cost_but_seconds(tmp_path: Path) -> None:
    remember(tmp_path, [candidate(improved=True, score=2.0, seconds=3.0)])

    sql = "SELECT calls, cost_usd, usd_per_percent, seconds FROM cost_per_improvement"

    assert query(tmp_path, sql).rows == ((None, None, None, 3.0),)


def test_lineage_follows_first_parents_and_names_the_others(tmp_path: Path) -> None:
    rows: list[Row] = [
        candidate(iteration=1, candidate="a", title="a"),
        candidate(iteration=1, slot=1, candidate="b", title="b"),
        candidate(iteration=2, candidate="c", title="c", parents=["a", "b"]),
        candidate(iteration=3, candidate="d", title="d", parents=["c"]),
    ]
    remember(tmp_path, rows)

    sql = "SELECT ancestor_title, depth, on_main_line FROM lineage WHERE title = 'd'"

    assert query(tmp_path, f"{sql} ORDER BY depth, ancestor_title").rows == (
        ("d", 0, True),
        ("c", 1, True),
        ("a", 2, True),
        ("b", 2, False),
    )


def test_lineage_ends_although_a_copy_names_itself_as_parent(tmp_path: Path) -> None:
    rows: list[Row] = [
        candidate(iteration=1, candidate="a", parents=["gone"]),
        candidate(iteration=2, candidate="a", parents=["a"]),
        candidate(iteration=3, candidate="b", parents=["a"]),
    ]
    remember(tmp_path, rows)

    sql = "SELECT iteration, ancestor_iteration, depth FROM lineage ORDER BY ALL"

    assert query(tmp_path, sql).rows == (
        (1, 1, 0),
        (2, 1, 1),
        (2, 2, 0),
        (3, 1, 1),
        (3, 3, 0),
    )


def test_generalisation_gap_compares_geometric_means_of_the_splits(tmp_path: Path) -> None:
    rows: list[Row] = [
        candidate(),
        evaluation(scenario="t1", score=4.0),
        evaluation(scenario="t2", score=1.0),
        evaluation(scenario="v1", score=1.6, split="validation"),
        evaluation(scenario="t1", attempt=1, score=100.0),
    ]
    remember(tmp_path, rows)

    sql = "SELECT train_score, validation_score, gap, gap_percent FROM generalisation_gap"

    (found,) = query(tmp_path, sql).rows
    assert found == pytest.approx((2.0, 1.6, 0.4, 25.0))


def test_hosts_counts_what_each_host_tried_and_leaves_out_what_was_refused_before_a_cell(
    tmp_path: Path,
) -> None:
    rows: list[Row] = [
        evaluation(scenario="t1", host="alpha", seconds=1.0),
        evaluation(scenario="t2", host="beta", seconds=2.0, outcome="policy_error"),
        evaluation(iteration=2, host="beta", seconds=4.0),
        evaluation(iteration=3, host=None, engine=None, isolation=None, outcome="rejected"),
    ]
    remember(tmp_path, rows)

    sql = "SELECT host, engine, evaluations, attempts, failures, seconds FROM hosts ORDER BY host"

    assert query(tmp_path, sql).rows == (
        ("alpha", "29.0", 1, 1, 0, 1.0),
        ("beta", "29.0", 2, 2, 1, 6.0),
    )


@pytest.mark.parametrize(("worst", "expected"), [(0.0, 0.0), (None, None)])
def test_a_scenario_without_a_good_score_is_never_left_out(
    tmp_path: Path, worst: float | None, expected: float | None
) -> None:
    rows: list[Row] = [evaluation(scenario="t1", score=4.0), evaluation(scenario="t2", score=worst)]
    remember(tmp_path, rows)

    assert query(tmp_path, "SELECT train_score FROM generalisation_gap").rows == ((expected,),)


def test_the_view_of_a_domain_has_a_typed_column_for_each_of_its_figures(tmp_path: Path) -> None:
    figures = {"pipelines_completed": 14, "latency": {"query": {"p99": 4.5}}}
    rows: list[Row] = [
        experiment(),
        scenario(size={"pipelines": 20, "operators": 40}),
        evaluation(domain="pipelines", cost=12.5, metrics=figures, stats={"throughput": 0.25}),
        evaluation(domain="pipelines", attempt=1, cost=None, metrics=None, stats=None),
        evaluation(domain="another", attempt=2),
    ]
    remember(tmp_path, rows)

    found = query(
        tmp_path,
        "SELECT attempt, weighted_latency_seconds, pipelines, operators, pipelines_completed, "
        "throughput, latency_query_p99 FROM pipelines_evaluations ORDER BY attempt",
    )

    assert found.rows == ((0, 12.5, 20, 40, 14.0, 0.25, 4.5), (1, None, 20, 40, None, None, None))
    assert found.types[1:] == ("DOUBLE", "BIGINT", "BIGINT", "DOUBLE", "DOUBLE", "DOUBLE")


def test_a_domain_that_only_an_experiment_knows_has_a_view_as_well(tmp_path: Path) -> None:
    first = experiment(domain="my-queue")
    spec = first.domain_spec | {"name": "my-queue", "metrics": []}
    metric = {"key": "latency.p50", "label": 'it\'s "quoted"; DROP TABLE evaluations'}
    newer = spec | {"metrics": [metric, metric | {"key": "latency.P50"}]}
    remember(tmp_path, [replace(first, domain_spec=spec)])
    rows: list[Row] = [
        replace(first, experiment_id="other", domain_spec=newer),
        evaluation(experiment_id="other", domain="my-queue", metrics={"latency": {"p50": 4.5}}),
    ]
    remember(tmp_path, rows, "other")

    found = query(tmp_path, "SELECT latency_p50 FROM my_queue_evaluations")

    assert (found.rows, found.types) == (((4.5,),), ("DOUBLE",))


def test_an_experiment_that_says_nothing_of_its_domain_has_its_rows_all_the_same(
    tmp_path: Path,
) -> None:
    remember(tmp_path, [experiment(domain="mine", domain_spec={}), evaluation(domain="mine")])
    remember(tmp_path, [experiment(experiment_id="2", domain="yours")], "2")

    notes = ingest(tmp_path).notes

    assert [note.split(":")[0] for note in notes] == [
        "domain 'mine' has no view of its figures",
        "domain 'yours' has no view of its figures",
    ]
    assert query(tmp_path, "SELECT domain FROM evaluations").rows == (("mine",),)
