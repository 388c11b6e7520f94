"""The table and the page of a sweep: a row for each model, effort and strategy."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from flows.judging.intervals import Interval
from flows.judging.leaderboard import ENOUGH
from flows.report import charts
from flows.report.compare import Listed, in_unit, score_axis
from flows.report.data import ReportData
from flows.report.frame import render_page, write_page
from flows.report.summary import STATUS_WORDS, Tile, measure, reference_name, verdict
from flows.report.sweep import (
    Curve,
    SweepRow,
    SweepSearch,
    curve,
    objectives_of,
    pairs,
    published_gains,
    published_words,
    ranked,
    sweep_rows,
)
from flows.report.text import dollars, heading, moment, number, one_line, score_text
from flows.settings.sections import OFFLINE
from flows.untrusted import counted
from simulator.domain_spec import Objective

AXES = ("model", "effort", "strategy")
DOLLARS = "dollars"
USED = ("candidates", DOLLARS, "minutes")
"""What curves are drawn over: fields of ``Moment``."""
MAX_PAIRED = 24
"""Rows that are compared with each other; with more the matrix has those that lead."""
EXPENDABLE = ("out", "found", "in", "calls", "min", "seeds")
"""Columns that a narrow terminal omits, the first ones first."""
NOTHING = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepTable:
    """The table of a terminal: its title, its columns, its rows, and lines to stand below it."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One search on the page."""

    label: str
    status: str
    experiment: str
    link: str
    """Of its report, seen from the page; empty where it has none."""
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepView:
    """The page's content as plain text; what is drawn is in ``payload``."""

    title: str
    status: str
    verdict: str
    tiles: tuple[Tile, ...]
    measure: str
    reference: str
    rows: tuple[SweepRow, ...]
    """In the order of the axes, for legends."""
    results: Listed
    usage: Listed
    figures: Listed
    published: Listed
    pairs: Listed
    failures: Listed
    searches: tuple[Entry, ...]
    drawings: tuple[tuple[str, str], ...]
    """Name and title of each chart."""
    banded: bool
    facts: tuple[tuple[str, str], ...]
    config: str
    payload: dict[str, Any]


def write_sweep(path: Path, name: str, searches: Sequence[SweepSearch], config: str) -> Path:
    """Write the page about a sweep; ``config`` is the text of its configuration."""
    return write_page(path, render(build_sweep(name, searches, config)))


def render(view: SweepView) -> str:
    """Return the page."""
    return render_page("sweep.html.j2", ("charts.js",), view.payload, view=view)


def sweep_table(name: str, searches: Sequence[SweepSearch]) -> SweepTable:
    """Return the table of a sweep for a terminal; raise ``ReportError`` where nothing has begun."""
    rows, objective = sweep_rows(searches), _objective(searches)
    order = ranked(rows, objective) if objective is not None else rows
    axes, together = _axes(rows), _on(rows)
    cells = tuple(
        (
            *(row.key[place] for place in axes),
            _of_all(len(row.found), row),
            _bare(_gain(row, objective)),
            _of_all(row.promoting, row),
            *map(_bare, _used_cells(row)),
            *([] if together else [row.split]),
        )
        for row in order
    )
    headers = (
        *(AXES[place] for place in axes),
        *("seeds", "gain %", "found", "cand.", "calls", "in", "out", "$", "min"),
        *([] if together else ["on"]),
    )
    used = [place for place in range(len(headers)) if any(row[place] for row in cells)]
    return SweepTable(
        title=f"{name}: gain over {_reference(searches)}{together}",
        headers=tuple(headers[place] for place in used),
        rows=tuple(tuple(row[place] for place in used) for row in cells),
        lines=tuple(_lines(order, objective, searches)),
    )


def build_sweep(name: str, searches: Sequence[SweepSearch], config: str = "") -> SweepView:
    """Return the content of the page about a sweep."""
    rows, objective = sweep_rows(searches), _objective(searches)
    order = ranked(rows, objective) if objective is not None else rows
    first = _first(searches)
    drawings = _drawings(rows)
    return SweepView(
        title=one_line(name, 120),
        status=_status(searches),
        verdict=one_line(_leading(order, objective)),
        tiles=_tiles(rows, searches),
        measure=measure(first) if first is not None else "",
        reference=_reference(searches),
        rows=rows,
        results=_results(order, first),
        usage=_usage(order),
        figures=_figures(order, first),
        published=_published(order, first),
        pairs=_pairs(order, objective),
        failures=_failures(order),
        searches=tuple(_entry(each) for each in searches),
        drawings=tuple((used, f"over {used}") for used in USED if used in drawings),
        banded=any(len(row.data) > 1 for row in rows),
        facts=_facts(searches, first),
        config=config,
        payload={"drawings": drawings},
    )


def _bare(cell: str) -> str:
    """Return a figure as a column of numbers takes it: nothing for none, no separators."""
    return "" if cell == NOTHING else cell.replace(",", "")


def _first(searches: Sequence[SweepSearch]) -> ReportData | None:
    return next((each.data for each in searches if each.data is not None), None)


def _objective(searches: Sequence[SweepSearch]) -> Objective | None:
    data = _first(searches)
    return objectives_of(data)[0] if data is not None else None


def _reference(searches: Sequence[SweepSearch]) -> str:
    data = _first(searches)
    return reference_name(data) if data is not None else "the reference"


def _on(rows: Sequence[SweepRow]) -> str:
    """Return which scenarios the rows are measured on, where that is the same for all."""
    found = {(row.split, len(row.found[0].tried)) for row in rows if row.found}
    if len(found) != 1:
        return ""
    [(split, scenarios)] = found
    return f" on {counted(scenarios, f'{split} scenario')}"


def _axes(rows: Sequence[SweepRow]) -> list[int]:
    """Return the axes that differ between rows, the models always."""
    return [0, *(place for place in (1, 2) if len({row.key[place] for row in rows}) > 1)]


def _of_all(count: int, row: SweepRow) -> str:
    return f"{count}/{len(row.searches)}"


def _gain(row: SweepRow, objective: Objective | None) -> str:
    interval = row.gain(objective) if objective is not None else None
    return gain_text(interval)


def gain_text(interval: Interval | None) -> str:
    """Return a gain in per cent with its interval: ``+12.3 (4.5 to 20.1)``; a dash for none."""
    if interval is None:
        return NOTHING
    low, mean, high = interval.percent
    if interval.scenarios == 1:
        return percent_text(mean)
    return f"{percent_text(mean)} ({percent_text(low, '')} to {percent_text(high, '')})"


def percent_text(value: float | None, sign: str = "+") -> str:
    """Return a figure in per cent, without decimals from 100 on; a dash for none."""
    if value is None or not math.isfinite(value):
        return NOTHING
    value = round(value, 1) + 0.0  # no zero has a sign
    return f"{value:{sign}.{0 if abs(value) >= 99.95 else 1}f}"


def _used_cells(row: SweepRow) -> tuple[str, ...]:
    spend = row.spend
    asked = row.key[0] != OFFLINE
    return (
        f"{spend.candidates:,}",
        f"{spend.calls:,}" if asked else NOTHING,
        f"{spend.input_tokens:,}" if asked else NOTHING,
        f"{spend.output_tokens:,}" if asked else NOTHING,
        _dollars(row),
        f"{row.minutes:,.{1 if row.minutes >= 10 else 2}f}",
    )


def _dollars(row: SweepRow) -> str:
    spend = row.spend
    if spend.calls and spend.unpriced_calls == spend.calls:
        return "unknown"
    digits = 4 if 0 < spend.dollars < 0.1 else 2
    return f"{spend.dollars:,.{digits}f}"


def _lines(
    order: Sequence[SweepRow], objective: Objective | None, searches: Sequence[SweepSearch]
) -> list[str]:
    """Return what stands below the table: the verdict, failures, and what did not run."""
    lines = [_leading(order, objective)]
    for row in order:
        if row.failures:
            kinds = ", ".join(f"{kind} {count}" for kind, count in row.failures.most_common())
            lines.append(f"failures of {row.name}: {kinds}")
    for each in searches:
        if each.note and each.status != "finished":
            lines.append(f"{each.member.label}: {_status_words(each)}: {each.note}")
    return lines


def _leading(order: Sequence[SweepRow], objective: Objective | None) -> str:
    """Return which row leads, and how far it is ahead of the next one and of no model."""
    shown = [row for row in order if row.found]
    gain = shown[0].gain(objective) if shown and objective is not None else None
    if objective is None or gain is None:
        return "no search has found anything yet"
    leader, *others = shown
    reference = leader.data[0].spec.reference
    words = [f"{leader.name} leads on {leader.split}: against {reference} {gain.words()}"]
    offline = [row for row in others[1:] if row.key[0] == OFFLINE and others[0].key[0] != OFFLINE]
    for rival in (*others[:1], *offline[:1]):
        against = leader.against(rival, objective)
        if against is not None:
            sure = "" if against.excludes_zero else ", not statistically significant"
            words.append(f"against {rival.name} {against.words()}{sure}")
    if 1 < gain.scenarios < ENOUGH:
        words.append(f"with {counted(gain.scenarios, 'scenario')} the intervals are approximate")
    return "; ".join(words)


def _status(searches: Sequence[SweepSearch]) -> str:
    ended = sum(each.status in ("finished", "budget_exhausted") for each in searches)
    new = sum(each.data is None for each in searches)
    words = f"{ended} of {counted(len(searches), 'search', 'searches')} have ended"
    return words + (f", {new} have not begun." if new else ".")


def _status_words(search: SweepSearch) -> str:
    return "not begun" if search.data is None else search.status.replace("_", " ")


def _tiles(rows: Sequence[SweepRow], searches: Sequence[SweepSearch]) -> tuple[Tile, ...]:
    spent = [row.spend for row in rows]
    unpriced = sum(spend.unpriced_calls for spend in spent)
    silent = sum(spend.uncounted_calls for spend in spent)
    note = f"{unpriced:,} calls of unknown price" if unpriced else ""
    if silent:
        note = "; ".join(filter(None, (note, f"{silent:,} possibly charged, amount unknown")))
    return (
        Tile(label="searches", value=f"{len(searches):,}", note=f"in {counted(len(rows), 'row')}"),
        Tile(label="candidates", value=f"{sum(spend.candidates for spend in spent):,}"),
        Tile(label="calls", value=f"{sum(spend.calls for spend in spent):,}"),
        Tile(
            label="cost of models",
            value=dollars(math.fsum(spend.dollars for spend in spent)),
            note=note,
        ),
        Tile(
            label="minutes",
            value=number(math.fsum(row.minutes for row in rows)),
            note="of all searches, added up",
        ),
    )


def _results(order: Sequence[SweepRow], data: ReportData | None) -> Listed:
    """The gain over the reference by each objective, the search's own first, with intervals."""
    objectives = objectives_of(data) if data is not None else ()
    labels = (one_line(each.label, 60) for each in objectives)
    return Listed(
        title="Gain",
        text="",
        columns=("row", *labels, "seeds", "found", "over seeds", "on"),
        rows=tuple(_result(row, objectives) for row in order),
    )


def _result(row: SweepRow, objectives: Sequence[Objective]) -> tuple[str, ...]:
    by_seed = row.gains_by_seed(objectives[0]) if objectives else []
    spread = NOTHING
    if len(by_seed) > 1:
        spread = f"{percent_text(min(by_seed))} to {percent_text(max(by_seed))}"
    return (
        one_line(row.name, 120),
        *(gain_text(row.gain(each)) for each in objectives),
        _of_all(len(row.found), row),
        _of_all(row.promoting, row),
        spread,
        f"{row.split}, {len(row.found[0].tried)}" if row.found else NOTHING,
    )


def _usage(order: Sequence[SweepRow]) -> Listed:
    columns = ("candidates", "calls", "tokens in", "cached", "tokens out", "dollars", "minutes")
    rows = []
    for row in order:
        candidates, calls, into, out, paid, minutes = _used_cells(row)
        cached = f"{row.spend.cached_tokens:,}" if row.knows_cached else NOTHING
        cells = (candidates, calls, into, cached, out, paid, minutes)
        rows.append((one_line(row.name, 120), *cells))
    return Listed(title="Used", text="", columns=("row", *columns), rows=tuple(rows))


def _figures(order: Sequence[SweepRow], data: ReportData | None) -> Listed:
    """The domain's metrics of each row, and what they gain over the reference's."""
    metrics = data.spec.metrics if data is not None else []
    rows = []
    for row in (each for each in order if each.found):
        cells = []
        for metric in metrics:
            pairs_ = [found.figure(metric) for found in row.found]
            cells.append(
                _figure_cell([each for each in pairs_ if each], len(pairs_), metric.better)
            )
        rows.append((one_line(row.name, 120), *cells))
    labels = (heading(in_unit(metric.label, metric.unit)) for metric in metrics)
    return Listed(title="Figures", text="", columns=("row", *labels), rows=tuple(rows))


def _figure_cell(found: Sequence[tuple[float, float]], seeds: int, better: str) -> str:
    if len(found) < seeds or not found:
        return NOTHING
    own, other = (math.fsum(column) / seeds for column in zip(*found, strict=True))
    if not better or own <= 0 or other <= 0:
        return number(own)
    gain = other / own - 1.0 if better == "less" else own / other - 1.0
    return f"{number(own)} ({percent_text(100.0 * gain)} %)"


def _published(order: Sequence[SweepRow], data: ReportData | None) -> Listed:
    title, text, metrics = published_words(data) if data is not None else ("", "", ())
    rows = []
    for row in order if metrics else ():
        gains = published_gains(row)
        if gains:
            cells = (f"{percent_text(gain)} %" for gain in gains)
            rows.append((one_line(row.name, 120), *cells))
    return Listed(
        title=heading(title),
        text=one_line(text),
        columns=("row", *(one_line(name, 120) for name in metrics)),
        rows=tuple(rows),
    )


def _pairs(order: Sequence[SweepRow], objective: Objective | None) -> Listed:
    """A matrix: how much better the row is than the column, in per cent, with the interval."""
    shown = [row for row in order if row.found][:MAX_PAIRED]
    found = pairs(shown, objective) if objective is not None and len(shown) > 1 else {}
    rows = tuple(
        (
            one_line(own.name, 120),
            *(_pair(found.get((own.place, other.place))) for other in shown),
        )
        for own in shown
        if found
    )
    names = (one_line(row.name, 120) for row in shown)
    return Listed(title="Differences", text="", columns=("row", *names), rows=rows)


def _pair(interval: Interval | None) -> str:
    if interval is None:
        return ""
    mark = "*" if interval.scenarios > 1 and interval.excludes_zero else ""
    return f"{gain_text(interval)}{mark}"


def _failures(order: Sequence[SweepRow]) -> Listed:
    kinds = sorted({kind for row in order for kind in row.failures})
    rows = tuple(
        (one_line(row.name, 120), *(f"{row.failures[kind]:,}" for kind in kinds))
        for row in order
        if kinds
    )
    names = (one_line(kind.replace("_", " "), 40) for kind in kinds)
    return Listed(title="Failures", text="", columns=("row", *names), rows=rows)


def _entry(search: SweepSearch) -> Entry:
    data = search.data
    link = ""
    if data is not None and any(row.kind == "report" for row in data.artifacts):
        link = f"../../experiments/{search.experiment_id}/report.html"
    status = STATUS_WORDS.get(search.status, search.status) if data is not None else "has not begun"
    words = verdict(data) if data is not None else ""
    return Entry(
        label=one_line(search.member.label, 160),
        status=one_line(f"{status}{f': {search.note}' if search.note else ''}", 300),
        experiment=one_line(search.experiment_id, 130),
        link=link,
        words=words,
    )


def _drawings(rows: Sequence[SweepRow]) -> dict[str, Any]:
    """The curves of all rows over what they used; over dollars only where some were paid."""
    paid = any(row.spend.dollars for row in rows)
    shown = [used for used in USED if paid or used != DOLLARS]
    return {used: drawing for used in shown if (drawing := _drawing(rows, used))}


def _drawing(rows: Sequence[SweepRow], used: str) -> dict[str, Any]:
    every = [(row, curve(row, attrgetter(used))) for row in rows]
    curves = [(row, points) for row, points in every if points]
    if not curves:
        return {}
    until = max(points[-1][0] for _, points in curves)
    scores = [score for _, points in curves for _, *three in points for score in three]
    axis = score_axis(scores)
    lines: dict[str, list[tuple[Any, ...]]] = {"band": [], "free": [], "rows": [], "points": []}
    for row, points in curves:
        free = used == DOLLARS and not row.spend.dollars
        if free:  # what costs nothing is as good at any price
            points = [(at, *points[-1][1:]) for at in (0.0, until)]
        cells = [_point(row, each) for each in points]
        lines["free" if free else "rows"] += cells
        lines["band"] += cells if len(row.data) > 1 else []
        lines["points"] += cells[:1] if free else cells
    columns = ("place", "row", "used", "score", "low", "high", used, "over seeds")
    return {
        "spec": charts.best_so_far(used, axis, len(curves), used == USED[0]),
        "data": {
            name: {"columns": list(columns), "rows": list(map(list, found))}
            for name, found in lines.items()
        },
    }


def _point(row: SweepRow, point: Curve) -> tuple[Any, ...]:
    at, score, low, high = point
    spread = f"{score_text(low)} to {score_text(high)}" if low < high else ""
    exact = (round(each, 4) for each in (score, low, high))
    return (
        row.place % charts.COLOURS,
        one_line(row.name, 80),
        round(at, 6),
        *exact,
        number(at),
        spread,
    )


def _facts(searches: Sequence[SweepSearch], data: ReportData | None) -> tuple[tuple[str, str], ...]:
    if data is None:
        return ()
    row = data.experiment
    seeds = dict.fromkeys(str(each.member.seed) for each in searches)
    starts = [each.data.experiment.created_at for each in searches if each.data is not None]
    facts = (
        ("started", moment(min(starts))),
        ("suite", row.suite),
        ("domain", f"{row.domain} {row.domain_version}".strip()),
        ("objective", row.objective),
        ("seeds", ", ".join(seeds)),
        ("assay", row.assay_version),
        ("simulator", row.simulator_version),
        ("cell image", row.image_id or ""),
    )
    return tuple((label, one_line(value, 300)) for label, value in facts if value)
