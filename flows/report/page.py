"""Turns a report's content into one HTML page that loads nothing and runs only its own script."""

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from flows.prompting.templates import render_html
from flows.report.summary import COST_COLUMNS
from flows.report.text import json_for_script
from flows.report.view import ReportView
from flows.untrusted import for_page

FOLDER = Path(__file__).parent / "report_templates"


def render(view: ReportView) -> str:
    """Return the page.

    The content security policy allows the one style sheet and the one script by their hashes and
    nothing else, so text that slipped through the escaping could still not run or load anything.
    """
    style = (FOLDER / "page.css").read_text(encoding="utf-8")
    script = (FOLDER / "page.js").read_text(encoding="utf-8")
    page = render_html(
        FOLDER / "page.html.j2",
        view=view,
        cost_columns=COST_COLUMNS,
        style=style,
        script=script,
        payload=json_for_script(view.payload),
        policy=_content_policy(style, script),
    )
    return for_page(page)


def _content_policy(style: str, script: str) -> str:
    allowed = {"style-src": _hash(style), "script-src": _hash(script), "img-src": "data:"}
    closed = ("default-src", "base-uri", "form-action")
    rules = [f"{name} 'none'" for name in closed]
    return "; ".join(rules + [f"{name} {value}" for name, value in allowed.items()])


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
