"""``assay view`` in a real browser: live, by keyboard, on a phone, links that can be shared."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flows.history.journal import Journal
from flows.home import experiment_folder, only_one
from flows.names import spoken
from tests.browser.test_report_in_browser import HOSTILE
from tests.support.browser import Browser, draw_all
from tests.support.guarded_rows import guarded_rows
from tests.support.history_rows import candidate, experiment, remember
from tests.support.viewed import remember_many, remember_report, serving

pytestmark = pytest.mark.browser
TAB, ENTER, CONTROL = "\ue004", "\ue007", "\ue009"
TOKEN = "a-token-of-this-test-alone"
LIVE = "//*[contains(@class, 'live') and contains(@class, ' on')]"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some searches, one of them with panels and with text that attacks whoever reads it."""
    folder = tmp_path_factory.mktemp("home")
    remember(folder, [])
    remember_many(folder, 6, 12, 3)
    data = guarded_rows(12, model=True)
    rows = tuple(
        replace(row, title=HOSTILE, source=f"# {HOSTILE}\n{row.source}")
        if row.iteration == 1
        else row
        for row in data.candidates
    )
    remember_report(folder, replace(data, candidates=rows), "made-up", name=HOSTILE)
    return folder


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[str]:
    with serving(home) as (address, _):
        yield address.rstrip("/")


@pytest.fixture
def page(chromium: Browser, server: str) -> Browser:
    chromium.screen(1200)
    chromium.go(f"{server}/")
    return chromium


def until(page: Browser, xpath: str) -> None:
    """Wait until something is in the page, or in the one that takes its place."""
    page.call("timeouts", {"implicit": 120_000})
    page.call("element", {"using": "xpath", "value": xpath})


def test_every_page_keeps_to_itself_and_the_console_is_silent(page: Browser, server: str) -> None:
    pair = "/compare?c=made-up:1/0&c=made-up:2/0"
    for path in ("/", "/experiment/made-up", pair, "/leaderboard", "/failures", "/spend", "/sql"):
        page.go(f"{server}{path}")
        draw_all(page)
        assert page.complaints() == [], path
        assert all(each.startswith((server, "data:")) for each in page.requests()), path
        assert page.run("return window.attacked") is None, path
        for width in (390, 1200):
            page.screen(width, phone=width < 500)
            beyond = page.run("return document.documentElement.scrollWidth - innerWidth")
            assert beyond <= 0, f"{path} is {beyond} pixels wider than {width}"


def test_a_running_search_is_seen_without_loading_the_page_again(page: Browser, home: Path) -> None:
    until(page, LIVE)

    with Journal(home, "newest") as journal:
        journal.append(experiment(experiment_id="newest", name="newest", created_at="2027-01-01"))
    until(page, "//tbody/tr[1]/th[contains(., 'newest')]")

    page.click('[data-key="newest"] a')
    until(page, "//h1[contains(., 'newest')]")
    until(page, LIVE)
    with Journal(home, "newest") as journal:
        journal.append(candidate(experiment_id="newest", title="came in while the page was open"))
    until(page, "//section[@id='candidates']//tr[contains(@data-title, 'came in while')]")


def test_a_search_that_is_killed_is_shown_as_stopped_without_loading_the_page_again(
    page: Browser, home: Path
) -> None:
    state = "//tr[@data-key='search-4']//*[contains(@class, 'chip') and . = '{}']"
    until(page, LIVE)

    with only_one(experiment_folder(home, "search-4"), "busy", "search"):
        until(page, state.format("running"))
        page.click('[data-key="search-4"] a')
        until(page, LIVE)
        until(page, "//*[contains(text(), 'The search is running.')]")
        page.run("window.same = true")
    until(page, "//*[contains(text(), 'was killed and can be continued')]")
    assert page.run("return window.same") is True
    page.call("back", {})
    until(page, state.format("stopped"))


def test_what_a_report_shows_is_in_its_address(page: Browser, server: str) -> None:
    page.go(f"{server}/experiment/made-up")
    page.type("#filter", "variation")
    page.click('#table [data-sort="1"]')
    page.click('#table [data-open="3/0"]')
    shown = page.texts("#table tr.candidate td:first-child")
    address = page.run("return location.href")

    page.go("about:blank")
    page.go(address)

    assert page.texts("#table tr.candidate td:first-child") == shown
    assert len(page.texts("#table tr.detail")) == 1


def test_a_live_report_keeps_what_a_person_opened(page: Browser, home: Path, server: str) -> None:
    page.go(f"{server}/experiment/made-up")
    until(page, LIVE)
    draw_all(page)
    page.click('#table [data-open="2/0"]')
    page.run("window.same = true")
    tried = int(page.texts(".tile strong")[1])

    with Journal(home, "made-up") as journal:
        new = candidate(experiment_id="made-up", iteration=13, candidate="new", title="the 13th")
        journal.append(new)
    until(page, f"(//div[@class='tile']/strong)[2][. = '{tried + 1}']")

    assert page.run("return window.same") is True
    assert len(page.texts("#table tr.detail")) == 1
    assert spoken("new") in page.texts('#table [data-slot="13/0"]')[0]
    draw_all(page)
    until(page, "//section[@id='curve']//*[@aria-label='13/0']")
    assert page.complaints() == []


def test_charts_that_are_drawn_anew_leave_nothing_behind(page: Browser, server: str) -> None:
    page.go(f"{server}/experiment/made-up")
    draw_all(page)
    page.devtools("HeapProfiler.collectGarbage", {})
    before = page.devtools("Memory.getDOMCounters", {})

    for _ in range(3):
        page.run(
            "document.querySelectorAll('.chart').forEach((each) => delete each.dataset.drawn);"
            "dispatchEvent(new Event('renewed'))"
        )
        draw_all(page)

    page.devtools("HeapProfiler.collectGarbage", {})
    after = page.devtools("Memory.getDOMCounters", {})
    assert after["jsEventListeners"] <= before["jsEventListeners"]
    assert after["nodes"] < 1.2 * before["nodes"]


def test_a_person_gets_about_by_keyboard(page: Browser, server: str) -> None:
    page.type("body", TAB)
    assert page.run("return document.activeElement.className") == "skip"
    page.type("body", "/")
    page.type('input[type="search"]', f"night 3{ENTER}")
    until(page, "//input[@value='night 3']")
    assert len(page.texts("tbody tr")) == 1

    page.go(f"{server}/sql")
    page.type("textarea", f"SELECT 6 * 7 AS answer{CONTROL}{ENTER}")
    until(page, "//td[. = '42']")
    assert "q=SELECT" in page.run("return location.search")


def test_two_candidates_are_chosen_on_a_leaderboard(page: Browser, server: str) -> None:
    page.go(f"{server}/leaderboard")
    for row in (1, 2):
        page.click(f"#board tbody tr:nth-child({row}) input")
    assert page.run("return document.querySelectorAll('#board tbody input:disabled').length") > 0
    page.click("#board .sticky button")
    until(page, "//section[@id='source']")
    assert page.complaints() == []


def test_the_token_is_typed_once_and_leads_to_what_was_asked_for(
    chromium: Browser, tmp_path: Path
) -> None:
    with serving(tmp_path, ASSAY_VIEW_TOKEN=TOKEN) as (address, _):
        chromium.go(f"{address}sql?q=SELECT+6+*+7")
        chromium.type("#door [name=token]", f"wrong{ENTER}")
        until(chromium, "//p[contains(., 'not the token')]")
        chromium.type("#door [name=token]", f"{TOKEN}{ENTER}")
        until(chromium, "//td[. = '42']")

        assert TOKEN not in chromium.run("return location.href + document.cookie")
        chromium.go(f"{address}leaderboard")
        assert chromium.texts("h1") == ["Leaderboard"]
