"""Scenarios of sealed domains: numbers by name, and tables of whole numbers."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from simulator.errors import InputError
from simulator.messages import MessageError, decode, encode
from simulator.sealed import shapes
from simulator.sealed.certificate import names_of
from simulator.sealed.expressions import Impossible, compile_expression
from simulator.sealed.reductions import known_figures
from simulator.sealed.shapes import Column, Draw, SealedSpec
from simulator.sealed.spec import HORIZON
from simulator.sealed.state import State
from simulator.suites import check_keys, table_of
from simulator.textfile import read_text, read_toml, show

MAX_TABLE_BYTES = 64 << 20
FILE_KEYS = ("values", "parameters", "tables")
SUITE_KEYS = ("parameters",)
ENTRY_KEYS = ("name", "family", "split", "generator", "seed", "set", "file", "simulator")
_NOTHING: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One thing to try a policy on. ``tables`` has rows of numbers in the order of the contract."""

    name: str
    family: str
    split: str
    values: dict[str, int]
    parameters: dict[str, int]
    tables: dict[str, list[list[int]]]
    seed: int = 0
    """Of the simulator's random numbers."""
    simulator: int = 0
    """Which of the accepted simulators runs it."""
    figures: dict[str, float]
    size: dict[str, int]
    calls: str = "on_event"

    @property
    def sha256(self) -> str:
        return sha256(
            encode([self.values, self.parameters, self.tables, self.seed, self.simulator])
        ).hexdigest()

    @property
    def duration_seconds(self) -> float:
        return self.values[HORIZON] / 1e6

    @property
    def settings(self) -> dict[str, Any]:
        file = names_of(self.simulator)[0]
        return {**self.values, **self.parameters, "seed": self.seed, "simulator": file}


def make_scenario(
    spec: SealedSpec,
    values: Mapping[str, int],
    tables: Mapping[str, Sequence[Sequence[int]]],
    *,
    where: str,
    parameters: Mapping[str, int] | None = None,
    name: str = "scenario",
    family: str = "file",
    split: str = "train",
    seed: int = 0,
    simulator: int = 0,
) -> Scenario:
    """Return a scenario that the contract allows; raise ``InputError`` beginning with ``where``.

    Parameters that are not given have their defaults; tables that are not given are empty.
    """
    for given, known, what in (
        (values, spec.values, "values"),
        (parameters or {}, spec.parameters, "parameters"),
        (tables, spec.tables, "tables"),
    ):
        check_keys(given, tuple(known), f"{where}: {what}")
    all_values = {}
    for key, value in spec.values.items():
        if key not in values:
            raise InputError(f"{where}: values.{key} is missing")
        all_values[key] = _in_range(values[key], value.low, value.high, f"{where}: values.{key}")
    chosen = {}
    for key, each in spec.parameters.items():
        number = (parameters or {}).get(key, each.default)
        chosen[key] = _in_range(number, each.low, each.high, f"{where}: parameters.{key}")
    rows = {key: [list(row) for row in tables.get(key, ())] for key in spec.tables}
    for key, table in rows.items():
        _check_table(spec, key, table, rows, f"{where}: tables.{key}")
    scenario = Scenario(
        name=name,
        family=family,
        split=split,
        values=all_values,
        parameters=chosen,
        tables=rows,
        seed=seed,
        simulator=simulator,
        figures={},
        size={key: len(rows.get(key, ())) for key in spec.sizes},
    )
    return replace(scenario, figures=known_figures(spec, state_of(spec, scenario)))


def state_of(spec: SealedSpec, scenario: Scenario) -> State:
    """Return the state of a run of a scenario before its first event."""
    columns = {
        table: dict(zip(rows.columns, zip(*scenario.tables[table], strict=True), strict=False))
        or dict.fromkeys(rows.columns, ())
        for table, rows in spec.tables.items()
    }
    counts = {table: len(rows) for table, rows in scenario.tables.items()}
    return State(spec, scenario.values, scenario.parameters, columns, counts)


def generate(
    spec: SealedSpec,
    generator: str,
    seed: int,
    overrides: Mapping[str, int] | None = None,
    **labels: Any,
) -> Scenario:
    """Return the scenario that a generator draws from a seed.

    ``overrides`` sets values, parameters and ``TABLE.rows``. Every column is drawn from random
    numbers of its own, so that a change of one leaves the others as they are.
    """
    if generator not in spec.generators:
        known = ", ".join(spec.generators) or "none"
        raise InputError(f"unknown generator {show(generator)}, expected {known}")
    made, given = spec.generators[generator], dict(overrides or {})
    where = f"generator {generator}"
    values: dict[str, int] = {}
    tables: dict[str, list[list[int]]] = {}
    for name, value in spec.values.items():
        how = given.pop(name, made.values.get(name))
        if how is None:
            raise InputError(f"{where}: values.{name} is missing")
        rng = Random(f"{generator}/{name}/{seed}")
        values[name] = how if isinstance(how, int) else _drawn(how, rng, value.low, value.high)
    for name in _by_reference(spec):
        draws = dict(made.tables.get(name, {}))
        count = given.pop(f"{name}.rows", draws.pop("rows", 0))
        if not isinstance(count, int):
            rng = Random(f"{generator}/{name}.rows/{seed}")
            count = _drawn(count, rng, 0, spec.tables[name].most)
        count = _in_range(count, 0, spec.tables[name].most, f"{where}: {name}.rows")
        rows = _Rows(spec, name, values, {t: len(r) for t, r in tables.items()}, count, draws)
        for column in spec.tables[name].columns if count else ():
            if column not in draws:
                raise InputError(f"{where}: tables.{name}.{column} is missing")
        for column, how in draws.items() if count else ():
            rows.draw(column, how, Random(f"{generator}/{name}.{column}/{seed}"))
        tables[name] = rows.listed()
    parameters = {name: given.pop(name) for name in spec.parameters if name in given}
    if given:
        raise InputError(f"{where}: {show(sorted(given))} can not be set")
    options: dict[str, Any] = {
        "name": f"{generator}-{seed}",
        "family": generator,
        "seed": seed,
    } | labels
    return make_scenario(spec, values, tables, where=where, parameters=parameters, **options)


class _Rows:
    """Draws the rows of one table, column by column."""

    def __init__(
        self,
        spec: SealedSpec,
        table: str,
        values: Mapping[str, int],
        lengths: Mapping[str, int],
        count: int,
        helpers: Iterable[str],
    ) -> None:
        self._rows = spec.tables[table]
        self._count = count
        self._lengths = lengths
        self._columns: dict[str, list[int]] = {
            name: [] for name in dict.fromkeys([*self._rows.columns, *helpers])
        }
        defaults = {name: each.default for name, each in spec.parameters.items()}
        bare = {name: dict.fromkeys(rows.columns, ()) for name, rows in spec.tables.items()}
        state = State(
            spec, values, defaults, {**bare, table: self._columns}, dict.fromkeys(spec.tables, 0)
        )
        self._names = state.of_row(table)

    def draw(self, name: str, how: int | Draw, rng: Random) -> None:
        column, numbers = self._rows.columns.get(name), self._columns[name]
        low, high = self._bounds(column)
        if isinstance(how, shapes.Same):
            if len(self._columns.get(how.as_, ())) != self._count:
                raise InputError(f"{name} is drawn as {how.as_}, which is no earlier column")
            numbers += self._columns[how.as_]
        elif isinstance(how, shapes.Cycle):
            numbers += [how.of[row % len(how.of)] for row in range(self._count)]
        elif isinstance(how, shapes.Computed):
            value = compile_expression(how.of, self._names, name)
            try:
                numbers += [_clamped(value(row), low, high) for row in range(self._count)]
            except (Impossible, IndexError) as error:
                raise InputError(f"{name}: {how.of} cannot be computed: {error}") from None
        elif isinstance(how, shapes.Poisson):
            time = 0.0
            for _ in range(self._count):
                time += rng.expovariate(1 / how.mean)
                numbers.append(_clamped(time, low, high))
        else:
            numbers += [_drawn(how, rng, low, high) for _ in range(self._count)]

    def listed(self) -> list[list[int]]:
        columns = [self._columns[name] for name in self._rows.columns]
        rows = [list(row) for row in zip(*columns, strict=True)]
        if not columns:
            rows = [[] for _ in range(self._count)]
        if self._rows.sorted_by is not None:
            place = list(self._rows.columns).index(self._rows.sorted_by)
            rows.sort(key=lambda row: row[place])
        return rows

    def _bounds(self, column: Column | None) -> tuple[int, int]:
        if column is None:
            return -shapes.MOST_NUMBER, shapes.MOST_NUMBER
        if column.refers is None:
            assert column.high is not None
            return column.low, column.high
        return 0, max(0, self._lengths.get(column.refers, self._count) - 1)


def _drawn(how: int | Draw, rng: Random, low: int, high: int) -> int:
    match how:
        case int():
            return how
        case shapes.Constant(value=value):
            return value
        case shapes.Uniform(low=least, high=most):
            first, last = low if least is None else least, high if most is None else most
            if first > last:
                raise InputError(f"uniform from {first} to {last}: nothing is in between")
            return rng.randint(first, last)
        case shapes.Choice(of=of):
            return rng.choice(of)
        case shapes.Exponential(mean=mean) | shapes.Poisson(mean=mean):
            return _clamped(rng.expovariate(1 / mean), low, high)
        case shapes.Pareto(shape=shape, least=least):
            return _clamped(least * rng.paretovariate(shape), low, high)
    raise InputError(f"{type(how).__name__.lower()} can only be drawn for a column")


def _clamped(value: float, low: int, high: int) -> int:
    return max(low, min(high, math.floor(value)))


def _by_reference(spec: SealedSpec) -> list[str]:
    """Return the tables, each after those that it refers to where that can be."""
    order: list[str] = []

    def add(name: str, path: tuple[str, ...]) -> None:
        if name not in order and name not in path:
            for column in spec.tables[name].columns.values():
                if column.refers is not None:
                    add(column.refers, (*path, name))
            order.append(name)

    for name in spec.tables:
        add(name, ())
    return order


def read_scenario(
    spec: SealedSpec,
    entry: Mapping[str, Any],
    shared: Mapping[str, Any],
    folder: Path,
    where: str,
    usual: Mapping[str, int] = _NOTHING,
) -> Scenario:
    """Return the scenario of an entry of a suite file: a generator with a seed, or a file.

    ``usual`` has parameters where nothing else is said.
    """
    check_keys(entry, ENTRY_KEYS, where)
    labels = {key: entry[key] for key in ("name", "family", "split")}
    simulator = _in_range(
        entry.get("simulator", 0), 0, shapes.MOST_ACCEPTED - 1, f"{where}: simulator"
    )
    seed = _in_range(entry.get("seed", 0), 0, shapes.MOST_NUMBER, f"{where}: seed")
    if ("generator" in entry) == ("file" in entry):
        raise InputError(f"{where}: expected either generator and seed, or file")
    own = {**table_of(shared.get("parameters", {}), f"{where}: parameters")}
    own |= table_of(entry.get("set", {}), f"{where}: set")
    try:
        if "generator" in entry:
            own = {**usual, **own}
            return generate(spec, str(entry["generator"]), seed, own, simulator=simulator, **labels)
        scenario = open_scenario(spec, folder / str(entry["file"]), usual)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return make_scenario(
        spec,
        {**scenario.values, **{key: each for key, each in own.items() if key in spec.values}},
        scenario.tables,
        where=where,
        parameters={
            **scenario.parameters,
            **{k: v for k, v in own.items() if k not in spec.values},
        },
        seed=seed,
        simulator=simulator,
        **labels,
    )


def open_scenario(spec: SealedSpec, path: Path, usual: Mapping[str, int] = _NOTHING) -> Scenario:
    """Return the scenario of a TOML file: ``values``, ``parameters`` and ``tables``.

    ``usual`` has parameters where the file names none.

    A table is a list of rows, or the name of a CSV file beside, whose first line names the columns.
    """
    content = read_toml(path, InputError)
    check_keys(content, FILE_KEYS, str(path))
    parts = {key: table_of(content.get(key, {}), f"{path}: {key}") for key in FILE_KEYS}
    try:
        tables = {
            name: _read_csv(spec, name, path.parent / rows)
            if isinstance(rows, str)
            else msgspec.convert(rows, list[list[int]])
            for name, rows in parts["tables"].items()
        }
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: tables: {error}") from None
    return make_scenario(
        spec,
        parts["values"],
        tables,
        where=str(path),
        parameters={**usual, **parts["parameters"]},
        name=path.stem,
    )


def scenario_from(data: bytes) -> Scenario:
    """Return the scenario in ``data``; raise ``InputError`` on anything else."""
    try:
        return decode(data, Scenario)
    except MessageError as error:
        raise InputError(str(error)) from None


def _read_csv(spec: SealedSpec, table: str, path: Path) -> list[list[int]]:
    if table not in spec.tables:
        raise InputError(f"{path}: there is no table {table}, expected {', '.join(spec.tables)}")
    lines = csv.reader(read_text(path, InputError, MAX_TABLE_BYTES).splitlines())
    header, columns = next(lines, []), list(spec.tables[table].columns)
    if sorted(header) != sorted(columns):
        raise InputError(f"{path}: the columns are {show(header)}, expected {', '.join(columns)}")
    places = [header.index(column) for column in columns]
    rows = []
    for number, line in enumerate(lines, start=2):
        try:
            rows.append([int(line[place]) for place in places])
        except (ValueError, IndexError):
            raise InputError(f"{path}: line {number}: expected {len(columns)} numbers") from None
    return rows


def _check_table(
    spec: SealedSpec,
    name: str,
    table: list[list[int]],
    rows: Mapping[str, Sequence[Any]],
    where: str,
) -> None:
    kind = spec.tables[name]
    if len(table) > kind.most:
        raise InputError(f"{where} has {len(table)} rows, expected at most {kind.most}")
    for row in table:
        if len(row) != len(kind.columns):
            raise InputError(f"{where}: a row has {len(row)} numbers, expected {len(kind.columns)}")
    for place, (key, column) in enumerate(kind.columns.items()):
        high = column.high if column.refers is None else len(rows[column.refers]) - 1
        assert high is not None
        low = column.low if column.refers is None else 0
        for number, row in enumerate(table):
            value = row[place]
            if type(value) is not int or not low <= value <= high:
                _in_range(value, low, high, f"{where}: row {number}: {key}")
    if kind.sorted_by is not None:
        place = list(kind.columns).index(kind.sorted_by)
        for number in range(1, len(table)):
            if table[number][place] < table[number - 1][place]:
                raise InputError(f"{where}: row {number} comes before row {number - 1}")


def _in_range(value: Any, low: int, high: int, where: str) -> int:
    if type(value) is not int or not low <= value <= high:
        raise InputError(f"{where} is {show(value)}, expected a whole number from {low} to {high}")
    return value
