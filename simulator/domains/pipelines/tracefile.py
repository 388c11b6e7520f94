"""Reading and writing trace files: CSV, one row per operator, rows of a pipeline together."""

import csv
import io
import math
from collections.abc import Iterable, Iterator
from operator import itemgetter
from pathlib import Path

from simulator.domains.pipelines.workload import (
    MAX_OPERATORS,
    SCALINGS,
    Operator,
    Pipeline,
    Priority,
    Segment,
    Workload,
)
from simulator.errors import TraceError
from simulator.textfile import read_text, show

COLUMNS = (
    "pipeline_id",
    "arrival_seconds",
    "priority",
    "operator_id",
    "parents",
    "baseline_cpu_seconds",
    "cpu_scaling",
    "memory_gb",
    "storage_read_gb",
)
OPTIONAL_COLUMNS = ("parents", "memory_gb")
MAX_TRACE_BYTES = 256 << 20
MAX_TRACE_NUMBER = 1e9
"""Largest number in a trace, in seconds or GB."""

Cells = tuple[str, ...]


def read_trace(path: str | Path, ticks_per_second: float) -> Workload:
    """Return the workload in a trace file; errors name file, line, column and value."""
    path = Path(path)
    text = read_text(path, TraceError, MAX_TRACE_BYTES)
    return parse_trace(text, ticks_per_second, str(path))


def parse_trace(text: str, ticks_per_second: float, where: str = "trace") -> Workload:
    """Return the workload in the text of a trace file; ``where`` begins error messages.

    A pipeline arrives at the first tick that is not before its ``arrival_seconds``, and never
    before the pipeline above it.
    """
    reader = csv.reader(io.StringIO(text, newline=""))
    builder = _Builder(1.0 / ticks_per_second, where)
    try:
        for head, work in _rows(reader, where):
            builder.add(head, work, reader.line_num)
    except csv.Error as error:
        raise TraceError(f"{where}:{reader.line_num}: not readable as CSV: {error}") from None
    return builder.finish()


def render_trace(workload: Workload, ticks_per_second: float) -> str:
    """Return the text of a trace file; pipelines and operators are numbered anew from 1.

    Arrivals are written as ``tick * (1 / ticks_per_second)``, as the reference does; reading them
    back moves about one in a hundred to the next tick (see :func:`replayed_tick`).
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for number, pipeline in enumerate(workload.pipelines, start=1):
        arrival = repr(pipeline.arrival_tick * (1.0 / ticks_per_second))
        head = [f"p{number}", arrival, pipeline.priority.name]
        for position, operator in enumerate(pipeline.operators, start=1):
            parents = ";".join(f"op{parent + 1}" for parent in operator.parents)
            writer.writerow([*head, f"op{position}", parents, *_work_cells(pipeline, operator)])
            head = [f"p{number}", "", ""]
    return out.getvalue()


def write_trace(workload: Workload, path: str | Path, ticks_per_second: float) -> None:
    """Write a trace file; each operator must have one segment with a named scaling."""
    from simulator.whole_files import write_text  # no cell writes files

    write_text(Path(path), render_trace(workload, ticks_per_second), TraceError)


def replayed_tick(tick: int, ticks_per_second: float) -> int:
    """Return the tick at which a pipeline written at ``tick`` arrives when the file is read."""
    tick_seconds = 1.0 / ticks_per_second
    return math.ceil(tick * tick_seconds / tick_seconds)


def _work_cells(pipeline: Pipeline, operator: Operator) -> list[str | float]:
    if len(operator.segments) != 1 or not isinstance(operator.segments[0].cpu_scaling, str):
        raise TraceError(
            f"operator {operator.id!r} of pipeline {pipeline.id!r} cannot be written: a trace file "
            "holds one segment per operator, with a named cpu_scaling"
        )
    work = operator.segments[0]
    memory = "" if work.memory_gb is None else work.memory_gb
    return [work.baseline_cpu_seconds, str(work.cpu_scaling), memory, work.storage_read_gb]


def _rows(reader: Iterator[list[str]], where: str) -> Iterator[tuple[Cells, Cells]]:
    """Yield the first five and the last four of ``COLUMNS`` of each row."""
    header = next(reader, None)
    if not header:
        raise TraceError(f"{where}:1: no header, expected the columns {','.join(COLUMNS)}")
    _check_header(header, where)
    width = len(header)
    absent = [name for name in OPTIONAL_COLUMNS if name not in header]
    places = [(header + absent).index(name) for name in COLUMNS]
    pick_head, pick_work = itemgetter(*places[:5]), itemgetter(*places[5:])
    blanks = [""] * len(absent)
    for row in reader:
        if not row:
            continue
        if len(row) != width:
            if len(row) < width or any(row[width:]):
                line = getattr(reader, "line_num", 0)
                raise TraceError(
                    f"{where}:{line}: {len(row)} cells, expected {width} as in the header"
                )
            del row[width:]
        row += blanks
        yield pick_head(row), pick_work(row)


def _check_header(header: list[str], where: str) -> None:
    for name in COLUMNS:
        if name not in header and name not in OPTIONAL_COLUMNS:
            raise TraceError(f"{where}:1: column {name} is missing, expected {','.join(COLUMNS)}")
        if header.count(name) > 1:
            raise TraceError(f"{where}:1: column {name} is given twice, remove one")


class _Builder:
    """Collects rows into pipelines; equal segments and operators become one object."""

    __slots__ = (
        "_arrival_tick",
        "_count",
        "_id",
        "_names",
        "_operators",
        "_parsed",
        "_pipelines",
        "_priority",
        "_seen",
        "_shared",
        "_split",
        "_tick_seconds",
        "_where",
    )

    def __init__(self, tick_seconds: float, where: str) -> None:
        self._tick_seconds = tick_seconds
        self._where = where
        self._pipelines: list[Pipeline] = []
        self._seen: set[str] = set()
        self._split: dict[str, tuple[str, ...]] = {}
        self._parsed: dict[Cells, tuple[Segment]] = {}
        self._shared: dict[tuple[str, tuple[int, ...], int], Operator] = {}
        self._id = ""
        self._priority = Priority.QUERY
        self._arrival_tick = 0
        self._names: dict[str, int] = {}
        self._operators: list[Operator] = []
        self._count = 0

    def add(self, head: Cells, work: Cells, line: int) -> None:
        pipeline_id, arrival, priority, name, parents = head
        if pipeline_id != self._id or not self._operators:
            self._begin(pipeline_id, arrival, priority, line)
        elif arrival or priority:
            column, value = ("arrival_seconds", arrival) if arrival else ("priority", priority)
            raise self._wrong(line, column, value, f"blank after the first row of {pipeline_id!r}")
        segments = self._parsed.get(work)
        if segments is None:
            segments = self._parsed[work] = (self._segment(work, line),)
        positions = self._positions(parents, line) if parents else ()
        if name in self._names or not name:
            raise self._wrong(line, "operator_id", name, f"a new name within {pipeline_id!r}")
        self._names[name] = len(self._operators)
        key = (name, positions, id(segments))
        operator = self._shared.get(key)
        if operator is None:
            operator = Operator(id=name, parents=positions, segments=segments)
            self._shared[key] = operator
        self._operators.append(operator)
        self._count += 1
        if self._count > MAX_OPERATORS:
            raise TraceError(f"{self._where}:{line}: more than {MAX_OPERATORS} operators, split it")

    def finish(self) -> Workload:
        self._close()
        return Workload(pipelines=tuple(self._pipelines))

    def _begin(self, pipeline_id: str, arrival: str, priority: str, line: int) -> None:
        self._close()
        if not pipeline_id:
            raise self._wrong(line, "pipeline_id", pipeline_id, "a name")
        if pipeline_id in self._seen:
            raise self._wrong(
                line, "pipeline_id", pipeline_id, "all rows of a pipeline together, each id once"
            )
        if priority not in Priority.__members__:
            raise self._wrong(line, "priority", priority, "QUERY, INTERACTIVE or BATCH_PIPELINE")
        seconds = self._number(arrival, "arrival_seconds", line)
        tick = math.ceil(seconds / self._tick_seconds)
        self._arrival_tick = max(tick, self._arrival_tick)
        self._seen.add(pipeline_id)
        self._id = pipeline_id
        self._priority = Priority[priority]
        self._names = {}
        self._operators = []

    def _close(self) -> None:
        if self._operators:
            self._pipelines.append(
                Pipeline(
                    id=self._id,
                    priority=self._priority,
                    arrival_tick=self._arrival_tick,
                    operators=tuple(self._operators),
                )
            )

    def _segment(self, cells: Iterable[str], line: int) -> Segment:
        baseline, scaling, memory, storage = cells
        if scaling not in SCALINGS:
            raise self._wrong(line, "cpu_scaling", scaling, f"one of {', '.join(SCALINGS)}")
        return Segment(
            baseline_cpu_seconds=self._number(baseline, "baseline_cpu_seconds", line),
            cpu_scaling=scaling,
            memory_gb=self._number(memory, "memory_gb", line) if memory else None,
            storage_read_gb=self._number(storage, "storage_read_gb", line),
        )

    def _positions(self, parents: str, line: int) -> tuple[int, ...]:
        names = self._split.get(parents)
        if names is None:
            names = tuple(name for part in parents.split(";") if (name := part.strip()))
            if len(set(names)) != len(names):
                raise self._wrong(line, "parents", parents, "each parent once")
            self._split[parents] = names
        try:
            return tuple([self._names[name] for name in names])
        except KeyError as error:
            above = f"operators in rows above of pipeline {self._id!r}"
            raise self._wrong(line, "parents", error.args[0], above) from None

    def _number(self, text: str, column: str, line: int) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0.0 <= value <= MAX_TRACE_NUMBER:
            raise self._wrong(line, column, text, f"a number from 0 to {MAX_TRACE_NUMBER:g}")
        return value

    def _wrong(self, line: int, column: str, value: str, expected: str) -> TraceError:
        return TraceError(f"{self._where}:{line}: {column} is {show(value)}, expected {expected}")
