"""The report as a page: it stands alone, and no text from a policy or a model acts on it."""

import json
import re
from base64 import b64encode
from collections import Counter
from dataclasses import fields, replace
from functools import cache
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest

from flows.report.data import ReportData
from flows.report.frame import LIBRARIES, VEGA
from flows.report.page import SCRIPTS, build_view, render
from flows.untrusted import for_page
from tests.support.guarded_rows import guarded_rows
from tests.support.report_rows import search_rows

HOSTILE = (
    "</script><script>alert(1)</script>",
    "</style></svg></title></textarea><img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>' onmouseover='alert(1)",
    "<!-- <script> ]]> --!> <![CDATA[",
    "javascript:alert(1) {{ 7*7 }} {% raw %} ${alert(1)} &lt;b&gt;",
    "\u202etxt.exe\u2066 \u200b\ufeff \U000e0041 \x00\x1b[31m\x07\x9b \u2028\u2029 \ud800",
    "`\\u003c/script\\u003e` \\ \\\\ '; alert(1); //",
)
KEPT = {"experiment_id", "candidate", "parents", "prompt_sha256", "created_at", "finished_at"}
KEPT |= {"origin", "kind", "split", "status", "sha256", "duplicate_of"}

LABELS = {"title", "summary", "label", "lane_label"}
TEXTS = {"unit", "brief", "explanation", "note", "system", "outcomes"}


class Outline(HTMLParser):
    """What a browser would make of a page: its elements, their attributes and its text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.contents: dict[str, list[str]] = {}
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        """Note a text under the element that was opened last."""
        self.contents.setdefault(self._inside, []).append(data)


def filled(value: Any, text: str, name: str = "") -> Any:
    """The same rows with ``text`` in the place of every text that is not a key."""
    if name in KEPT:
        return value
    if name == "domain_spec":
        return spoken(value, text)
    match value:
        case str():
            return text
        case dict():
            return {key: filled(item, text) for key, item in value.items()}
        case list() | tuple():
            return type(value)(filled(item, text) for item in value)
        case _ if hasattr(value, "__dataclass_fields__"):
            names = [field.name for field in fields(value)]
            return replace(value, **{n: filled(getattr(value, n), text, n) for n in names})
    return value


def spoken(value: Any, text: str, name: str = "") -> Any:
    """What a domain says, with ``text`` in the place of what people read; names stay names."""
    match value:
        case dict():
            return {key: spoken(item, text, key) for key, item in value.items()}
        case list():
            return [spoken(item, text, name) for item in value]
        case str() if name in LABELS:
            return re.sub("[\x00-\x1f\x7f-\x9f]", "", text)[:120]
        case str() if name in TEXTS:
            return text
    return value


def search_of(text: str) -> ReportData:
    """A search whose every text is ``text``, with findings, prints, errors and replies."""
    data = guarded_rows(6, model=True)
    finding = {"line": 1, "column": 1, "code": "c", "message": "m", "source_line": "s"}
    data = replace(
        data,
        candidates=tuple(replace(row, findings=[finding], problem="p") for row in data.candidates),
        evaluations=tuple(replace(row, prints="p", problem="p") for row in data.evaluations),
        calls=tuple(replace(row, error="e") for row in data.calls),
    )
    return filled(data, text)  # type: ignore[no-any-return]


@cache
def page_full_of(text: str) -> str:
    """The page of a search whose every text is ``text``."""
    return page_of(search_of(text))


def page_of(data: ReportData) -> str:
    """The page of a search."""
    return render(build_view(data))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_changes_neither_elements_nor_attributes(text: str) -> None:
    harmless, attacked = (Outline(page_full_of(words)) for words in ("harmless", text))

    def names(outline: Outline) -> list[tuple[str, ...]]:
        return [(tag, *attributes) for tag, attributes in outline.elements]

    assert names(attacked) == names(harmless)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_hidden_character_reaches_the_page_or_its_data(text: str) -> None:
    page = page_full_of(text)

    assert for_page(page) == page
    assert "alert(1)" not in "".join(Outline(page).contents["style"])
    page.encode("utf-8")


@pytest.mark.parametrize("text", HOSTILE)
def test_the_data_of_the_script_reads_back_what_was_written(text: str) -> None:
    data = json_of(page_full_of(text))

    runs = data["texts"][data["candidates"]["1/0"]["source"]]
    lines = [data["lines"][start : start + size] for start, size in pairs(runs)]
    assert "\n".join(line for part in lines for line in part) == for_page(text)


def test_the_page_loads_nothing() -> None:
    page = page_of(search_rows(6))

    outline = Outline(page)

    urls = [
        value
        for _, attributes in outline.elements
        for name, value in attributes.items()
        if name in {"src", "href", "srcset", "action", "style", "background", "xlink:href"}
    ]
    assert urls == ["data:,"]
    own = [*outline.contents["style"], outline.contents["script"][-1]]
    assert not re.search(r"https?://|@import|url\(", "".join(own))
    assert not {tag for tag, _ in outline.elements} & {"img", "iframe", "object", "embed"}


def test_only_the_style_and_the_scripts_of_the_page_may_run() -> None:
    page = page_of(search_rows(6))

    policy = next(
        attributes["content"] or ""
        for tag, attributes in Outline(page).elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )

    style = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert (len(style), len(scripts)) == (1, len(LIBRARIES) + len(SCRIPTS))
    assert policy == (
        "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"style-src {hash_of(style[0])}; "
        f"script-src {' '.join(hash_of(script) for script in scripts)}; img-src data:"
    )


def test_the_script_puts_text_into_the_page_only_as_text() -> None:
    *_, charts, page = re.findall(r"<script>(.*?)</script>", page_of(search_rows(1)), re.DOTALL)

    for script in (charts, page):
        assert script.lstrip().startswith('"use strict"')
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "fetch(",
        ):
            assert word not in script


@pytest.mark.parametrize("text", HOSTILE[:2])
def test_charts_have_no_text_of_a_policy_in_their_specifications(text: str) -> None:
    rows = search_of(text)
    own = replace(rows.experiment, domain_spec=search_rows(1).experiment.domain_spec)

    data = json_of(page_of(replace(rows, experiment=own)))

    specifications = [
        *(panel["spec"] for panel in data["drawings"].values()),
        *(chart for panel in data["panels"].values() for chart in panel.get("charts", [])),
    ]

    assert len(specifications) == 2 + 1 + 6 + 1
    assert "alert(1)" not in json.dumps(specifications)
    assert "alert(1)" in json.dumps(data["drawings"]["curve"]["data"])


def test_what_draws_the_charts_is_what_was_published_and_has_its_licences() -> None:
    rows = re.findall(r"`([a-z.-]+)` \| [a-z-]+ \| [0-9.]+ \| `([0-9a-f]{64})`", read("README.md"))

    assert [name for name, _ in rows] == list(LIBRARIES)
    for name, digest in rows:
        assert sha256((VEGA / name).read_bytes()).hexdigest() == digest
    assert read("LICENSES.txt").count("University of Washington Interactive Data Lab") >= 4
    assert "Redistributions in binary form must reproduce" in page_of(search_rows(1))


def test_channels_and_time_can_be_zoomed_and_every_mark_says_what_it_is() -> None:
    panels = json_of(page_of(guarded_rows(6)))["panels"]

    for chart in (*panels["channels"]["charts"], *panels["spans"]["charts"]):
        zooms = [each for layer in chart["layer"] for each in layer.get("params", [])]
        assert [each["bind"] for each in zooms] == ["scales"]
        assert any("tooltip" in layer["encoding"] for layer in chart["layer"])
        assert chart["description"]


def test_every_control_opens_a_candidate_that_is_there() -> None:
    page = page_of(search_rows(12))

    wanted = {attributes.get("data-open") for _, attributes in Outline(page).elements} - {None}

    assert wanted == set(json_of(page)["candidates"])


def test_the_document_is_balanced() -> None:
    page = page_of(search_rows(12, model=True))

    counts = Counter(
        re.findall(r"<(/?[a-z0-9]+)", page.split('<script type="application/json"')[0])
    )

    for tag in ("section", "table", "tbody", "tr", "td", "th", "div", "svg", "g", "p", "details"):
        assert counts[tag] == counts[f"/{tag}"], tag


def test_two_hundred_candidates_of_a_model_stay_below_five_megabytes() -> None:
    data = search_rows(200, 6, model=True, lines=120)

    page = page_of(data)

    assert len(page.encode()) < 5_000_000
    assert "left out to keep this page small" not in page


def json_of(page: str) -> Any:
    """The data for the script."""
    return json.loads(Outline(page).contents["script"][0])


def read(name: str) -> str:
    """A text beside what draws the charts."""
    return (VEGA / name).read_text(encoding="utf-8")


def pairs(runs: list[int]) -> list[tuple[int, int]]:
    """Runs of lines as (start, length)."""
    return list(zip(runs[::2], runs[1::2], strict=True))


def hash_of(text: str) -> str:
    """A hash source as a content security policy writes it."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
