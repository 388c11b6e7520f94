"""Small pieces of SVG for drawings: escaped elements, scales with round ticks, paths."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape


def element(name: str, content: str = "", /, **attributes: object) -> str:
    """One element; ``content`` is markup already, attribute values are escaped here.

    Underscores in names of attributes become hyphens.
    """
    parts = [
        f' {key.replace("_", "-")}="{escape(_plain(value))}"' for key, value in attributes.items()
    ]
    return f"<{name}{''.join(parts)}>{content}</{name}>"


def text(x: float, y: float, words: str, **attributes: object) -> str:
    """A text element with its words escaped."""
    return element("text", escape(words), x=x, y=y, **attributes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Maps values to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value; values outside are drawn at the edge."""
        inside = min(max(value, self.low), self.high)
        share = (inside - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        return self.start + share * (self.end - self.start)

    def ticks(self, about: int) -> list[float]:
        """Multiples of 1, 2 or 5 times a power of ten inside the scale."""
        if not self.high > self.low:
            return [self.low]
        raw = (self.high - self.low) / about
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(index * step, 10) for index in range(first, last + 1)]


def line_path(points: Iterable[tuple[float, float]]) -> str:
    """Path data through the points."""
    return "".join(
        f"{'L' if index else 'M'}{_plain(x)} {_plain(y)}" for index, (x, y) in enumerate(points)
    )


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return str(value)
