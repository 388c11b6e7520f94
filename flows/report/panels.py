"""What the domain's panels draw: figures by class, curves over time, what ran where and when.

Each panel is one specification for each of its charts, and for each scenario the data alone: a
scenario is drawn when it is chosen.
"""

import heapq
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.history.records import ScenarioRow
from flows.report import charts
from flows.report.compare import (
    ClassChoice,
    Contender,
    class_choices,
    class_label,
    in_unit,
    metrics_of,
)
from flows.report.data import ReportData
from flows.report.text import number, one_line
from flows.untrusted import counted
from simulator.domain_spec import Channel, Spans, Timeline, figure

MAX_POINTS = 150
"""Of a curve."""
MAX_CLASSES = 12
"""That are drawn; the table has all."""
MAX_LANES = 64
"""That are drawn although nothing ran on them."""
DIGITS = 4
"""Significant digits of a point."""
MAX_CHART_HEIGHT = 260
LANE_ROW_HEIGHTS = (2, 14)
"""Pixels of a bar: at least, and at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A section with a choice of scenarios; the page's script draws ``content``."""

    names: tuple[str, ...] = ()
    """The scenarios, or groups of them, that there is something to draw of."""
    content: dict[str, Any] = field(default_factory=dict)
    """``charts``: the specifications; ``choices``: for each name the data of its charts."""


def class_panel(data: ReportData, rivals: Sequence[Contender]) -> Panel:
    """Bars for each class, and a table of all the figures."""
    classes = data.spec.classes
    choices = class_choices(data, rivals)
    if classes is None or not choices:
        return Panel()
    used = [
        rival for rival in rivals if any(r.place == rival.place for c in choices for r in c.rows)
    ]
    content = {
        "charts": [charts.by_class(classes, len(used))],
        "name": one_line(classes.name, 60),
        "columns": [charts.spaced(name) for name in classes.columns],
        "choices": [_class_choice(data, choice) for choice in choices],
    }
    return Panel(names=tuple(choice.name for choice in choices), content=content)


def time_panel(data: ReportData, rivals: Sequence[Contender]) -> Panel:
    """A small chart for each channel, with what the simulation of each of the rivals recorded."""
    timeline = data.spec.timeline
    if timeline is None:
        return Panel()
    channels = [each for each in timeline.channels if each.drawn]
    names, choices = [], []
    for scenario in data.drawn:
        metrics = [(rival, metrics_of(data, rival, scenario.scenario)) for rival in rivals]
        shown = [
            _channel_chart(scenario, timeline, channel, place, metrics)
            for place, channel in enumerate(channels)
        ]
        found = [chart for chart in shown if chart is not None]
        if found:
            names.append(one_line(scenario.scenario, 60))
            choices.append(found)
    content = {
        "charts": [
            charts.over_time(channel, _is_whole(place, choices))
            for place, channel in enumerate(channels)
        ],
        "choices": choices,
    }
    return Panel(names=tuple(names), content=content if names else {})


def span_panel(data: ReportData, rivals: Sequence[Contender]) -> Panel:
    """A chart for each of the rivals: what ran on which lane from when to when."""
    spans = data.spec.spans
    if spans is None:
        return Panel()
    labels = _class_labels(data, spans, rivals)
    names, choices = [], []
    for scenario in data.drawn:
        kept = [
            (rival, rows)
            for rival in rivals
            if (rows := _kept(spans, metrics_of(data, rival, scenario.scenario))) is not None
        ]
        if kept:
            names.append(one_line(scenario.scenario, 60))
            choices.append(_span_charts(data, spans, scenario, kept, labels))
    content = {
        "columns": spans.columns,
        "classes": labels,
        "outcomes": spans.outcomes,
        "charts": [charts.where_and_when(spans, labels, _class_name(data))],
        "choices": choices,
    }
    return Panel(names=tuple(names), content=content if names else {})


def drawn_classes(panel: Panel) -> list[tuple[int, str]]:
    """The classes that the spans of a panel are of, with the place of the colour of each."""
    place = len(("start", "end", "lane", "row"))
    used = {
        row[place]
        for choice in panel.content.get("choices", [])
        for chart in choice
        for row in chart["spans"]
    }
    labels = enumerate(panel.content.get("classes", []))
    return [(index % charts.COLOURS, label) for index, label in labels if index in used]


def _class_name(data: ReportData) -> str:
    return one_line(data.spec.classes.name, 60) if data.spec.classes else "class"


def thin(
    values: Sequence[float], pick: Callable[[Sequence[float]], float] = max
) -> tuple[list[float], int]:
    """At most ``MAX_POINTS`` values, and of how many each is what ``pick`` makes of them."""
    width = max(1, -(-len(values) // MAX_POINTS))
    kept = [pick(values[start : start + width]) for start in range(0, len(values), width)]
    return kept, width


def rows_of(spans: Sequence[tuple[float, float]]) -> list[int]:
    """The row of each (start, end) in its lane: as few rows as possible, no overlap in one."""
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    chosen = [0] * len(spans)
    used = 0
    for place in sorted(range(len(spans)), key=lambda place: (spans[place][0], place)):
        while busy and busy[0][0] <= spans[place][0]:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if not free:
            heapq.heappush(free, used)
            used += 1
        chosen[place] = heapq.heappop(free)
        heapq.heappush(busy, (spans[place][1], chosen[place]))
    return chosen


def _class_choice(data: ReportData, choice: ClassChoice) -> list[dict[str, Any]]:
    keys = dict.fromkeys(row.key for row in choice.rows)
    return [
        {
            "title": one_line(class_label(data, key), 60),
            "drawn": place < MAX_CLASSES,
            "rows": [
                [row.place, [_short(value) for value in row.values], row.note]
                for row in choice.rows
                if row.key == key
            ],
        }
        for place, key in enumerate(keys)
    ]


def _channel_chart(
    scenario: ScenarioRow,
    timeline: Timeline,
    channel: Channel,
    place: int,
    metrics: Sequence[tuple[Contender, Mapping[str, Any]]],
) -> dict[str, Any] | None:
    series = []
    for rival, found in metrics:
        values = figure(f"{timeline.figure}.{channel.key}", found)
        if values:
            kept, width = thin([float(value) for value in values], _picker(channel))
            step = figure(timeline.seconds_per_sample, found) or 1.0
            series.append([rival.place, width * step, [_short(value) for value in kept]])
    if not series:
        return None
    most = scenario.figures.get(channel.capacity) if channel.capacity else None
    title = in_unit(channel.label, channel.unit)
    return {
        "of": place,
        "title": one_line(title if most is None else f"{title}, of {number(most, 5)}"),
        "series": series,
        "capacity": most,
    }


def _is_whole(place: int, choices: Sequence[Sequence[dict[str, Any]]]) -> bool:
    series = (
        each
        for choice in choices
        for chart in choice
        if chart["of"] == place
        for each in chart["series"]
    )
    return all(isinstance(value, int) for _, _, values in series for value in values)


def _picker(channel: Channel) -> Callable[[Sequence[float]], float]:
    match channel.thin:
        case "max":
            return max
        case "sum":
            return math.fsum
        case "mean":
            return lambda values: math.fsum(values) / len(values)


def _class_labels(data: ReportData, spans: Spans, rivals: Sequence[Contender]) -> list[str]:
    """The classes of all spans: the rows of the table by class, else by name and number."""
    classes = data.spec.classes
    if classes is not None and classes.rows:
        return [row.label for row in classes.rows]
    found = {
        one_line(class_label(data, row["class"]), 60)
        for scenario in data.drawn
        for rival in rivals
        for row in (_kept(spans, metrics_of(data, rival, scenario.scenario)) or ([], 0))[0]
    }
    return sorted(found, key=_by_number)


def _by_number(text: str) -> list[tuple[bool, int, str]]:
    """A key that sorts a-10 behind a-9."""
    parts = re.split(r"(\d{1,18})", text)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def _kept(spans: Spans, metrics: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int] | None:
    """The spans that were kept, by the names of their columns, and how many there were."""
    found = figure(spans.figure, metrics)
    if not isinstance(found, list):
        return None
    rows = [dict(zip(spans.columns, row, strict=False)) for row in found]
    return rows, figure(spans.created, metrics) or len(rows)


def _span_charts(
    data: ReportData,
    spans: Spans,
    scenario: ScenarioRow,
    kept: Sequence[tuple[Contender, tuple[list[dict[str, Any]], int]]],
    labels: list[str],
) -> list[dict[str, Any]]:
    until = max(_reach(scenario, rows, created) for _, (rows, created) in kept)
    lanes = {row["lane"] for _, (rows, _) in kept for row in rows}
    count = scenario.figures.get(spans.lanes) if spans.lanes else None
    if count is not None and all(isinstance(lane, int) for lane in lanes):
        lanes |= set(range(min(int(count), MAX_LANES)))
    order = sorted(lanes, key=lambda lane: (isinstance(lane, str), lane))
    return [
        {
            "title": f"{rival.name}: {_note(spans, scenario, rows, created)}",
            **_lanes(spans, rows, order),
            "spans": _bars(data, spans, rows, order, labels),
            "until": until,
            "known": _reach(scenario, rows, created),
        }
        for rival, (rows, created) in kept
    ]


def _reach(scenario: ScenarioRow, rows: Sequence[Mapping[str, Any]], created: int) -> float:
    """The second up to which everything is kept: the whole scenario, unless there was more than
    is kept."""
    if not rows or created <= len(rows):
        return scenario.duration_seconds
    return float(max(row["start"] for row in rows)) or scenario.duration_seconds


def _note(
    spans: Spans, scenario: ScenarioRow, rows: Sequence[Mapping[str, Any]], created: int
) -> str:
    note = counted(created, one_line(spans.label, 40))
    if created <= len(rows):
        return note
    until = number(_reach(scenario, rows, created), 4)
    return f"the first {len(rows):,} of {note}, started before second {until}"


def _lanes(spans: Spans, rows: Sequence[Mapping[str, Any]], order: Sequence[Any]) -> dict[str, Any]:
    """The names of the lanes, how many rows each needs, and how high a row is."""
    needed = []
    for lane in order:
        mine = [(row["start"], row["end"]) for row in rows if row["lane"] == lane]
        needed.append(max(rows_of(mine), default=0) + 1)
    least, most = LANE_ROW_HEIGHTS
    height = max(least, min(most, MAX_CHART_HEIGHT / max(1, sum(needed))))
    return {
        "lanes": [one_line(f"{spans.lane_label} {lane}", 24) for lane in order],
        "rows": needed,
        "rowHeight": round(height, 2),
    }


def _bars(
    data: ReportData,
    spans: Spans,
    rows: Sequence[Mapping[str, Any]],
    order: Sequence[Any],
    labels: list[str],
) -> list[list[Any]]:
    """Each span as [start, end, lane, row, class, outcome, ...]: places, then the other columns."""
    others = [name for name in spans.columns if name not in _PLACED]
    bars = []
    for place, lane in enumerate(order):
        mine = [row for row in rows if row["lane"] == lane]
        for row, line in zip(mine, rows_of([(r["start"], r["end"]) for r in mine]), strict=True):
            outcome = row["outcome"]
            bars.append(
                [
                    row["start"],
                    row["end"],
                    place,
                    line,
                    _place_of(class_label(data, row["class"]), labels),
                    spans.outcomes.index(outcome) if outcome in spans.outcomes else 0,
                    *(_plain(row.get(name)) for name in others),
                ]
            )
    return bars


_PLACED = ("start", "end", "lane", "class", "outcome")


def _place_of(label: str, labels: list[str]) -> int:
    label = one_line(label, 60)
    if label not in labels:
        labels.append(label)
    return labels.index(label)


def _plain(value: Any) -> Any:
    return one_line(value, 60) if isinstance(value, str) else value


def _short(value: float | None) -> float | int | None:
    """A number in few digits, as the page needs it."""
    if value is None or not math.isfinite(value):
        return None
    if abs(value) >= 10 ** (DIGITS - 1):
        return round(value)
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short.is_integer() else short
