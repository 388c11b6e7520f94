"""``assay view``: what its addresses show of the history."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
from starlette.testclient import TestClient

from flows.errors import UserError
from flows.history.records import Row
from flows.home import experiment_folder, hold, lock_path, only_one
from flows.names import name_of
from flows.serving import listening
from flows.view.app import Door, Pages
from tests.flows.test_report_page import HOSTILE, Outline, filled
from tests.support.guarded_rows import guarded_rows
from tests.support.history_rows import candidate, experiment, remember, scenario
from tests.support.viewed import remember_many, remember_report

HERE = "http://127.0.0.1:8766"
Get = Callable[..., str]


def client_of(home: Path, token: str | None = None, only_here: bool = True) -> TestClient:
    pages = Pages(home, lambda error: f"a file about {error!r}")
    app = pages.app(Door(token=token, only_here=only_here, port=8766))
    return TestClient(app, base_url=HERE, follow_redirects=False)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve searches over three suites, by two models and without one."""
    home = tmp_path_factory.mktemp("many")
    remember(home, [])
    remember_many(home, 12, 12, 3)
    return home


@pytest.fixture(scope="module")
def get(many: Path) -> Iterator[Get]:
    with client_of(many) as client:

        def asked(path: str, status: int = 200, **wanted: str) -> str:
            found = client.get(path, params=wanted or None)
            assert found.status_code == status, found.text
            return found.text

        yield asked


def names(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="/experiment/[^"]*">([^<]*)</a>', page)


def test_without_a_history_the_page_says_what_to_type(tmp_path: Path) -> None:
    with client_of(tmp_path / "none") as client:
        for path in ("/", "/leaderboard", "/failures", "/spend", "/compare", "/sql"):
            found = client.get(path)
            assert found.status_code == 200, found.text
        assert "assay demo" in client.get("/").text
    assert not (tmp_path / "none").exists()


def test_the_table_is_filtered_and_sorted_by_its_address(get: Get) -> None:
    assert names(get("/"))[0] == "night 11"
    assert names(get("/", sort="started"))[0] == "night 0"
    assert names(get("/", model="large-model")) == ["night 11", "night 8", "night 5", "night 2"]
    assert names(get("/", words="NIGHT search-10", suite="smoke")) == []
    assert names(get("/", words="night search-1", suite="mixed")) == ["night 10", "night 1"]
    tried = get("/", sort="score", state="interrupted", page="9")
    assert names(tried) == ["night 8", "night 3"] or names(tried) == ["night 3", "night 8"]
    assert "sort=-score" in tried and 'aria-sort="ascending"' in tried
    assert names(get("/", sort="'; drop", page="x", state="no such")) == []


def test_a_search_that_says_it_runs_and_holds_no_lock_was_stopped(many: Path, get: Get) -> None:
    assert names(get("/", state="running")) == []
    with only_one(experiment_folder(many, "search-4"), "busy", "search"):
        assert names(get("/", state="running")) == ["night 4"]
        running = get("/experiment/search-4")
        assert "The search is running." in running and "Continue the search" not in running
    assert names(get("/", state="stopped")) == ["night 9", "night 4"]
    stopped = get("/experiment/search-4")
    assert "was killed and can be continued" in stopped and "Continue the search" in stopped


def test_a_leaderboard_has_each_candidate_once_of_all_experiments_with_the_same_scenarios(
    tmp_path: Path,
) -> None:
    for name, sha256 in (("one", "a1"), ("two", "a1"), ("three", "b2")):
        rows: list[Row] = [
            experiment(experiment_id=name, name=name, status="finished"),
            scenario(experiment_id=name, sha256=sha256),
            candidate(experiment_id=name, candidate="same", title="known to all", score=2.0),
            candidate(
                experiment_id=name, iteration=2, candidate=name, title=f"of {name}", score=3.0
            ),
            candidate(
                experiment_id=name,
                iteration=3,
                candidate=f"barred {name}",
                title=f"barred in {name}",
                score=9.0,
                standing="barred",
            ),
        ]
        remember(tmp_path, rows, name)

    with client_of(tmp_path) as client:
        page = client.get("/leaderboard").text
        boards = re.findall(r'<option value="([0-9a-f]{32})"( selected)?>([^<]*)', page)
        both = next(key for key, _, label in boards if "2 experiments" in label)
        page = client.get("/leaderboard", params={"board": both}).text

    titles = re.findall(r'<td class="words">[^<]*<small class="block">([^<]*)</small>', page)
    assert titles == ["of one", "of two", "known to all", "barred in one", "barred in two"]
    assert len(boards) == 2 and "scenarios of 2026-03-01" in boards[0][2]


def test_failures_and_spend_are_counted_over_time(get: Get) -> None:
    failures = get("/failures")
    assert "24 of 144 candidates failed" in failures
    assert get("/failures", experiment="search-3").count('class="chip failed"') == 1
    spend = get("/spend")
    assert "96 calls" in spend and "price of 4 of them is not known" in spend
    assert "$0.0240 for 12 calls" in get("/spend", experiment="search-1")


def test_a_report_and_two_attempts_of_different_experiments_side_by_side(tmp_path: Path) -> None:
    data = guarded_rows(6)
    remember_report(tmp_path, data, "first", name="first")
    other = replace(
        data,
        candidates=tuple(replace(row, source=f"{row.source}# more\n") for row in data.candidates),
    )
    remember_report(tmp_path, other, "second", name="second")

    with client_of(tmp_path) as client:
        report = client.get("/experiment/first").text
        wanted = [("c", "first:1/0"), ("c", f"second:{name_of(other.attempts[1])}")]
        pair = client.get(f"/compare?{urlencode(wanted)}").text
        swapped = client.get(f"/compare?{urlencode(wanted[::-1])}").text
        alone = client.get("/compare", params={"c": f"{data.attempts[0].candidate}"[:12]}).text
        too_many = client.get(f"/compare?{urlencode([*wanted, ('c', 'x')])}")

    first, second = (name_of(row) for row in (data.attempts[0], other.attempts[1]))
    assert 'id="candidates"' in report and 'value="first:1/0"' in report
    for part in ('id="scores"', 'id="figures"', 'id="panel-channels"', 'id="panel-spans"'):
        assert part in pair, part
    assert "# more" in pair and f"A: {first}" in pair and f"B: {second}" in pair
    assert f"A: {second}" in swapped
    assert "Name two attempts" in alone
    assert too_many.status_code == 400 and "expected two" in too_many.text


def test_of_two_experiments_only_what_both_have_is_compared(tmp_path: Path) -> None:
    data = guarded_rows(3)
    other = replace(
        data, scenarios=(replace(data.scenarios[0], sha256="of other work"), *data.scenarios[1:])
    )
    remember_report(tmp_path, data, "first")
    remember_report(tmp_path, other, "second")
    remember_report(tmp_path, data, "third", objective="another")

    with client_of(tmp_path) as client:
        some = client.get("/compare?c=first:1/0&c=second:2/0").text
        none = client.get("/compare?c=first:1/0&c=third:2/0").text

    assert "2 scenarios are the same in both experiments (3 of A, 3 of B)" in some
    assert "scenario-2 <small>" in some and "scenario-0 <small>" not in some
    assert "no figures of theirs can be compared" in none and 'id="scores"' not in none
    assert 'class="row minus"' in none


def test_a_page_says_that_it_may_be_old_while_another_process_brings_the_history_up_to_date(
    many: Path, get: Get
) -> None:
    with hold(lock_path(many), 0) as held:
        assert held
        for path in ("/", "/sql?q=SELECT+1"):
            assert "the answer may lack the newest rows" in get(path)


def test_a_port_that_is_taken_is_said_in_words() -> None:
    with listening("127.0.0.1", 0) as opened:
        port = opened.getsockname()[1]
        words = f"port {port} of 127.0.0.1 cannot be used (Address already in use): name another"
        with pytest.raises(UserError, match=re.escape(words)):
            listening("127.0.0.1", port)


def test_what_is_not_there_is_said_in_words(get: Get) -> None:
    assert "no experiment &#39;nobody&#39;" in get("/experiment/nobody", 404)
    assert "no attempt &#39;search-1:99/0&#39;" in get(
        "/compare?c=search-1:99/0&c=search-1:1/0", 404
    )
    assert "no page /nothing" in get("/nothing", 404)


def test_sql_is_answered_on_the_page_and_as_csv(many: Path, get: Get) -> None:
    sql = "SELECT name, '=1+1' AS formula, 7 AS n FROM experiments ORDER BY created_at LIMIT 2"

    page = get("/sql", q=sql)
    rows = list(csv.reader(io.StringIO(get("/sql.csv", q=sql))))
    wrong = get("/sql", q="SELECT nothing")

    assert "2 rows" in page and '<td class="cell">night 0</td>' in page
    assert rows == [["name", "formula", "n"], ["night 0", "'=1+1", "7"], ["night 1", "'=1+1", "7"]]
    assert "Not answered" in wrong and "nothing" in wrong


@pytest.mark.slow
def test_text_of_policies_and_models_does_nothing_on_any_page(tmp_path: Path) -> None:
    for number, text in enumerate(HOSTILE):
        data = filled(guarded_rows(3, model=True), text)
        name = f"hostile-{number}"
        remember_report(tmp_path, data, name, name=text, model=text, suite=text, status=text)

    paths = ["/", "/leaderboard", "/failures", "/spend", "/failures?experiment=hostile-0"]
    for number, text in enumerate(HOSTILE):
        shown = text.encode("utf-8", "replace").decode()
        paths += [
            f"/experiment/hostile-{number}",
            f"/compare?c=hostile-{number}:1/0&c=hostile-0:0/1",
            "/?" + urlencode({"words": shown, "state": shown, "sort": shown}),
            "/compare?" + urlencode({"c": shown}),
            "/experiment/" + urlencode({"x": shown})[2:],
        ]
    with client_of(tmp_path) as client:
        for path in paths:
            page = client.get(path).text
            outline = Outline(page)
            scripts = [a for tag, a in outline.elements if tag == "script"]
            assert all((a.get("src") or "/static/").startswith("/static/") for a in scripts), path
            assert len([a for a in scripts if "src" not in a]) == 1, path
            tags = {tag for tag, _ in outline.elements}
            assert not tags & {"img", "iframe", "object", "base", "embed"}, path
            for _, attributes in outline.elements:
                assert not [a for a in attributes if a.startswith("on") or a == "style"], path
                for name in ("href", "src", "action", "formaction"):
                    value = attributes.get(name) or "/"
                    assert value.startswith(("/", "#", "data:,")) and value[:2] != "//", path
            assert "\u202e" not in page and "\x1b" not in page, path
