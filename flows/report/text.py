"""Text for the report: numbers, cleaned words, inert JSON, the configuration as TOML."""

import json
import shlex
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from flows import toml_text
from flows.settings.search import SearchConfig
from flows.untrusted import for_page

MAX_MESSAGE_CHARS = 600


def clip(text: str, limit: int) -> str:
    """At most ``limit`` characters, with a mark that says how many are missing."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]} … ({len(text) - limit:,} more characters)"


def one_line(text: str, limit: int = MAX_MESSAGE_CHARS) -> str:
    """The text on one line, unseen characters shown, at most ``limit`` characters."""
    return clip(for_page(" ".join(text.split())), limit)


def short(text: str, limit: int) -> str:
    """The text on one line for a label in a drawing, cut without ceremony."""
    line = for_page(" ".join(text.split()))
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def heading(text: str) -> str:
    """The text on one line, beginning in upper case."""
    line = one_line(text, 120)
    return line[:1].upper() + line[1:]


def percent(share: float) -> str:
    """``12 %`` of a share of 0.12; the space does not break."""
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def json_for_script(value: Any) -> str:
    """JSON that can stand inside a script element: no character of it can end that element."""
    text = json.dumps(_clean(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _clean(value: Any) -> Any:
    match value:
        case str():
            return for_page(value)
        case dict():
            return {for_page(str(key)): _clean(item) for key, item in value.items()}
        case list() | tuple():
            return [_clean(item) for item in value]
        case _:
            return value


def number(value: float | None, digits: int = 3) -> str:
    """Significant digits for a table; a dash for nothing."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    shown = f"{value:,.{digits}g}"
    return f"{float(shown):f}".rstrip("0").rstrip(".") if "e" in shown else shown


def score_text(value: float | None) -> str:
    """A score with two decimals, more below 0.1; a dash for nothing."""
    if value is None:
        return "–"
    return f"{value:.2f}" if value >= 0.1 or value == 0 else f"{value:.2g}"


def seconds_text(value: float | None) -> str:
    """A duration as a person would say it."""
    if value is None:
        return "–"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 90:
        return f"{number(value)} s"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"


def dollars(value: float | None) -> str:
    """An amount in US dollars, with four decimals below one dollar."""
    if value is None:
        return "unknown"
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.4f}"


def elapsed_seconds(start: str | None, end: str | None) -> float | None:
    """Seconds between two ISO 8601 times; None if either is missing or unreadable."""
    if not start or not end:
        return None
    try:
        first, last = (datetime.fromisoformat(text) for text in (start, end))
        return max(0.0, (last - first).total_seconds())
    except (ValueError, TypeError):
        return None


def moment(text: str | None) -> str:
    """An ISO 8601 time in UTC to the second; empty for none, unchanged if unreadable."""
    if not text:
        return ""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return one_line(text, 40)
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


FLAGS = {
    **{key: key for key in "name domain suite strategy objective seed slots cell".split()},
    **{f"budget.{key}": key for key in "candidates evaluations minutes dollars tokens".split()},
    "proposer.kind": "proposer",
    "proposer.base_url": "base-url",
    "proposer.model": "model",
}
"""Flags of ``assay run`` that take the same text as the key of a setting."""


def command_line(config: Mapping[str, Any]) -> str:
    """The command that runs the same search, with what differs from the defaults."""
    words = ["assay", "run"]
    usual = SearchConfig().model_dump(mode="json")
    for key, value in _different(config, usual, ""):
        text = "" if value is None else value if isinstance(value, str) else toml_text.value(value)
        known = key in FLAGS and value is not None
        words += [f"--{FLAGS[key]}", text] if known else ["--set", f"{key}={text}"]
    return shlex.join(words)


def _different(
    config: Mapping[str, Any], usual: Mapping[str, Any], path: str
) -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, dict) and isinstance(usual.get(key), dict):
            yield from _different(value, usual[key], f"{path}{key}.")
        elif key not in usual or value != usual[key]:
            yield f"{path}{key}", value
