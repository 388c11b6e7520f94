"""Best-so-far curves of searches as a table, as CSV and as a drawing."""

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.svg import Scale, element, line_path, text
from simulator.errors import InputError
from simulator.whole_files import write_text

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 60, 590, 30, 350
COLOURS = ("#1f6f8b", "#b3541e", "#4a7c2c")


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One search: after each candidate the validation score of the best that was promoted."""

    strategy: str
    seed: int
    best: tuple[float, ...]
    test_score: float | None
    bar: float
    """Validation score of the best library policy."""
    bar_test_score: float | None


def table(curves: Sequence[Curve], at: Sequence[int]) -> list[str]:
    """Return median and range of the best so far after some numbers of candidates, as Markdown."""
    lines = [
        f"| strategy | {' | '.join(f'after {number}' for number in at)} | on test |",
        f"|---|{'---:|' * (len(at) + 1)}",
    ]
    for strategy, found in by_strategy(curves).items():
        cells = [spread([curve.best[number - 1] for curve in found]) for number in at]
        tests = [curve.test_score for curve in found if curve.test_score is not None]
        cells.append(spread(tests) if tests else "-")
        lines.append(f"| {strategy} | {' | '.join(cells)} |")
    bar, tested = curves[0].bar, curves[0].bar_test_score
    shown = "-" if tested is None else f"{tested:.2f}"
    lines.append(f"| best built-in | {' | '.join([f'{bar:.2f}'] * len(at))} | {shown} |")
    return lines


def by_strategy(curves: Sequence[Curve]) -> Mapping[str, list[Curve]]:
    """Return the curves of each strategy, in order of first appearance."""
    found: dict[str, list[Curve]] = {}
    for curve in curves:
        found.setdefault(curve.strategy, []).append(curve)
    return found


def spread(values: Sequence[float]) -> str:
    """Return the median and the range."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def write_csv(curves: Sequence[Curve], path: Path) -> None:
    """Write one line for each candidate of each search."""
    lines = io.StringIO(newline="")
    rows = csv.writer(lines)
    rows.writerow(["strategy", "seed", "candidate", "best_validation_score"])
    for curve in curves:
        for number, best in enumerate(curve.best, start=1):
            rows.writerow([curve.strategy, curve.seed, number, f"{best:.6f}"])
    write_text(path, lines.getvalue(), InputError)


def drawing(curves: Sequence[Curve], title: str) -> str:
    """Return an SVG: per strategy the median as a line, in a band from worst to best seed."""
    values = [value for curve in curves for value in (*curve.best, curve.bar)]
    margin = 0.05 * (max(values) - min(values)) + 0.01
    up = Scale(low=min(values) - margin, high=max(values) + margin, start=BOTTOM, end=TOP)
    across = Scale(low=1, high=max(2, len(curves[0].best)), start=LEFT, end=RIGHT)
    parts = [element("rect", width="100%", height="100%", fill="#ffffff"), *_axes(up, across)]
    for (strategy, found), colour in zip(by_strategy(curves).items(), COLOURS, strict=False):
        parts += _strategy(strategy, found, colour, up, across)
    bar = up(curves[0].bar)
    parts.append(
        element("line", x1=LEFT, x2=RIGHT, y1=bar, y2=bar, stroke="#555555", stroke_dasharray="5 4")
    )
    parts.append(text(RIGHT + 8, bar + 4, "best built-in", fill="#555555"))
    parts.append(text(LEFT, TOP - 12, title, fill="#222222"))
    return element(
        "svg",
        "".join(parts),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        font_family="sans-serif",
        font_size=12,
    )


def _axes(up: Scale, across: Scale) -> list[str]:
    parts = [text((LEFT + RIGHT) / 2, HEIGHT - 8, "candidates", fill="#222222")]
    for tick in up.ticks(6):
        y = up(tick)
        parts.append(element("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, stroke="#dddddd"))
        parts.append(text(LEFT - 8, y + 4, f"{tick:g}", fill="#222222", text_anchor="end"))
    for tick in across.ticks(8):
        x = across(tick)
        parts.append(text(x, BOTTOM + 20, f"{tick:g}", fill="#222222", text_anchor="middle"))
    return parts


def _strategy(
    name: str, found: Sequence[Curve], colour: str, up: Scale, across: Scale
) -> list[str]:
    steps = list(zip(*(curve.best for curve in found), strict=True))
    places = [across(number) for number in range(1, len(steps) + 1)]
    highs = [(x, up(max(step))) for x, step in zip(places, steps, strict=True)]
    lows = [(x, up(min(step))) for x, step in zip(places, steps, strict=True)]
    middle = [(x, up(statistics.median(step))) for x, step in zip(places, steps, strict=True)]
    return [
        element("path", d=f"{line_path([*highs, *reversed(lows)])}Z", fill=colour, opacity=0.12),
        element("path", d=line_path(middle), fill="none", stroke=colour, stroke_width=2),
        text(RIGHT + 8, middle[-1][1] + 4, name, fill=colour),
    ]
