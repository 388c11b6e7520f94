"""Renders text and HTML from Jinja templates, those that a user wrote in a sandbox."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from traceback import walk_tb

from jinja2 import (
    Environment,
    FileSystemLoader,
    FunctionLoader,
    StrictUndefined,
    TemplateSyntaxError,
    meta,
    nodes,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment


class TemplateProblem(ValueError):
    """A template cannot be used; the message says where and why."""


def render_text(template: Path, /, **values: object) -> str:
    """Return the text of a template; a name that the template uses and nobody gave is an error.

    Nothing is escaped: the text is for a file or a model, never for a browser.
    """
    return _environment(template.parent, False).get_template(template.name).render(values)


def render_html(template: Path, /, **values: object) -> str:
    """Return the HTML of a template; every value is escaped unless it is marked as safe."""
    return _environment(template.parent, True).get_template(template.name).render(values)


def render_own(texts: Mapping[str, str], name: str, values: Mapping[str, object]) -> str:
    """Return the text of one of these templates, which may include each other and nothing else.

    They are run in a sandbox: they can read the values and change nothing.
    """
    try:
        return _own(texts).get_template(name).render(dict(values))
    except TemplateSyntaxError as error:
        raise TemplateProblem(f"{error.name or name}, line {error.lineno}: {error}") from None
    except Exception as error:  # whatever a template does wrong is its author's to mend
        where = _line_of(error, texts)
        raise TemplateProblem(f"{where or name}: {type(error).__name__}: {error}") from None


def check_names(texts: Mapping[str, str], name: str, known: Iterable[str]) -> None:
    """Refuse a template that uses a name which nobody gives, in a branch not taken too."""
    environment, allowed = _own(texts), sorted(known)
    try:
        tree = environment.parse(texts[name], name, name)
        used = meta.find_undeclared_variables(tree)
    except TemplateSyntaxError as error:
        raise TemplateProblem(f"{error.name or name}, line {error.lineno}: {error}") from None
    unknown = used - set(allowed) - set(environment.globals)
    places = [(each.lineno, each.name) for each in tree.find_all(nodes.Name)]
    wrong = [(line, word) for line, word in places if word in unknown]
    if wrong:
        line, word = min(wrong)
        raise TemplateProblem(
            f"{name}, line {line}: unknown name {word!r}; known are {', '.join(allowed)}"
        )


def _own(texts: Mapping[str, str]) -> Environment:
    return ImmutableSandboxedEnvironment(
        loader=FunctionLoader(lambda name: (texts[name], name, None) if name in texts else None),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _line_of(error: Exception, texts: Mapping[str, str]) -> str | None:
    """Return the template and the line in which an error was raised."""
    frames = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    places = [f"{name}, line {line}" for name, line in frames if name in texts]
    return places[-1] if places else None


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
