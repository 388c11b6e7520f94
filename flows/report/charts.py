"""The charts of the page as Vega-Lite specifications.

Their data have names; the page's script fills them in when a chart comes into view. Colours are
custom properties of the style sheet, so that light and dark need one drawing. No text that a policy
wrote is part of a specification: it is data, and Vega draws data as text.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.report.compare import ScoreAxis, drawn_columns, in_unit
from simulator.domain_spec import Channel, Classes, Spans

Chart = dict[str, Any]

COLOURS = 8
"""Colours of policies, and as many of classes; with more, some share one."""
TRAIN_PLACE, VALIDATION_PLACE = 0, 5
"""The places of the colours of the best so far, by split."""
FATES = 5
"""Ways to draw an outcome; with more, the last ones share one."""
FEW_ROWS = 4
"""Rows of a sweep whose bands can be told apart where they overlap."""
KINDS = ("tried", "improved", "refused", "barred", "stopped", "failed")
_UNITS = {"mb": "MB", "gb": "GB", "seconds": "s"}
_AXIS = "format(datum.value, abs(datum.value) < 1e6 ? ',~f' : '.3~s')"
_MAX_ZOOM_KEYS = "wheel![event.ctrlKey || event.metaKey]"
_BAR = "M-.7,-.7L.7,-.7"
_CROSS = "M-.6,-.6L.6,.6M.6,-.6L-.6,.6"


def improvement(low: float, high: float, log: bool) -> Chart:
    """The score of each attempt in order, with the best so far and the baselines."""
    y = _scores(low, high, log)
    x = {
        "field": "number",
        "type": "quantitative",
        "title": "attempt",
        "scale": {"nice": False, "zero": False, "padding": 12},
        "axis": {"tickMinStep": 1, "format": "d", "grid": False},
    }
    place = {"x": x, "y": y}
    return {
        **_frame("Score of each attempt in order, with the best so far and the baselines", 300),
        "layer": [
            {
                "data": {"name": "baselines"},
                "mark": {"type": "rule", "strokeDash": [5, 4], "strokeWidth": 1.3},
                "encoding": {"y": y, "color": _by_place("place"), "tooltip": _tip("name", "score")},
            },
            _labels("names", {"x": {"value": 4}, "y": y}, "left", above=True),
            _steps("best", place, f"var(--p{TRAIN_PLACE})", 2.4, [1, 0]),
            _steps("confirmed", place, f"var(--p{VALIDATION_PLACE})", 1.6, [2, 3]),
            _labels("above", place, "right", above=True),
            _labels("below", place, "right", above=False),
            {
                "data": {"name": "attempts"},
                "params": [_zoom()],
                "mark": {"type": "point", "cursor": "pointer", "opacity": 1, "filled": False},
                "encoding": {
                    **place,
                    **_kind_of_mark(),
                    "description": {"field": "slot", "type": "nominal"},
                    "tooltip": _tip("attempt", "title", "outcome", "standing", "why"),
                },
            },
            {
                "data": {"name": "validated"},
                "mark": {
                    "type": "point",
                    "filled": True,
                    "color": "var(--p5)",
                    "size": 26,
                    "opacity": 1,
                    "cursor": "pointer",
                },
                "encoding": {**place, "tooltip": _tip("attempt", "validation score")},
            },
        ],
    }


def best_so_far(over: str, axis: ScoreAxis, rows: int, whole: bool) -> Chart:
    """The best score so far of each of some rows over what was used, with bands over seeds.

    ``whole`` says that what was used is counted. The more rows there are, the fainter are their
    bands; that of the row pointed at stands out.
    """
    faint = 0.16 if rows <= FEW_ROWS else 0.05
    pointed = {"condition": {"param": "pointed", "empty": False, "value": 0.4}, "value": faint}
    x = {
        "field": "used",
        "type": "quantitative",
        "title": over,
        "scale": {"nice": False, "zero": True},
        "axis": {
            "tickCount": 5,
            "grid": False,
            "labelExpr": _AXIS,
            **({"tickMinStep": 1} if whole else {}),
        },
    }
    y = _scores(axis.low, axis.high, axis.log)
    place = {
        "x": x,
        "y": y,
        "color": _by_place("place"),
        "detail": {"field": "row", "type": "nominal"},
    }
    step = {"interpolate": "step-after", "clip": True}
    return {
        **_frame(f"The best score so far over {over}, for each row", 260),
        "layer": [
            {
                "data": {"name": "band"},
                "mark": {"type": "area", **step},
                "encoding": {
                    **place,
                    "y": {**y, "field": "low"},
                    "y2": {"field": "high"},
                    "opacity": pointed,
                },
            },
            {
                "data": {"name": "free"},
                "mark": {"type": "line", "strokeWidth": 1.6, "strokeDash": [5, 4], **step},
                "encoding": place,
            },
            {
                "data": {"name": "rows"},
                "mark": {"type": "line", "strokeWidth": 1.8, **step},
                "encoding": place,
            },
            {
                "data": {"name": "points"},
                "params": [_zoom(), _POINTED],
                "mark": {"type": "point", "size": 36, "filled": True, "opacity": 0.9},
                "encoding": {**place, "tooltip": _tip("row", over, "score", "over seeds")},
            },
        ],
    }


def lineage(width: int, height: int) -> Chart:
    """Which attempt was made from which: generations from left to right."""
    place = {
        "x": _pixels("x", [0, width]),
        "y": _pixels("y", [height, 0]),
    }
    return {
        "description": "Which attempt was made from which",
        "width": width,
        "height": height,
        "view": {"stroke": None},
        "layer": [_edges(place), _nodes(place), _node_names(place)],
    }


def _edges(place: Chart) -> Chart:
    strong = {"condition": {"test": "datum.strong", "value": "var(--p0)"}, "value": "var(--line)"}
    second = {"condition": {"test": "datum.second", "value": [3, 3]}, "value": [1, 0]}
    return {
        "data": {"name": "edges"},
        "mark": {"type": "line", "strokeWidth": 1.6},
        "encoding": {
            **place,
            "detail": {"field": "edge", "type": "nominal"},
            "order": {"field": "order", "type": "quantitative"},
            "color": strong,
            "strokeDash": second,
        },
    }


def _nodes(place: Chart) -> Chart:
    return {
        "data": {"name": "nodes"},
        "mark": {"type": "circle", "size": 80, "opacity": 1, "cursor": "pointer"},
        "encoding": {
            **place,
            "color": _scale("kind", _NODE_COLOURS),
            "stroke": {"value": "var(--quiet)"},
            "description": {"field": "slot", "type": "nominal"},
            "tooltip": _tip("attempt", "title", "outcome", "score"),
        },
    }


def _node_names(place: Chart) -> Chart:
    text = {"type": "text", "align": "left", "dx": 4, "dy": -10, "fontSize": 11}
    on_line = {"test": "datum.kind === 'line'", "value": "var(--ink)"}
    return {
        "data": {"name": "nodes"},
        "mark": {**text, "cursor": "pointer"},
        "encoding": {
            **place,
            "text": {"field": "label", "type": "nominal"},
            "color": {"condition": on_line, "value": "var(--quiet)"},
        },
    }


def by_class(classes: Classes, policies: int) -> Chart:
    """One class: a bar for each policy and perhaps a mark on it, with their values as text."""
    columns = drawn_columns(classes)
    fields = {name: f"c{place}" for place, name in enumerate(classes.columns)}
    tip = [{"field": "policy", "title": "policy", "type": "nominal"}]
    tip += [
        {"field": field, "title": spaced(name), "type": "quantitative", "format": ",.4~r"}
        for name, field in fields.items()
    ]
    y = {"field": "policy", "type": "nominal", "sort": None, "title": None}
    title = in_unit(columns[0], "" if columns[0] in classes.counts else classes.unit)
    value = {"type": "quantitative", "title": spaced(title), "axis": {"tickCount": 5}}
    layers: list[Chart] = [
        {
            "mark": {"type": "bar", "height": 13, "cornerRadiusEnd": 2},
            "encoding": {
                "x": {**value, "field": fields[columns[0]]},
                "color": _by_place("place"),
                "tooltip": tip,
            },
        }
    ]
    if len(columns) > 1:
        layers.append(
            {
                "mark": {"type": "tick", "size": 17, "thickness": 2, "color": "var(--ink)"},
                "encoding": {"x": {**value, "field": fields[columns[1]]}, "tooltip": tip},
            }
        )
    layers.append(
        {
            "mark": {"type": "text", "align": "left", "dx": 3, "color": "var(--quiet)"},
            "encoding": {"x": {"value": 0}, "text": {"field": "note", "type": "nominal"}},
        }
    )
    axis = {"labelLimit": 150, "labelPadding": 6, "ticks": False, "domain": False, "grid": False}
    return {
        **_frame("Figures of one class by policy", 25 * max(1, policies)),
        "data": {"name": "rows"},
        "encoding": {"y": {**y, "axis": axis}},
        "layer": layers,
    }


def over_time(channel: Channel, whole: bool) -> Chart:
    """One channel: a curve for each policy, and a dashed line for the most that there can be.

    ``whole`` says that its values are whole numbers.
    """
    x = _seconds("second")
    y = {
        "field": "value",
        "type": "quantitative",
        "title": None,
        "scale": {"zero": True},
        "axis": {"tickCount": 4, "labelExpr": _AXIS, **({"tickMinStep": 1} if whole else {})},
    }
    place = {"x": x, "y": y, "color": _by_place("place")}
    tip = [
        {"field": "policy", "title": "policy", "type": "nominal"},
        {"field": "second", "title": "second", "type": "quantitative", "format": ",.4~f"},
        {
            "field": "value",
            "title": in_unit(channel.label, channel.unit),
            "type": "quantitative",
            "format": ",.4~g",
        },
    ]
    return {
        **_frame(f"{channel.label} over time", 120),
        "data": {"name": "rows"},
        "layer": [
            {  # Where all is 0, something above it keeps the axis at the bottom.
                "data": {"name": "above"},
                "mark": {"type": "rule", "opacity": 0},
                "encoding": {"y": y},
            },
            {
                "data": {"name": "capacity"},
                "mark": {"type": "rule", "strokeDash": [5, 4], "color": "var(--quiet)"},
                "encoding": {
                    "y": y,
                    "tooltip": [{"field": "value", "title": "capacity", "type": "quantitative"}],
                },
            },
            {"mark": {"type": "line", "strokeWidth": 1.6, "clip": True}, "encoding": place},
            {
                "params": [_zoom()],
                "mark": {"type": "point", "size": 90, "opacity": 0, "filled": True, "clip": True},
                "encoding": {**place, "tooltip": tip},
            },
        ],
    }


def fate(place: int) -> int:
    """How the outcome at this place among the domain's is drawn."""
    return min(place, FATES - 1)


def spaced(name: str) -> str:
    """Return the name of a column as people read it: memory_mb is "memory, MB"."""
    words, _, last = name.rpartition("_")
    name = f"{words}, {_UNITS[last]}" if words and last in _UNITS else name
    return name.replace("_", " ")


def where_and_when(spans: Spans, classes: Sequence[str], class_name: str) -> Chart:
    """What ran on each lane from when to when; the script sets the height."""
    titles = {"start": "start, s", "end": "end, s", "lane": spans.lane_label, "class": class_name}
    tip = [
        {"field": name, "title": titles.get(name, spaced(name)), **_kind_of_tip(name)}
        for name in spans.columns
    ]
    y = {
        "field": "_top",
        "type": "quantitative",
        "axis": None,
        "scale": {"reverse": True, "nice": False, "zero": False},
    }
    place = {"x": _seconds("start"), "x2": {"field": "end"}, "y": y, "y2": {"field": "_bottom"}}
    return {
        **_frame(f"Each {spans.label} by {spans.lane_label} over time", 120),
        "layer": [
            {
                "data": {"name": "lanes"},
                "mark": {"type": "rect", "color": "var(--soft)"},
                "encoding": place,
            },
            {
                "data": {"name": "lanes"},
                "mark": {
                    "type": "text",
                    "align": "right",
                    "color": "var(--quiet)",
                    "dx": -6,
                    "clip": False,
                },
                "encoding": {
                    "x": {"value": 0},
                    "y": {**y, "field": "_middle"},
                    "text": {"field": "name", "type": "nominal"},
                },
            },
            {
                "data": {"name": "rows"},
                "params": [_zoom()],
                "mark": {"type": "rect", "clip": True, "minBandSize": 1},
                "encoding": {
                    **place,
                    "color": _scale("class", _in_turn(classes, "c")),
                    "stroke": _by_outcome(spans, _STROKES),
                    "strokeWidth": _by_outcome(spans, _WIDTHS),
                    "fillOpacity": _by_outcome(spans, _OPACITIES),
                    "tooltip": tip,
                },
            },
        ],
    }


_POINTED = {
    "name": "pointed",
    "select": {"type": "point", "fields": ["row"], "on": "pointerover", "clear": "pointerout"},
}
_NODE_COLOURS = {
    "ok": "var(--quiet)",
    "failed": "var(--bad)",
    "baseline": "var(--card)",
    "line": "var(--p0)",
}
_STROKES = ("var(--card)", "var(--bad)", "var(--warn)", "var(--quiet)", "var(--card)")
_WIDTHS = (0.6, 1.6, 1.4, 1.0, 0.6)
_OPACITIES = (1.0, 1.0, 0.6, 0.25, 0.5)


def _by_outcome(spans: Spans, ways: Sequence[Any]) -> Chart:
    """What each outcome looks like; it is called ordinal, since Vega-Lite warns of others."""
    values = {name: ways[fate(place)] for place, name in enumerate(spans.outcomes)}
    return _scale("outcome", values, "ordinal")


def _kind_of_tip(column: str) -> Chart:
    if column in ("start", "end"):
        return {"type": "quantitative", "format": ",.3~f"}
    return {"type": "nominal"}


def _scores(low: float, high: float, log: bool) -> Chart:
    """The axis of scores."""
    kind = {"type": "log"} if log else {"type": "linear", "zero": False}
    return {
        "field": "score",
        "type": "quantitative",
        "title": "score",
        "scale": {"domain": [low, high], "nice": False, **kind},
        "axis": {"tickCount": 6, "format": "~g"},
    }


def _frame(description: str, height: int) -> Chart:
    """A chart as wide as the page lets it be."""
    return {"description": description, "width": "container", "height": height}


def _zoom() -> Chart:
    """Drag to move, wheel with Ctrl to zoom, double click to see everything again."""
    interval = {"type": "interval", "encodings": ["x"], "zoom": _MAX_ZOOM_KEYS}
    return {"name": "zoom", "select": interval, "bind": "scales"}


def _seconds(field: str) -> Chart:
    return {
        "field": field,
        "type": "quantitative",
        "title": None,
        "scale": {"nice": False, "zero": True},
        "axis": {"grid": False, "tickCount": 5, "labelExpr": "datum.label + ' s'"},
    }


def _pixels(field: str, domain: list[int]) -> Chart:
    return {
        "field": field,
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": domain, "nice": False},
    }


def _steps(
    data: str, place: Mapping[str, Any], colour: str, width: float, dash: list[int]
) -> Chart:
    mark = {"type": "line", "interpolate": "step-after", "strokeWidth": width, "strokeDash": dash}
    return {"data": {"name": data}, "mark": {**mark, "color": colour}, "encoding": dict(place)}


def _labels(data: str, place: Mapping[str, Any], align: str, *, above: bool) -> Chart:
    """Names of lines beside them; the page draws their edges below their letters."""
    mark = {
        "type": "text",
        "align": align,
        "baseline": "bottom" if above else "top",
        "dy": -4 if above else 4,
        "fontWeight": 600,
        "stroke": "var(--card)",
        "strokeWidth": 3,
        "strokeJoin": "round",
    }
    encoding = {**place, "text": {"field": "words", "type": "nominal"}}
    encoding["color"] = _by_place("place")
    return {"data": {"name": data}, "mark": mark, "encoding": encoding}


def _kind_of_mark() -> Chart:
    shapes = ("circle", "circle", "circle", "circle", _BAR, _CROSS)
    fills = (
        "var(--card)",
        "var(--p0)",
        "var(--card)",
        "var(--warn-soft)",
        "var(--card)",
        "var(--bad)",
    )
    strokes = ("var(--p0)", "var(--p0)", "var(--warn)", "var(--warn)", "var(--quiet)", "var(--bad)")
    return {
        "shape": _scale("kind", dict(zip(KINDS, shapes, strict=True))),
        "fill": _scale("kind", dict(zip(KINDS, fills, strict=True))),
        "stroke": _scale("kind", dict(zip(KINDS, strokes, strict=True))),
        "size": {
            "condition": [
                {"test": "datum.kind === 'improved'", "value": 95},
                {"test": "datum.kind === 'failed'", "value": 85},
            ],
            "value": 52,
        },
    }


def _by_place(field: str) -> Chart:
    return _scale(field, _in_turn(range(COLOURS), "p"))


def _in_turn(domain: Sequence[Any], letter: str) -> dict[Any, str]:
    return {each: f"var(--{letter}{place % COLOURS})" for place, each in enumerate(domain)}


def _scale(field: str, values: Mapping[Any, Any], kind: str = "nominal") -> Chart:
    scale = {"type": "ordinal", "domain": list(values), "range": list(values.values())}
    return {"field": field, "type": kind, "legend": None, "scale": scale}


def _tip(*fields: str) -> list[Chart]:
    return [{"field": name, "title": name, "type": "nominal"} for name in fields]
