"""Renders text and HTML from Jinja templates that lie beside the code."""

from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def render_text(template: Path, /, **values: object) -> str:
    """Return the text of a template; a name that the template uses and nobody gave is an error.

    Nothing is escaped: the text is for a file or a model, never for a browser.
    """
    return _environment(template.parent, False).get_template(template.name).render(values)


def render_html(template: Path, /, **values: object) -> str:
    """Return the HTML of a template; every value is escaped unless it is marked as safe."""
    return _environment(template.parent, True).get_template(template.name).render(values)


@lru_cache(maxsize=16)
def _environment(folder: Path, html: bool) -> Environment:
    return Environment(
        loader=FileSystemLoader(folder, encoding="utf-8"),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
