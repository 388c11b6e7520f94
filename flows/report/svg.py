"""Small pieces of SVG: escaped elements, scales with round ticks, paths."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from flows.report.text import number
from flows.untrusted import for_page

LOG_FROM_RATIO = 6.0
"""A score axis is logarithmic when its largest value is this many times its smallest."""


def element(name: str, content: str = "", /, **attributes: object) -> str:
    """One element; ``content`` is markup already, attribute values are escaped here.

    A trailing underscore is dropped from a name (``class_``), others become hyphens.
    """
    parts = [
        f' {key.rstrip("_").replace("_", "-")}="{escape(for_page(_plain(value)))}"'
        for key, value in attributes.items()
        if value is not None
    ]
    return f"<{name}{''.join(parts)}>{content}</{name}>"


def text(x: float, y: float, words: str, **attributes: object) -> str:
    """A text element with its words escaped."""
    return element("text", escape(for_page(words)), x=x, y=y, **attributes)


def tooltip(words: str) -> str:
    """The title child that browsers show on hover and read aloud."""
    return element("title", escape(for_page(words)))


def picture(width: float, height: float, body: Iterable[str], *, label: str, class_: str) -> str:
    """A whole drawing that scales with the page and says what it shows."""
    return element(
        "svg",
        tooltip(label) + "".join(body),
        viewBox=f"0 0 {_plain(width)} {_plain(height)}",
        width=width,
        height=height,
        role="img",
        class_=class_,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Maps values to pixels, linearly or by their logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value; values outside are drawn at the edge."""
        low, high = self._inner(self.low), self._inner(self.high)
        inside = min(max(self._inner(value), low), high)
        share = (inside - low) / (high - low) if high > low else 0.0
        return self.start + share * (self.end - self.start)

    def _inner(self, value: float) -> float:
        return math.log(max(value, 1e-9)) if self.log else value

    def ticks(self, about: int = 5) -> list[float]:
        """Round values inside the scale."""
        if not self.log:
            return round_ticks(self.low, self.high, about)
        found = [
            step * 10.0**power
            for power in range(-9, 10)
            for step in (1, 2, 5)
            if self.low <= step * 10.0**power <= self.high
        ]
        return found[:: max(1, math.ceil(len(found) / (about + 2)))]


def score_scale(values: Iterable[float], start: float, end: float) -> Scale:
    """A scale for scores, logarithmic when they differ by much."""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = min(positive), max(positive)
    if high / low >= LOG_FROM_RATIO:
        return Scale(low=low / 1.1, high=high * 1.1, start=start, end=end, log=True)
    margin = max((high - low) * 0.08, 0.02)
    return Scale(low=max(0.0, low - margin), high=high + margin, start=start, end=end)


def round_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten from low to high."""
    if not high > low:
        return [low]
    raw = (high - low) / max(1, about)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def line_path(points: Iterable[tuple[float, float]]) -> str:
    """Path data through the points."""
    return "".join(
        f"{'L' if index else 'M'}{_plain(x)} {_plain(y)}" for index, (x, y) in enumerate(points)
    )


def step_path(points: Iterable[tuple[float, float]]) -> str:
    """Path data that keeps each value until the next point."""
    data = ""
    for x, y in points:
        data += f"H{_plain(x)}V{_plain(y)}" if data else f"M{_plain(x)} {_plain(y)}"
    return data


def spread_labels(wanted: Sequence[float], gap: float) -> list[float]:
    """Positions near the wanted ones, in the same order, at least ``gap`` apart."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    placed = [0.0] * len(wanted)
    previous = -math.inf
    for index in order:
        placed[index] = previous = max(wanted[index], previous + gap)
    return placed


def y_axis(scale: Scale, left: float, right: float, about: int = 4) -> str:
    """Grid lines with their values on the left."""
    return "".join(
        element("line", x1=left, x2=right, y1=scale(tick), y2=scale(tick), class_="grid")
        + text(left - 6, scale(tick) + 4, number(tick), class_="tick end")
        for tick in scale.ticks(about)
    )


def x_axis(scale: Scale, base: float, unit: str = "", about: int = 5) -> str:
    """Tick values below the base line."""
    return element("line", x1=scale.start, x2=scale.end, y1=base, y2=base, class_="axis") + "".join(
        text(scale(tick), base + 16, f"{number(tick, 4)}{unit}", class_="tick middle")
        for tick in scale.ticks(about)
    )


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return str(value)
