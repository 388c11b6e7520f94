"""Results as text, JSON, CSV and Parquet, for people and for other programs."""

import csv
import hashlib
import io
import json
from pathlib import Path

import duckdb
import pytest

from flows import assay_version
from flows.history.export import ExportError, export_parquet, records, render_table, text_table
from flows.history.ingest import SCHEMA_VERSION
from flows.history.store import QueryError, Table, copy_to_parquet, query
from tests.support.history_rows import candidate, one_of_each, remember


def table(**columns: tuple[str, object]) -> Table:
    names = tuple(columns)
    types = tuple(sql_type for sql_type, _ in columns.values())
    return Table(columns=names, types=types, rows=(tuple(value for _, value in columns.values()),))


def test_text_lines_up_and_counts_rows(tmp_path: Path) -> None:
    remember(tmp_path, [candidate(title="a", score=2.5), candidate(slot=1, title="longer")])

    text = render_table(query(tmp_path, "SELECT title, score, problem FROM leaderboard"), "table")

    assert text == (
        "title   score  problem\n"
        "------  -----  -------\n"
        "a         2.5  -\n"
        "longer      1  -\n"
        "(2 rows)"
    )


def test_text_cannot_move_the_cursor_or_turn_the_writing() -> None:
    text = render_table(table(prints=("VARCHAR", "a\x1b[2Jb\n\u202ec\x00")), "table")

    assert text.splitlines()[2] == "a�[2Jb �c�"


def test_long_values_are_cut_in_text_only() -> None:
    wide = table(source=("VARCHAR", "x" * 500))

    assert render_table(wide, "table").splitlines()[2] == "x" * 59 + "…"
    assert "x" * 500 in render_table(wide, "csv")


def test_json_is_a_list_of_objects_with_nested_values_decoded() -> None:
    row = table(
        n=("BIGINT", 1),
        config=("JSON", '{"a": [1, null]}'),
        parents=("VARCHAR[]", ["p", "q"]),
        score=("DOUBLE", float("nan")),
        none=("JSON", None),
    )

    assert json.loads(render_table(row, "json")) == [
        {"n": 1, "config": {"a": [1, None]}, "parents": ["p", "q"], "score": None, "none": None}
    ]


def test_every_type_of_duckdb_can_be_written_as_json(tmp_path: Path) -> None:
    sql = (
        "SELECT 1.5::DECIMAL(4,1) d, DATE '2026-03-01' y, TIME '01:02:03' t, INTERVAL 90 SECOND i, "
        "'\\xAA'::BLOB b, {'a': [1]} s, MAP {'k': 2} m, uuid() u, now() n, 2::HUGEINT h, "
        "TIMESTAMP '2026-03-01 20:00:00' at_"
    )

    (row,) = json.loads(render_table(query(tmp_path, sql), "json"))

    assert (row["d"], row["y"], row["t"], row["i"]) == (1.5, "2026-03-01", "01:02:03", 90.0)
    assert (row["b"], row["s"], row["m"], row["h"]) == ("aa", {"a": [1]}, {"k": 2}, 2)
    assert row["at_"] == "2026-03-01T20:00:00"


def test_columns_of_the_same_name_are_all_kept(tmp_path: Path) -> None:
    assert records(query(tmp_path, "SELECT 1 AS x, 2 AS x")) == [{"x": 1, "x_1": 2}]


def test_csv_can_be_read_back() -> None:
    row = table(text=("VARCHAR", 'a,"b"\nc'), parents=("VARCHAR[]", ["p"]), none=("DOUBLE", None))

    parsed = list(csv.reader(io.StringIO(render_table(row, "csv"))))

    assert parsed == [["text", "parents", "none"], ['a,"b"\nc', '["p"]', ""]]


def test_a_result_without_rows_is_an_empty_list(tmp_path: Path) -> None:
    found = query(tmp_path, "FROM leaderboard")

    assert render_table(found, "json") == "[]"
    assert render_table(found, "table").endswith("(0 rows)")
    assert render_table(found, "csv").count("\n") == 1


def test_an_export_holds_every_table_and_a_manifest_that_fits(tmp_path: Path) -> None:
    remember(tmp_path / "home", one_of_each())

    manifest = export_parquet(tmp_path / "home", tmp_path / "out's").manifest

    facts = json.loads(manifest.read_text())
    assert facts["assay_version"] == assay_version()
    assert facts["schema"] == SCHEMA_VERSION
    entries = facts["tables"]
    assert len(entries) == 8
    for entry in entries:
        path = manifest.parent / entry["file"]
        assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert entry["size_bytes"] == path.stat().st_size
        assert entry["rows"] == len(duckdb.read_parquet(str(path)).fetchall()) == 1
    assert {path.suffix for path in manifest.parent.iterdir()} == {".parquet", ".json"}


def test_one_result_can_be_kept_as_parquet(tmp_path: Path) -> None:
    remember(tmp_path, [candidate(score=2.5)])
    path = tmp_path / "result.parquet"

    copied = copy_to_parquet(tmp_path, "SELECT score FROM leaderboard; -- the best", path)

    assert copied.rows == {path: 1}
    assert duckdb.read_parquet(str(path)).fetchall() == [(2.5,)]


def test_what_gives_no_single_result_is_not_kept_as_parquet(tmp_path: Path) -> None:
    remember(tmp_path, [candidate()])

    for sql in ("SELECT 1; SELECT 2", "SET threads = 1", "DELETE FROM candidates", "SELEC", ""):
        with pytest.raises(QueryError):
            copy_to_parquet(tmp_path, sql, tmp_path / "result.parquet")
        assert not (tmp_path / "result.parquet").exists(), sql


def test_a_folder_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ExportError, match="cannot write to"):
        export_parquet(tmp_path / "home", tmp_path / "file" / "out")


def answer(rows: int = 1, **columns: tuple[str, object]) -> Table:
    kinds, values = zip(*columns.values(), strict=True)
    return Table(columns=tuple(columns), types=kinds, rows=(values,) * rows)


WIDE = answer(name=("VARCHAR", "x" * 50), size=("BIGINT", 12345678), last=("VARCHAR", "end"))


@pytest.mark.parametrize(
    ("room", "lines"),
    [
        (None, [f"{'name':50}      size  last", "", f"{'x' * 50}  12345678  end", "(1 row)"]),
        (66, [f"{'name':50}      size  last", "", f"{'x' * 50}  12345678  end", "(1 row)"]),
        (65, [f"{'name':32}      size  last", "", f"{'x' * 31}…  12345678  end", "(1 row)"]),
        (47, [f"{'name':32}      size", "", f"{'x' * 31}…  12345678", "(1 row)"]),
        (5, ["name", "", f"{'x' * 31}…", "(1 row)"]),
    ],
)
def test_the_room_decides_what_is_shown(room: int | None, lines: list[str]) -> None:
    text, count = text_table(WIDE, room)

    shown = text.split("\n")
    assert [line for place, line in enumerate(shown) if place != 1] == [
        line for line in lines if line
    ]
    assert count == len(shown[1].split())
    assert len(shown[1]) <= (room or 1000) or count == 1


def test_a_number_is_never_cut() -> None:
    digits = 10**38 - 1

    text, count = text_table(answer(huge=("HUGEINT", digits), word=("VARCHAR", "w")), 20)

    assert count == 1
    assert text.split("\n")[2] == str(digits)[:38]


def test_a_statement_without_rows_says_that_it_is_done() -> None:
    assert text_table(Table(columns=(), types=(), rows=()), 80) == (
        "(done: the statement gives no rows)",
        0,
    )


def test_wide_letters_take_two_places() -> None:
    text, _ = text_table(answer(a=("VARCHAR", "策略"), b=("VARCHAR", "x")), 80)

    assert text.split("\n") == ["a     b", "----  -", "策略  x", "(1 row)"]
