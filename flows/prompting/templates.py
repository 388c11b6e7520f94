"""Templates of text and HTML: loaded from a folder, rendered, those of a user in a sandbox."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from traceback import walk_tb
from types import CodeType

from jinja2 import (
    BytecodeCache,
    Environment,
    FileSystemLoader,
    FunctionLoader,
    StrictUndefined,
    TemplateSyntaxError,
    meta,
    nodes,
)
from jinja2.bccache import Bucket
from jinja2.sandbox import ImmutableSandboxedEnvironment

from flows.errors import ConfigError

SHIPPED = Path(__file__).with_name("prompt_templates")
SYSTEM, USER = "system.md.j2", "user.md.j2"
SUFFIX = ".j2"
MOST_BYTES = 400_000
"""Of one template; a prompt of that length would not fit into any budget."""
MOST_COMPILED = 64
"""Templates whose compiled form is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """The templates of one folder: ``name`` and ``sha256`` say in the history which wording."""

    name: str
    texts: Mapping[str, str]
    sha256: str


@lru_cache(maxsize=32)
def load_templates(folder: Path | None) -> Templates:
    """Return the templates in ``folder``, the shipped ones for None.

    They are read once in a process, so that the wording stays what it is while a search runs;
    :func:`forget_templates` makes the next search read them again.
    """
    place = folder or SHIPPED
    if not place.is_dir():
        raise ConfigError(
            f"feedback.prompts: {place} is not a folder: create it with "
            f"`assay prompts copy {place}`, then change its templates"
        )
    texts = {path.name: _read(path) for path in sorted(place.glob(f"*{SUFFIX}"))}
    for name in (SYSTEM, USER):
        if name not in texts:
            raise ConfigError(
                f"feedback.prompts: {place} has no {name}: copy the shipped one from "
                f"{SHIPPED / name}"
            )
    name = "shipped" if folder is None else place.resolve().name
    return Templates(name=name, texts=texts, sha256=text_sha256(*_named(texts)))


def forget_templates() -> None:
    """Let the next search read its templates again."""
    load_templates.cache_clear()


class TemplateProblem(ValueError):
    """A template cannot be used; the message says where and why."""


def render_text(template: Path, /, **values: object) -> str:
    """Return the text of a template; an undefined name in it is an error.

    Nothing is escaped: the text is for a file or a model, never for a browser.
    """
    return _environment(template.parent, False).get_template(template.name).render(values)


def render_html(template: Path, beside: Path | None = None, /, **values: object) -> str:
    """Return the HTML of a template; every value is escaped unless it is marked as safe.

    Templates that it extends or includes lie in its folder, or else in ``beside``.
    """
    environment = _environment(template.parent, True, beside)
    return environment.get_template(template.name).render(values)


def render_own(texts: Mapping[str, str], name: str, values: Mapping[str, object]) -> str:
    """Return the text of one of these templates, which may include each other and nothing else.

    They are run in a sandbox: they can read the values and change nothing.
    """
    try:
        return _own(texts).get_template(name).render(dict(values))
    except TemplateSyntaxError as error:
        raise TemplateProblem(f"{error.name or name}, line {error.lineno}: {error}") from None
    except Exception as error:  # whatever a template does wrong, its author must fix
        where = _line_of(error, texts)
        raise TemplateProblem(f"{where or name}: {type(error).__name__}: {error}") from None


def check_names(texts: Mapping[str, str], name: str, known: Iterable[str]) -> None:
    """Refuse a template that uses an undefined name, also in a branch that is not taken."""
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


class _Compiled(BytecodeCache):
    """Compiled templates by their text: a prompt is rendered again and again until it fits.

    Each text has an environment of its own all the same, so that no template carries anything from
    one prompt to the next.
    """

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        if len(self._code) >= MOST_COMPILED:
            self._code.clear()
        if bucket.code is not None:
            self._code[bucket.key, bucket.checksum] = bucket.code


_compiled = _Compiled()


def _own(texts: Mapping[str, str]) -> Environment:
    return ImmutableSandboxedEnvironment(
        bytecode_cache=_compiled,
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
def _environment(folder: Path, html: bool, beside: Path | None = None) -> Environment:
    return Environment(
        loader=FileSystemLoader([folder, *filter(None, [beside])], encoding="utf-8"),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def text_sha256(*texts: str) -> str:
    """Return one hash for several texts."""
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "backslashreplace")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def _named(texts: Mapping[str, str]) -> list[str]:
    return [part for name, text in texts.items() for part in (name, text)]


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError(f"feedback.prompts: {path} is larger than {MOST_BYTES} bytes")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"feedback.prompts: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"feedback.prompts: {path} is not a text file in UTF-8") from None
