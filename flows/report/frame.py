"""The frame of every page: one HTML file with its style, scripts and content security policy."""

import os
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from flows.prompting.templates import render_html
from flows.report.data import ReportError
from flows.report.text import json_for_script
from flows.untrusted import for_page

FOLDER = Path(__file__).parent / "report_templates"
VEGA = Path(__file__).parent / "vega"
LIBRARIES = ("vega.min.js", "vega-lite.min.js", "vega-embed.min.js")
"""What draws the charts, in the order in which they need each other; see ``vega/README.md``."""


def render_page(template: str, scripts: Sequence[str], payload: Any, **values: object) -> str:
    """Return a page from its template, with the scripts that it runs once Vega is there.

    The content security policy allows the style sheet and the scripts by their hashes and nothing
    else, so text that slipped through the escaping could still not run or load anything.
    """
    style, texts = style_text(), script_texts(scripts)
    page = render_html(
        FOLDER / template,
        layout="frame.html.j2",
        style=style,
        scripts=texts,
        licences=licences(),
        payload=json_for_script(payload),
        policy=_content_policy(style, texts),
        **values,
    )
    return for_page(page)


def style_text() -> str:
    """Return the style sheet of every page."""
    return (FOLDER / "page.css").read_text(encoding="utf-8") + _marks()


def script_texts(scripts: Sequence[str]) -> list[str]:
    """Return what draws the charts, and then these scripts."""
    paths = [*(VEGA / name for name in LIBRARIES), *(FOLDER / name for name in scripts)]
    return [path.read_text(encoding="utf-8") for path in paths]


def licences() -> str:
    """Return the licences of what draws the charts."""
    return (VEGA / "LICENSES.txt").read_text(encoding="utf-8")


def write_page(path: Path, page: str) -> Path:
    """Write a page and return its path; an existing one is replaced in one step."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(page, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise ReportError(
            f"report {path} cannot be written: {error.strerror or error}; "
            "name another file or make the folder writable"
        ) from error
    finally:
        with suppress(OSError):  # it is in its place, or the folder cannot be changed
            partial.unlink()
    return path


def _marks() -> str:
    """Rules for marks in a table: a style in an element is what the content policy forbids."""
    return "".join(f".at-{place} {{ left: {place}%; }}\n" for place in range(101))


def _content_policy(style: str, scripts: Sequence[str]) -> str:
    allowed = {
        "style-src": _hash(style),
        "script-src": " ".join(map(_hash, scripts)),
        "img-src": "data:",
    }
    closed = ("default-src", "base-uri", "form-action")
    rules = [f"{name} 'none'" for name in closed]
    return "; ".join(rules + [f"{name} {value}" for name, value in allowed.items()])


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
