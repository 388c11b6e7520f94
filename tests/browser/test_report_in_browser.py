"""The report in a real browser: clicked, sorted and filtered, in the light, dark and small."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.names import name_of
from flows.report.data import ReportData
from flows.report.page import build_view, render
from tests.support.browser import Browser, draw_all, point_at
from tests.support.guarded_rows import guarded_rows

pytestmark = pytest.mark.browser

HOSTILE = (
    "</script><script>window.attacked = 1</script><img src=x onerror='window.attacked = 1'>"
    "\"'><svg onload=window.attacked=1> \u202etxt.exe \x00\x1b[31m {{ 7*7 }}"
)
CANDIDATES = "#table tr.candidate:not([hidden])"


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
    rows = tuple(attacked if row is data.attempts[0] else row for row in data.candidates)
    rows = tuple(replace(row, title=HOSTILE) if row is data.baselines[1] else row for row in rows)
    data = renamed(data, "scenario-0", HOSTILE)
    prints = tuple(
        replace(row, prints=HOSTILE) if row.iteration == 1 else row for row in data.evaluations
    )
    path = tmp_path_factory.mktemp("report") / "report.html"
    view = build_view(replace(data, candidates=rows, calls=calls, evaluations=prints))
    path.write_text(render(view), encoding="utf-8")
    return path


def renamed(data: ReportData, old: str, new: str) -> ReportData:
    """The same search with another name for a scenario."""

    def changed(row: Any) -> Any:
        return replace(row, scenario=new) if row.scenario == old else row

    return replace(
        data,
        scenarios=tuple(map(changed, data.scenarios)),
        evaluations=tuple(map(changed, data.evaluations)),
    )


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
    draw_all(page)

    assert page.complaints() == []
    assert page.requests() == [report.as_uri()]


def test_curves_of_nothing_lie_at_the_bottom_and_large_scores_make_no_complaint(
    chromium: Browser, tmp_path: Path
) -> None:
    data = guarded_rows(6)
    idle = tuple(
        replace(
            row,
            metrics={
                **row.metrics,
                "timeline": {**row.metrics["timeline"], "queued_query": [0, 0]},
            },
        )
        if row.metrics
        else row
        for row in data.evaluations
    )
    better = tuple(
        replace(row, score=row.score * 40) if row.iteration and row.score else row
        for row in data.candidates
    )
    path = tmp_path / "report.html"
    path.write_text(render(build_view(replace(data, candidates=better, evaluations=idle))))
    chromium.screen(1200)
    chromium.open(path)
    draw_all(chromium)

    bottoms = (
        "return [...document.querySelectorAll('#channels .chart')[2]"
        ".querySelectorAll(arguments[0])].map((e) => e.getBoundingClientRect().bottom)"
    )
    curves, axes = (
        chromium.run(bottoms, each) for each in (".mark-line path", ".role-axis-domain line")
    )
    assert "query" in chromium.texts("#channels figcaption")[2]
    assert len(curves) == 2
    assert min(curves) >= max(axes) - 2
    assert chromium.complaints() == []


def test_numbers_are_in_view_on_a_phone_beside_what_they_are_about(page: Browser) -> None:
    page.screen(390, phone=True)

    for section in ("scores", "figures"):
        cells = f"#{section} tbody tr:first-child > :is(th, td)"
        right = page.run(
            "return [...document.querySelectorAll(arguments[0])].filter((e) => e.checkVisibility())"
            ".map((e) => e.getBoundingClientRect().right)",
            cells,
        )
        assert sum(edge < 390 for edge in right) >= 3, f"{section}: what it is about, two numbers"


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
    page.click('#table [data-sort="2"]')
    down = [float(words) for words in page.texts(f"{CANDIDATES} td:nth-child(3)")]
    page.click('#table [data-sort="2"]')
    up = [float(words) for words in page.texts(f"{CANDIDATES} td:nth-child(3)")]

    assert begins == first
    assert down == sorted(down, reverse=True)
    assert up == down[::-1]


def test_a_filter_leaves_what_has_all_its_words(page: Browser) -> None:
    [row] = [each for each in guarded_rows(12).attempts if each.iteration == 10]
    page.type("#filter", f"{name_of(row)} variation")
    filtered = first_column(page)
    page.choose("#outcome", "policy_error")

    assert filtered == ["10/0"]
    assert first_column(page) == ["10/0"]
    assert page.texts("#shown") == ["1 of 14"]


def test_a_click_in_a_drawing_leads_to_the_candidate_even_when_it_is_filtered_away(
    page: Browser,
) -> None:
    page.type("#filter", "no such thing")
    draw_all(page)
    page.click('#curve .mark-symbol [aria-label="4/0"]')

    assert len(page.texts("#table tr.detail")) == 1
    assert page.texts("#shown") == ["14 of 14"]


def test_charts_are_drawn_when_they_come_into_view(page: Browser) -> None:
    drawn = "return document.querySelectorAll('#spans .chart[data-drawn]').length"
    before = page.run(drawn)
    draw_all(page)

    assert (before, page.run(drawn)) == (0, 2)


def test_another_scenario_shows_other_spans(page: Browser) -> None:
    drawn = (
        "return [...document.querySelectorAll('#spans .mark-rect path[aria-label*=outcome]')]"
        ".map((e) => e.ariaLabel)"
    )
    draw_all(page)
    before = page.run(drawn)
    page.choose('[data-panel="spans"]', "scenario-2")
    draw_all(page)
    after = page.run(drawn)

    assert (len(before), len(after)) == (2 * 60, 2 * 60)
    assert before != after
    assert all("cpus: " in words and "memory, GB: " in words for words in after)


def test_another_scenario_shows_other_curves(page: Browser) -> None:
    curve = "return document.querySelector('#channels .mark-line path').getAttribute('d')"
    draw_all(page)
    before = page.run(curve)
    page.choose('[data-panel="channels"]', "scenario-1")
    draw_all(page)

    assert page.run(curve) != before
    assert page.texts("#channels figcaption")[0] == "CPUs allocated, of 64"


def test_the_wheel_with_ctrl_zooms_all_curves_and_a_double_click_shows_everything_again(
    page: Browser,
) -> None:
    ticks = (
        "return [...document.querySelectorAll('#channels .chart')].map((e) =>"
        " [...e.querySelectorAll('.role-axis-label text')].map((t) => t.textContent)"
        ".filter((words) => words.endsWith(' s')).sort().join())"
    )
    draw_all(page)
    before = page.run(ticks)
    page.run(
        "const mark = document.querySelector('#channels .mark-symbol path');"
        "const place = mark.getBoundingClientRect();"
        "mark.dispatchEvent(new WheelEvent('wheel', {bubbles: true, cancelable: true,"
        "ctrlKey: true, clientX: place.x, clientY: place.y, deltaY: -900}))"
    )
    settle(page)
    zoomed = page.run(ticks)
    page.run(
        "document.querySelector('#channels .mark-symbol path')"
        ".dispatchEvent(new MouseEvent('dblclick', {bubbles: true}))"
    )
    settle(page)

    assert len(set(before)) == 1 and len(set(zoomed)) == 1
    assert zoomed[0] != before[0]
    assert page.run(ticks) == before


def settle(page: Browser) -> None:
    """Wait until Vega has drawn what it was asked to draw."""
    script = (
        "const done = arguments[0]; let left = 5;"
        "const next = () => (left-- ? requestAnimationFrame(next) : done(true)); next()"
    )
    assert page.call("execute/async", {"script": script, "args": []})


def test_pointing_at_a_mark_shows_hostile_names_as_text(page: Browser) -> None:
    draw_all(page)

    attempt = point_at(page, '#curve .mark-symbol [aria-label="1/0"]')
    bar = point_at(page, "#classes .mark-rect path:nth-of-type(3)")
    span = point_at(page, "#spans .mark-rect path[aria-label*=outcome]")

    assert "<script>window.attacked = 1</script>" in attempt and "⟨U+202E⟩" in attempt
    assert "</script><script>" in bar and "p95" in bar
    assert "memory, GB" in span and "outcome" in span
    assert page.run(
        "return [window.attacked, document.querySelectorAll('img, #tip *').length > 0]"
    ) == [
        None,
        True,
    ]
    assert page.run("return document.querySelectorAll('img').length") == 0
    assert page.complaints() == []


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


def test_hostile_words_of_a_domain_are_drawn_as_text(chromium: Browser, tmp_path: Path) -> None:
    data = guarded_rows(6)
    words = HOSTILE.partition(" \u202e")[0]
    spec: Any = json.loads(json.dumps(data.experiment.domain_spec))
    spec["classes"]["unit"] = spec["timeline"]["channels"][0]["unit"] = words
    spec["timeline"]["channels"][1]["label"] = spec["objectives"][0]["label"] = words
    spec["spans"]["lane_label"] = spec["metrics"][0]["label"] = spec["classes"]["label"] = words
    spec["spans"]["outcomes"][0] = spec["objectives"][0]["note"] = words
    path = tmp_path / "report.html"
    experiment = replace(data.experiment, domain_spec=spec)
    path.write_text(render(build_view(replace(data, experiment=experiment))))
    chromium.screen(1200)
    chromium.open(path)
    draw_all(chromium)

    told = point_at(chromium, "#channels .chart .mark-symbol path")

    assert "<script>window.attacked = 1</script>" in told
    assert "<script>window.attacked = 1</script>" in chromium.texts("#channels figcaption")[1]
    assert chromium.run("return window.attacked") is None
    assert chromium.run("return document.querySelectorAll('img').length") == 0
    assert chromium.complaints() == []


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
    draw_all(page)
    page.click('#table [data-open="2/0"]')

    assert page.run("return document.documentElement.scrollWidth") <= width


def test_on_paper_nothing_is_cut_off_that_a_screen_would_scroll(page: Browser) -> None:
    page.screen(720)
    draw_all(page)
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

    assert any(_seconds_to_open(chromium, path) < 2.0 for _ in range(3))
    assert chromium.run("return document.querySelectorAll(arguments[0]).length", CANDIDATES) == 202
    assert path.stat().st_size < 5_000_000


def _seconds_to_open(chromium: Browser, path: Path) -> float:
    """How long the page was worked on until its own work was done, as if nobody else had worked.

    The rest of what the clock shows is the wait of a busy machine: nothing is fetched.
    """
    chromium.devtools("Performance.enable", {})
    chromium.open(path)
    assert chromium.run("return performance.getEntriesByType('navigation')[0].loadEventEnd") > 0
    metrics = chromium.devtools("Performance.getMetrics", {})["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "ThreadTime"))
