"""Scenarios as bytes and as a hash: equal operators and segments are written once."""

import hashlib
from dataclasses import dataclass
from typing import Any

from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.scenario import Scenario
from simulator.domains.pipelines.workload import Operator, Pipeline, Priority, Segment, Workload
from simulator.errors import InputError
from simulator.messages import MessageError, decode, encode

SegmentRow = tuple[int | float, str, int | float | None, int | float]
OperatorRow = tuple[str, list[int], list[int]]
PipelineRow = tuple[str, int, int, list[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tables:
    """A workload as three tables; rows refer to rows of the table before by position."""

    segments: list[SegmentRow]
    operators: list[OperatorRow]
    pipelines: list[PipelineRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Payload:
    """A scenario as it travels."""

    name: str
    family: str
    split: str
    sha256: str
    params: dict[str, Any]
    tables: _Tables


def encode_scenario(scenario: Scenario) -> bytes:
    """Return the bytes of a scenario; scaling functions that are not names cannot travel."""
    return encode(
        _Payload(
            name=scenario.name,
            family=scenario.family,
            split=scenario.split,
            sha256=scenario.sha256,
            params=scenario.params.to_mapping(),
            tables=_tables(scenario.workload),
        )
    )


def decode_scenario(data: bytes) -> Scenario:
    """Return the scenario in ``data``; raise :class:`InputError` on anything else."""
    try:
        payload = decode(data, _Payload)
        workload = _workload(payload.tables)
    except (MessageError, IndexError, ValueError) as error:
        raise InputError(f"not an encoded scenario: {error}") from None
    return Scenario(
        name=payload.name,
        family=payload.family,
        split=payload.split,
        params=Params.from_mapping(payload.params, where=payload.name),
        workload=workload,
        sha256=payload.sha256,
    )


def scenario_sha256(params: Params, workload: Workload) -> str:
    """Return the hash of parameters and workload: equal hashes mean the same scenario."""
    digest = hashlib.sha256(encode(params.to_mapping()))
    digest.update(encode(_tables(workload)))
    return digest.hexdigest()


def _tables(workload: Workload) -> _Tables:
    segments: dict[Segment, int] = {}
    operators: dict[Operator, int] = {}
    segment_rows: list[SegmentRow] = []
    operator_rows: list[OperatorRow] = []
    pipelines: list[PipelineRow] = []
    for pipeline in workload.pipelines:
        members: list[int] = []
        for operator in pipeline.operators:
            place = operators.get(operator)
            if place is None:
                for segment in operator.segments:
                    if segment not in segments:
                        segments[segment] = len(segments)
                        segment_rows.append(_segment_row(segment, operator))
                work = [segments[segment] for segment in operator.segments]
                place = operators[operator] = len(operators)
                operator_rows.append((operator.id, list(operator.parents), work))
            members.append(place)
        pipelines.append((pipeline.id, int(pipeline.priority), pipeline.arrival_tick, members))
    return _Tables(segments=segment_rows, operators=operator_rows, pipelines=pipelines)


def _segment_row(segment: Segment, operator: Operator) -> SegmentRow:
    scaling = segment.cpu_scaling
    if not isinstance(scaling, str):
        raise InputError(
            f"operator {operator.id!r} scales by a function, expected a named cpu_scaling: "
            "functions cannot be sent to a cell"
        )
    return (segment.baseline_cpu_seconds, scaling, segment.memory_gb, segment.storage_read_gb)


def _workload(tables: _Tables) -> Workload:
    segments = [
        Segment(
            baseline_cpu_seconds=cpu, cpu_scaling=scaling, memory_gb=memory, storage_read_gb=read
        )
        for cpu, scaling, memory, read in tables.segments
    ]
    operators = [
        Operator(
            id=name,
            parents=tuple(parents),
            segments=tuple([segments[place] for place in work]),
        )
        for name, parents, work in tables.operators
    ]
    return Workload(
        pipelines=tuple(
            Pipeline(
                id=name,
                priority=Priority(priority),
                arrival_tick=tick,
                operators=tuple([operators[place] for place in members]),
            )
            for name, priority, tick, members in tables.pipelines
        )
    )
