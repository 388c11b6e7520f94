"""Reads ``laws.toml``: what must hold in every run, and the checks that a simulator is put to."""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from simulator.errors import InputError
from simulator.sealed.expressions import compile_expression
from simulator.sealed.shapes import Name, SealedSpec, Text
from simulator.sealed.spec import empty_state
from simulator.textfile import one_line, read_toml

LAWS_FILE = "laws.toml"
MAX_LAWS_BYTES = 1 << 18
Label = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f-\x9f]+\Z", max_length=120)]
Comparison = Literal["equal", "at_least", "at_most"]


class _Law(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """Something that holds in every run."""

    name: Label


class At(_Law, frozen=True, kw_only=True, tag="at"):
    """The time of an event; where ``where`` holds."""

    event: Name
    time: Text
    compare: Comparison = "equal"
    where: Text | None = None


class Lasts(_Law, frozen=True, kw_only=True, tag="lasts"):
    """The time between a row's latest event ``after`` and this one."""

    @property
    def since(self) -> list[str]:
        """The kinds of events from which the time counts."""
        return [self.after] if isinstance(self.after, str) else self.after

    event: Name
    after: Name | Annotated[list[Name], msgspec.Meta(min_length=1, max_length=20)]
    """One kind of event, or several of which the latest counts."""
    row: Name
    time: Text
    compare: Comparison = "equal"
    where: Text | None = None


class Complete(_Law, frozen=True, kw_only=True, tag="complete"):
    """Every row for which ``where`` holds has had the event when the run ends."""

    event: Name
    row: Name
    where: Text | None = None


class Never(_Law, frozen=True, kw_only=True, tag="never"):
    """The condition holds at no such event, seen after the event has had its effect."""

    event: Name
    condition: Text


class Balance(_Law, frozen=True, kw_only=True, tag="balance"):
    """Holds whenever time moves on, and when the run ends."""

    holds: Text


Law = At | Lasts | Complete | Never | Balance


class Laws(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file as a whole."""

    mutants: Annotated[int, msgspec.Meta(ge=0, le=200)] = 30
    """How many small mistakes are made in a simulator, to see whether its checks notice."""
    laws: list[Law] = []
    checks: list[dict[str, Any]] = []
    """What a simulator is put to; ``simulator.bootstrap.check_spec`` reads it."""


def read_laws(path: Path, spec: SealedSpec) -> Laws:
    """Return what a ``laws.toml`` says; raise ``InputError`` with the file and the law."""
    try:
        laws = msgspec.convert(read_toml(path, InputError, MAX_LAWS_BYTES), Laws)
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: {one_line(str(error))}") from None
    names = [each.name for each in laws.laws]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path}: two laws are named {name!r}, rename one")
    for law in laws.laws:
        _check_law(law, spec, f"{path}: law {law.name!r}")
    return laws


def _check_law(law: Law, spec: SealedSpec, where: str) -> None:
    state = empty_state(spec)
    if isinstance(law, Balance):
        compile_expression(law.holds, state.of_run(), f"{where}: holds")
        return
    for event in (law.event, *law.since) if isinstance(law, Lasts) else (law.event,):
        if event not in spec.events:
            raise InputError(f"{where}: {event} is no event of the contract")
    fields = spec.events[law.event].fields
    names = state.of_event(fields)
    if isinstance(law, Lasts | Complete):
        table = fields.get(law.row, "int")
        if table == "int":
            raise InputError(f"{where}: row is {law.row}, which is no row in {law.event}")
        if isinstance(law, Complete):
            names = state.of_row(table)
        else:
            for event in law.since:
                if table not in spec.events[event].fields.values():
                    raise InputError(f"{where}: {event} names no row of {table}")
    for key in ("time", "where", "condition"):
        text = getattr(law, key, None)
        if text is not None:
            compile_expression(text, names, f"{where}: {key}")
