"""The report in a real browser: clicked, sorted and filtered, in the light, dark and small."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flows.report.page import build_view, render
from tests.support.browser import Browser, browser
from tests.support.guarded_rows import guarded_rows

pytestmark = pytest.mark.browser

HOSTILE = (
    "</script><script>window.attacked = 1</script><img src=x onerror='window.attacked = 1'>"
    "\"'><svg onload=window.attacked=1> \u202etxt.exe \x00\x1b[31m {{ 7*7 }}"
)
CANDIDATES = "#table tr.candidate:not([hidden])"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search with a model, with guards, and with text that attacks whoever reads it."""
    data = guarded_rows(12, model=True)
    attacked = replace(
        data.attempts[0],
        title=HOSTILE,
        source=f"# {HOSTILE}\n{data.attempts[0].source}",
        standing_detail=HOSTILE,
    )
    calls = (replace(data.calls[0], reply=HOSTILE), *data.calls[1:])
    prints = tuple(
        replace(row, prints=HOSTILE) if row.iteration == 1 else row for row in data.evaluations
    )
    rows = tuple(attacked if row is data.attempts[0] else row for row in data.candidates)
    path = tmp_path_factory.mktemp("report") / "report.html"
    view = build_view(replace(data, candidates=rows, calls=calls, evaluations=prints))
    path.write_text(render(view), encoding="utf-8")
    return path


@pytest.fixture
def page(chromium: Browser, report: Path) -> Browser:
    """The report, opened anew on a large and light screen."""
    chromium.screen(1200)
    chromium.open(report)
    return chromium


def first_column(page: Browser) -> list[str]:
    return page.texts(f"{CANDIDATES} td:first-child")


def test_the_page_asks_for_nothing_and_the_console_is_silent(page: Browser, report: Path) -> None:
    page.click('#table [data-open="1/0"]')

    assert page.complaints() == []
    assert page.requests() == [report.as_uri()]


def test_a_click_opens_a_candidate_and_another_closes_it(page: Browser) -> None:
    page.click('#table [data-open="2/0"]')
    opened = page.texts("#table tr.detail summary")
    page.click('#table [data-open="2/0"]')

    assert [words.partition(",")[0] for words in opened[-3:]] == [
        "Prompt",
        "Prompt",
        "Reply: a-model",
    ]
    assert {"Source"} & set(opened)
    assert page.texts("#table tr.detail") == []


def test_an_opened_candidate_tells_what_the_guards_found(page: Browser) -> None:
    page.choose("#standing", "barred")
    page.click(f"{CANDIDATES} [data-open]")

    [detail] = page.texts("#table tr.detail .inside")
    assert "barred: its train score is 30 % above validation" in detail
    assert "validation score" in detail


def test_a_column_sorts_up_and_then_down(page: Browser) -> None:
    page.click('#table [data-sort="0"]')
    up = first_column(page)
    page.click('#table [data-sort="0"]')

    assert up == ["0/0", "0/1", *(f"{number}/0" for number in range(1, 13))]
    assert first_column(page) == up[::-1]
    assert page.texts('#table th[aria-sort="descending"]') == ["attempt"]


def test_the_table_begins_with_the_best_and_sorts_numbers_from_the_largest(page: Browser) -> None:
    first = page.texts(f"{CANDIDATES}.best td:first-child")
    begins = first_column(page)[:1]
    page.click('#table [data-sort="1"]')
    down = [float(words) for words in page.texts(f"{CANDIDATES} td:nth-child(2)")]
    page.click('#table [data-sort="1"]')
    up = [float(words) for words in page.texts(f"{CANDIDATES} td:nth-child(2)")]

    assert begins == first
    assert down == sorted(down, reverse=True)
    assert up == down[::-1]


def test_a_filter_leaves_what_has_all_its_words(page: Browser) -> None:
    page.type("#filter", "variation 10")
    filtered = first_column(page)
    page.choose("#outcome", "policy_error")

    assert filtered == ["10/0"]
    assert first_column(page) == ["10/0"]
    assert page.texts("#shown") == ["1 of 14"]


def test_a_click_in_a_drawing_leads_to_the_candidate_even_when_it_is_filtered_away(
    page: Browser,
) -> None:
    page.type("#filter", "no such thing")
    page.click('#curve [data-open="4/0"] .hit')

    assert len(page.texts("#table tr.detail")) == 1
    assert page.texts("#shown") == ["14 of 14"]


def test_another_scenario_shows_other_containers(page: Browser) -> None:
    drawn = (
        "return [...document.querySelectorAll('#gantt rect.span title')].map((e) => e.textContent)"
    )
    before = page.run(drawn)
    page.choose("#gantt-choice", "scenario-2")
    after = page.run(drawn)

    assert (len(before), len(after)) == (2 * 60, 2 * 60)
    assert before != after
    assert all(" CPU, " in words and " GB, " in words for words in after)


def test_another_scenario_shows_other_timelines(page: Browser) -> None:
    page.choose('[data-panels="timeline"]', "scenario-1")

    shown = page.run(
        "return [...document.querySelectorAll('[data-panel^=timeline]')].map((e) => e.hidden)"
    )
    assert shown == [True, False, True]


def test_hostile_text_is_shown_and_does_nothing(page: Browser) -> None:
    page.click('#table [data-open="1/0"]')
    for place in range(page.run("return document.querySelectorAll('.detail details').length")):
        page.run(f"document.querySelectorAll('.detail details')[{place}].open = true")

    assert page.run("return window.attacked") is None
    assert page.run("return document.querySelectorAll('img').length") == 0
    detail = page.texts("#table tr.detail .inside")[0]
    assert detail.count("<script>window.attacked = 1</script>") >= 4
    assert "⟨U+202E⟩" in detail and "\u202e" not in detail
    assert page.complaints() == []


def test_dark_is_dark_and_light_is_light(page: Browser) -> None:
    def brightness() -> int:
        colour = page.run("return getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in colour[4:-1].split(","))

    light = brightness()
    page.screen(1200, dark=True)

    assert light > 3 * 220
    assert brightness() < 3 * 50


@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_never_scrolls_sideways(page: Browser, width: int) -> None:
    page.screen(width, phone=width < 500)
    page.click('#table [data-open="2/0"]')

    assert page.run("return document.documentElement.scrollWidth") <= width


def test_on_paper_nothing_is_cut_off_that_a_screen_would_scroll(page: Browser) -> None:
    page.screen(720)
    page.devtools("Emulation.setEmulatedMedia", {"media": "print", "features": []})

    hidden = page.run(
        "return [...document.querySelectorAll('.scroll')]"
        ".filter((e) => e.scrollWidth > 721 || getComputedStyle(e).overflowX !== 'visible')"
        ".map((e) => `${e.closest('section').id} ${e.scrollWidth}`)"
    )
    page.devtools("Emulation.setEmulatedMedia", {"media": "", "features": []})

    assert hidden == []


def test_two_hundred_candidates_open_in_two_seconds(chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "large.html"
    data = guarded_rows(200, 12, model=True, lines=120, spans=900)
    path.write_text(render(build_view(data)), encoding="utf-8")

    least = min(_seconds_to_open(chromium, path) for _ in range(3))

    assert chromium.run("return document.querySelectorAll(arguments[0]).length", CANDIDATES) == 202
    assert path.stat().st_size < 5_000_000
    assert least < 2.0


def _seconds_to_open(chromium: Browser, path: Path) -> float:
    """How long the page was worked on until its own work was done, as if nobody else had worked.

    The rest of what the clock shows is the wait of a busy machine: nothing is fetched.
    """
    chromium.devtools("Performance.enable", {})
    chromium.open(path)
    assert chromium.run("return performance.getEntriesByType('navigation')[0].loadEventEnd") > 0
    metrics = chromium.devtools("Performance.getMetrics", {})["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "ThreadTime"))
