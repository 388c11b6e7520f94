"""Writes the configuration out with every key, its default and its meaning, from the models."""

import re
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, Secret
from pydantic.fields import FieldInfo

from flows import toml_text
from flows.settings.search import SearchConfig
from flows.settings.sections import choices_of, defaults_of
from simulator.domain import Domain

INTRODUCTION = """\
# A search: assay run --config assay.toml
# Every key is here with its default; one behind a # has none. Delete what you do not change.
# Variables such as ASSAY_BUDGET__CANDIDATES=50 win over this file, flags of assay run over both.
"""
MARK = "# "
BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
WIDTH = 100
NOTHING: Mapping[str, Any] = MappingProxyType({})


def config_toml(domain: Domain) -> str:
    """Return the text of a configuration file that says nothing but the defaults of a domain."""
    table = _table(SearchConfig, "", defaults_of(domain), choices_of(domain))
    return "\n".join([INTRODUCTION.rstrip(), "", *table]) + "\n"


def _table(
    model: type[BaseModel],
    path: str,
    defaults: Mapping[str, Any] = NOTHING,
    choices: Mapping[str, Sequence[str]] = NOTHING,
) -> Iterator[str]:
    """Yield the lines of a table: its own keys first, as TOML demands, then its sections.

    ``defaults`` and ``choices`` are those of the keys whose model does not know them.
    """
    for name, each in model.model_fields.items():
        if _section(each) is None and _rows(each) is None:
            yield from _key(name, each, defaults.get(name), choices.get(name, ()))
    for name, each in model.model_fields.items():
        rows = _rows(each)
        if rows is not None:
            yield from ("", *_comment(f"{each.description or name}:"), f"{MARK}[[{path}{name}]]")
            for row, field in rows.model_fields.items():
                yield from (f"{MARK}{line.removeprefix(MARK)}" for line in _key(row, field))
    for name, each in model.model_fields.items():
        section = _section(each)
        if section is not None:
            yield from ("", *_comment(_first_line(section)), f"[{path}{name}]")
            yield from _table(section, f"{path}{name}.")


def _key(
    name: str, each: FieldInfo, default: Any = None, choices: Sequence[str] = ()
) -> Iterator[str]:
    if default is None and not each.is_required():
        default = each.get_default(call_default_factory=True)
    line = f"{MARK}{name} = {_example(each)}"
    if default is not None:
        line = f"{name} = {toml_text.value(default)}"
    about = "; ".join(
        part for part in (_meaning(each), _choices(each, choices), _bounds(each)) if part
    )
    if len(line) + len(f"  {MARK}{about}") <= WIDTH:
        yield f"{line}  {MARK}{about}" if about else line
    else:
        yield from _comment(about)
        yield line


def _comment(text: str) -> list[str]:
    return wrap(_plain(text), WIDTH, initial_indent=MARK, subsequent_indent=MARK)


def _plain(text: str) -> str:
    """Return a text in the terms of a file, where what is None in Python is not set."""
    words = " ".join(text.replace("``", "").split())
    return re.sub(r"\bNone\b", "unset", re.sub(r"(?<=[.] )None\b", "Unset", words))


def _example(each: FieldInfo) -> str:
    """Return what stands behind a key without a default, of the right type."""
    kinds = get_args(each.annotation) or (each.annotation,)
    if any(get_origin(kind) is Mapping for kind in kinds):
        return "{}"
    number = any(get_origin(kind) is Secret or kind in (int, float) for kind in kinds)
    return "0" if number else '"..."'


def _meaning(each: FieldInfo) -> str:
    words = _plain(each.description or "").rstrip(".")
    return words if words[1:2].isupper() else words[:1].lower() + words[1:]


def _choices(each: FieldInfo, known: Sequence[str]) -> str:
    found = list(known) or [
        str(choice)
        for part in (each.annotation, *get_args(each.annotation))
        if get_origin(part) is Literal
        for choice in get_args(part)
    ]
    return f"one of {', '.join(found)}" if found else ""


def _bounds(each: FieldInfo) -> str:
    found = [
        f"{word} {getattr(limit, name)}"
        for limit in each.metadata
        for name, word in BOUNDS.items()
        if getattr(limit, name, None) is not None
    ]
    return ", ".join(found)


def _section(each: FieldInfo) -> type[BaseModel] | None:
    found = each.annotation
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def _rows(each: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a list of tables, or None where the field is no such list."""
    for part in get_args(each.annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or model.__name__).strip().splitlines()[0]
