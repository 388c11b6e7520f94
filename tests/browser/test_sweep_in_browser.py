"""The page of a sweep in a real browser: drawn, pointed at, in the dark and on a phone."""

from dataclasses import replace
from pathlib import Path

import pytest

from flows.report.sweep_page import build_sweep, render
from tests.support.browser import Browser, draw_all, point_at
from tests.support.sweep_searches import sweep_searches

pytestmark = pytest.mark.browser

HOSTILE = "</script><script>window.attacked = 1</script><img src=x onerror='window.attacked = 1'>"


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep over three models, of which one has a name that attacks."""
    searches = [replace(each, note=HOSTILE) for each in sweep_searches("cheap", HOSTILE, "strong")]
    path = tmp_path_factory.mktemp("sweep") / "sweep.html"
    path.write_text(render(build_sweep(HOSTILE, searches, HOSTILE)), encoding="utf-8")
    return path


def test_all_curves_are_drawn_with_bands_and_nothing_is_asked_for(
    chromium: Browser, sweep: Path
) -> None:
    chromium.screen(1200)
    chromium.open(sweep)
    draw_all(chromium)

    assert chromium.texts("#curves figcaption") == [
        "over candidates",
        "over dollars",
        "over minutes",
    ]
    count = (
        "return [...document.querySelectorAll('#curves .chart')]"
        ".map((e) => e.querySelectorAll(arguments[0]).length)"
    )
    bands, lines = (chromium.run(count, each) for each in (".mark-area path", ".mark-line path"))
    assert bands == [3, 3, 3]  # of the fourth row one search alone has begun
    assert lines == [4, 4, 4]
    shown = point_at(chromium, "#curves .mark-symbol path")
    assert ", refine" in shown and "score\n1.4" in shown
    assert chromium.run("return window.attacked") is None
    assert chromium.run("return document.querySelectorAll('img').length") == 0
    assert chromium.complaints() == []
    assert chromium.requests() == [sweep.as_uri()]


def test_tables_scroll_by_themselves_on_a_phone_also_in_the_dark(
    chromium: Browser, sweep: Path
) -> None:
    chromium.screen(390, dark=True, phone=True)
    chromium.open(sweep)
    draw_all(chromium)

    wide = (
        "return [document.documentElement.scrollWidth, [...document.querySelectorAll('.scroll')]"
        ".filter((e) => e.scrollWidth > e.clientWidth).length]"
    )
    page, scrolling = chromium.run(wide)
    assert page <= 390 and scrolling >= 3
