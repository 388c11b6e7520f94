"""Tables on a terminal of 80 columns: names and numbers stay whole, headers are folded first."""

from collections.abc import Callable, Sequence

import pytest

from flows.cli.terminal import print_table

COLUMNS = 80
HEADERS = ("scenario", "outcome", "score", "delay and memory per invocation", "cold starts", "p99")
Printed = Callable[..., str]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Printed:
    """Prints a table on a terminal of 80 columns and returns what is seen."""

    def table(
        headers: Sequence[str], rows: Sequence[Sequence[str]], expendable: Sequence[str] = ()
    ) -> str:
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        monkeypatch.setenv("COLUMNS", str(COLUMNS))
        monkeypatch.setenv("TERM", "dumb")  # no bold, which would be counted
        print_table("mine", headers, rows, expendable)
        shown = capsys.readouterr().out
        assert max(map(len, shown.splitlines())) <= COLUMNS
        return shown

    return table


def test_long_headers_are_folded_before_names_are(printed: Printed) -> None:
    rows = [(f"faas-smoke-heavy-tailed-{k}", "ok", "1.0177", "0.80 s", "0.2", "4 s") for k in "12"]

    shown = printed(HEADERS, rows, ("cold starts", "p99"))

    assert all(cell in shown for row in rows for cell in row)
    assert HEADERS[3] not in shown
    assert all(word in shown for header in HEADERS for word in header.split())


def test_columns_go_where_folded_headers_do_not_suffice(printed: Printed) -> None:
    rows = [("a-scenario-with-a-longer-name-1", "implausible", "1.0", "0.80 s", "0.2", "4 s")]

    shown = printed((*HEADERS[:5], "wide" * 6), rows, ("wide" * 6,))

    assert "widewide" not in shown and all(cell in shown for cell in rows[0][:5])


def test_a_table_that_fits_keeps_its_headers_on_one_line(printed: Printed) -> None:
    assert HEADERS[3] in printed(HEADERS[2:], [("1.0", "0.80 s", "0.2", "4 s")])
