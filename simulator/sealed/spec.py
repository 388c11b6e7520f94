"""Reads ``contract.toml``: checks how its parts fit together, and what of it a policy may see."""

import keyword
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from simulator.domain_spec import MAX_SPEC_BYTES
from simulator.errors import InputError
from simulator.sealed.expressions import Getter, Resolve, compile_expression
from simulator.sealed.shapes import EventKind, Reduction, SealedSpec
from simulator.sealed.state import State, table_at
from simulator.textfile import one_line, read_toml

CONTRACT_FILE = "contract.toml"
HORIZON = "horizon"
"""The value that every contract has: the time in us at which a run ends."""
_TAKEN = frozenset(
    "now count at last in in_ min max abs number state rows events values parameters".split()
)


def read_contract(path: Path) -> SealedSpec:
    """Return what a ``contract.toml`` says; raise ``InputError`` with the file and the key."""
    try:
        spec = msgspec.convert(read_toml(path, InputError, MAX_SPEC_BYTES), SealedSpec)
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: {one_line(str(error))}") from None
    try:
        for problem in _problems(spec):
            raise InputError(problem)
        _check_expressions(spec)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return spec


def empty_state(spec: SealedSpec) -> State:
    """Return the state of a run without rows, whose names expressions can be checked with."""
    return State(
        spec,
        {name: value.low for name, value in spec.values.items()},
        {name: parameter.default for name, parameter in spec.parameters.items()},
        {name: dict.fromkeys(rows.columns, ()) for name, rows in spec.tables.items()},
        dict.fromkeys(spec.tables, 0),
    )


def reduction_names(spec: SealedSpec, state: State, reduction: Reduction) -> Resolve:
    """Return the names that the expressions of a reduction over rows may use."""
    assert reduction.over is not None
    return state.of_row(reduction.over)


def public(spec: SealedSpec) -> SealedSpec:
    """Return what of a contract a policy may see, without anything that is hidden."""
    tables = {
        name: msgspec.structs.replace(
            rows, columns={key: each for key, each in rows.columns.items() if not each.hidden}
        )
        for name, rows in spec.tables.items()
    }
    events = {
        name: msgspec.structs.replace(kind, fields=shown_fields(kind), hidden_fields=[], times=[])
        for name, kind in spec.events.items()
        if not kind.hidden
    }
    bare = msgspec.structs.replace(
        spec,
        tables=tables,
        events=events,
        values={name: value for name, value in spec.values.items() if not value.hidden},
        parameters={name: each for name, each in spec.parameters.items() if not each.hidden},
        gauges={},
        reductions={},
        known={},
        generators={},
        lifecycles={
            name: msgspec.structs.replace(
                cycle, moves={event: move for event, move in cycle.moves.items() if event in events}
            )
            for name, cycle in spec.lifecycles.items()
        },
        decisions={
            name: msgspec.structs.replace(
                kind, causes=kind.causes if kind.causes in events else None
            )
            for name, kind in spec.decisions.items()
        },
    )
    seen = {}
    for name, gauge in spec.gauges.items():
        kept = msgspec.structs.replace(gauge, at_most=None)
        if gauge.add.keys() | gauge.take.keys() <= events.keys():
            try:
                empty_state(msgspec.structs.replace(bare, gauges={name: kept}))
            except (InputError, KeyError, ValueError):
                continue  # it counts what a policy does not see
            seen[name] = kept
    return msgspec.structs.replace(bare, gauges=seen)


def shown_fields(kind: EventKind) -> dict[str, str]:
    """Return the fields of an event that a policy sees."""
    return {name: table for name, table in kind.fields.items() if name not in kind.hidden_fields}


def _problems(spec: SealedSpec) -> Iterator[str]:
    yield from _names_that_clash(spec)
    if HORIZON not in spec.values:
        yield f"values.{HORIZON} is missing: the time in us at which a run ends"
    elif spec.values[HORIZON].low < 0:
        yield f"values.{HORIZON}.low is below 0"
    for name, rows in spec.tables.items():
        where = f"tables.{name}"
        for key, column in rows.columns.items():
            yield from _one_of(f"{where}.columns.{key}.refers", column.refers, spec.tables)
        yield from _one_of(f"{where}.revealed_by", rows.revealed_by, spec.events)
        yield from _one_of(f"{where}.sorted_by", rows.sorted_by, rows.columns)
        if rows.revealed_by in spec.events:
            kind = spec.events[rows.revealed_by]
            if name not in shown_fields(kind).values() or kind.hidden:
                yield f"{where}.revealed_by: no field of {rows.revealed_by} shows a row of {name}"
    all_fields = {f"events.{name}": kind.fields for name, kind in spec.events.items()}
    all_fields |= {f"decisions.{name}": kind.fields for name, kind in spec.decisions.items()}
    for where, fields in all_fields.items():
        for key, table in fields.items():
            if table != "int":
                yield from _one_of(f"{where}.fields.{key}", table, spec.tables)
    for name, event in spec.events.items():
        for hidden in event.hidden_fields:
            yield from _one_of(f"events.{name}.hidden_fields", hidden, event.fields)
        for time in event.times:
            numbers = [key for key, table in event.fields.items() if table == "int"]
            yield from _one_of(f"events.{name}.times", time, numbers)
    yield from _problems_of_decisions(spec)
    yield from _problems_of_lifecycles(spec)
    yield from _problems_of_gauges(spec)


def _names_that_clash(spec: SealedSpec) -> Iterator[str]:
    groups = (
        ("values", spec.values),
        ("parameters", spec.parameters),
        ("gauges", spec.gauges),
    )
    known: dict[str, str] = {}
    for where, names in groups:
        for name in names:
            if name in known:
                yield f"{where}.{name}: {known[name]} has this name too"
            known[name] = where
    all_names = [*known, *spec.tables, *spec.events, *spec.decisions]
    all_names += [column for rows in spec.tables.values() for column in rows.columns]
    all_names += [field for kind in spec.events.values() for field in kind.fields]
    all_names += [field for kind in spec.decisions.values() for field in kind.fields]
    for name in all_names:
        if keyword.iskeyword(name) or name in _TAKEN or name == "int":
            yield f"the name {name} is taken, choose another"


def _problems_of_decisions(spec: SealedSpec) -> Iterator[str]:
    for name, kind in spec.decisions.items():
        where = f"decisions.{name}"
        yield from _one_of(f"{where}.causes", kind.causes, spec.events)
        if kind.causes in spec.events and spec.events[kind.causes].fields != kind.fields:
            yield f"{where}.causes: {kind.causes} has other fields than {name}"
        for field, states in kind.when.items():
            yield from _one_of(f"{where}.when", field, kind.fields)
            cycle = spec.lifecycles.get(kind.fields.get(field, ""))
            known = cycle.states if cycle else []
            for state in [states] if isinstance(states, str) else states:
                yield from _one_of(f"{where}.when.{field}", state, known)


def _problems_of_lifecycles(spec: SealedSpec) -> Iterator[str]:
    for table, cycle in spec.lifecycles.items():
        yield from _one_of("lifecycles", table, spec.tables)
        for event in cycle.moves:
            where = f"lifecycles.{table}.moves"
            yield from _one_of(where, event, spec.events)
            if event in spec.events:
                kind = spec.events[event]
                if list(kind.fields.values()).count(table) != 1:
                    yield f"{where}: {event} needs exactly one field that is a row of {table}"
                if kind.hidden or table not in shown_fields(kind).values():
                    yield f"{where}: {event} hides a row's move, so no policy can know its state"


def _problems_of_gauges(spec: SealedSpec) -> Iterator[str]:
    for name, gauge in spec.gauges.items():
        tables = set()
        for event in gauge.add | gauge.take:
            yield from _one_of(f"gauges.{name}", event, spec.events)
            if gauge.per is not None and event in spec.events:
                tables.add(table_at(spec, spec.events[event].fields, gauge.per))
        if gauge.per is not None and (len(tables) != 1 or None in tables):
            yield f"gauges.{name}.per: {gauge.per} is not a row of one table in all of its events"


def _one_of(where: str, name: str | None, known: Mapping[str, object] | list[str]) -> Iterator[str]:
    if name is not None and name not in known:
        yield f"{where} is {name}, expected {', '.join(known) or 'nothing, as there is none'}"


def _check_expressions(spec: SealedSpec) -> None:
    """Compile every expression once, so that what is wrong with one is said now."""
    state = empty_state(spec)
    for name, kind in spec.decisions.items():
        if kind.needs is not None:
            names = state.of_event(kind.fields)
            compile_expression(kind.needs, names, f"decisions.{name}.needs")
    for group, reductions in (("reductions", spec.reductions), ("known", spec.known)):
        for name, reduction in reductions.items():
            where = f"{group}.{name}"
            if reduction.expression is not None:
                _check_figures(spec, group, name)
                continue
            if reduction.gauge is not None:
                if group == "known" or reduction.gauge not in spec.gauges:
                    raise InputError(f"{where}.gauge: there is no gauge {reduction.gauge} here")
                continue
            if reduction.over not in spec.tables:
                raise InputError(f"{where}.over: there is no table {reduction.over}")
            for key in ("value", "otherwise", "where"):
                text = getattr(reduction, key)
                if text is not None:
                    names = reduction_names(spec, state, reduction)
                    compile_expression(text, names, f"{where}.{key}")
    for name, generator in spec.generators.items():
        where = f"generators.{name}"
        problems = [p for key in generator.values for p in _one_of(where, key, spec.values)]
        problems += [p for key in generator.tables for p in _one_of(where, key, spec.tables)]
        for problem in problems:
            raise InputError(problem)
        for table, draws in generator.tables.items():
            for key in spec.tables[table].columns:
                if key not in draws:
                    raise InputError(f"generators.{name}.tables.{table}.{key} is missing")


def figure_names(
    spec: SealedSpec, group: str, state: State, figure: Callable[[str], float]
) -> Resolve:
    """Return the names of an expression over figures: those of its group, and those of a run."""
    known = spec.reductions if group == "reductions" else spec.known

    def names(path: tuple[str, ...]) -> Getter | None:
        if len(path) == 1 and path[0] in known:
            return lambda _: figure(path[0])
        return state.of_run()(path)

    return names


def _check_figures(spec: SealedSpec, group: str, name: str) -> None:
    """Compile an expression over figures, and refuse one that leads back to itself."""
    state = empty_state(spec)
    reductions = spec.reductions if group == "reductions" else spec.known
    on_the_way: list[str] = []

    def visit(figure: str) -> float:
        if figure in on_the_way:
            raise InputError(f"{group}.{name}.expression leads back to {figure}")
        text = reductions[figure].expression
        if text is not None:
            on_the_way.append(figure)
            used = figure_names(spec, group, state, lambda _: 0.0)

            def noted(path: tuple[str, ...]) -> Getter | None:
                if len(path) == 1 and path[0] in reductions:
                    visit(path[0])
                return used(path)

            compile_expression(text, noted, f"{group}.{figure}.expression")
            on_the_way.pop()
        return 0.0

    visit(name)
