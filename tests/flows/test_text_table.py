"""An answer on a screen: its texts are cut before columns are left out, and both only if needed."""

import pytest

from flows.history.export import text_table
from flows.history.store import Table


def table(rows: int = 1, **columns: tuple[str, object]) -> Table:
    kinds, values = zip(*columns.values(), strict=True)
    return Table(columns=tuple(columns), types=kinds, rows=(values,) * rows)


WIDE = table(name=("VARCHAR", "x" * 50), size=("BIGINT", 12345678), last=("VARCHAR", "end"))


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

    text, count = text_table(table(huge=("HUGEINT", digits), word=("VARCHAR", "w")), 20)

    assert count == 1
    assert text.split("\n")[2] == str(digits)[:38]


def test_a_statement_without_rows_says_that_it_is_done() -> None:
    assert text_table(Table(columns=(), types=(), rows=()), 80) == (
        "(done: the statement gives no rows)",
        0,
    )


def test_wide_letters_take_two_places() -> None:
    text, _ = text_table(table(a=("VARCHAR", "策略"), b=("VARCHAR", "x")), 80)

    assert text.split("\n") == ["a     b", "----  -", "策略  x", "(1 row)"]
