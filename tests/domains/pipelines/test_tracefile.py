"""Trace files: what is read, what is written, and one line for everything that is malformed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.domains.pipelines.generate import generate_workload
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.tracefile import (
    COLUMNS,
    MAX_TRACE_NUMBER,
    parse_trace,
    read_trace,
    render_trace,
    replayed_tick,
    write_trace,
)
from simulator.domains.pipelines.workload import (
    SCALINGS,
    Operator,
    Pipeline,
    Priority,
    Segment,
    Workload,
    iteration_order,
)
from simulator.errors import TraceError

HEADER = ",".join(COLUMNS)
FIRST = "p1,0,QUERY,a,,1,const,,35"


def test_a_row_is_an_operator_and_blank_cells_continue_a_pipeline() -> None:
    rows = [
        HEADER,
        FIRST,
        "p1,,,b,a,2.5,exp,4,0",
        "p1,,,c, a ;b;,1,log,,1",
        "",
        "p2,3.2,QUERY,x,;,0,sqrt,,2",
    ]

    first, second = parse_trace("\n".join(rows), 10).pipelines

    assert [operator.parents for operator in first.operators] == [(), (0,), (0, 1)]
    assert first.operators[1].segments == (
        Segment(baseline_cpu_seconds=2.5, cpu_scaling="exp", memory_gb=4.0, storage_read_gb=0.0),
    )
    assert first.operators[0].segments[0].memory_gb is None
    assert (second.id, second.priority, second.arrival_tick) == ("p2", Priority.QUERY, 32)


def test_arrivals_are_rounded_up_by_the_same_division_as_ever() -> None:
    seconds = [tick * (1.0 / 1000) for tick in range(3000)]
    rows = [f"p{n},{each!r},QUERY,a,,1,const,,1" for n, each in enumerate(seconds)]

    ticks = [p.arrival_tick for p in parse_trace("\n".join([HEADER, *rows]), 1000).pipelines]

    late = [tick for tick, found in enumerate(ticks) if found != tick]
    assert late[0] == 1001
    assert all(ticks[tick] == tick + 1 for tick in late)
    assert ticks == [replayed_tick(tick, 1000) for tick in range(3000)]


def test_a_pipeline_never_arrives_before_the_one_above_it() -> None:
    rows = [
        HEADER,
        "p1,5,QUERY,a,,1,const,,1",
        "p2,3,QUERY,a,,1,const,,1",
        "p3,6,QUERY,a,,1,const,,1",
    ]

    assert [p.arrival_tick for p in parse_trace("\n".join(rows), 10).pipelines] == [50, 50, 60]


def test_columns_may_come_in_any_order_with_others_between() -> None:
    text = (
        "operator_id,note,storage_read_gb,cpu_scaling,baseline_cpu_seconds,priority,"
        "arrival_seconds,pipeline_id\na,hello,7,const,1,BATCH_PIPELINE,1,p9\n"
    )

    (pipeline,) = parse_trace(text, 10).pipelines

    assert (pipeline.id, pipeline.arrival_tick) == ("p9", 10)
    assert pipeline.operators[0].segments[0].storage_read_gb == 7


def test_a_header_alone_is_an_empty_workload() -> None:
    assert parse_trace(HEADER + "\r\n", 10).pipelines == ()


MALFORMED = [
    ("", "t.csv:1: no header"),
    ("pipeline_id,operator_id\n", "t.csv:1: column arrival_seconds is missing"),
    (f"{HEADER},parents\n", "t.csv:1: column parents is given twice"),
    (f"{HEADER}\np1,0,QUERY,a\n", "t.csv:2: 4 cells, expected 9 as in the header"),
    (f"{HEADER}\n{FIRST},more\n", "t.csv:2: 10 cells, expected 9"),
    (f"{HEADER}\n,0,QUERY,a,,1,const,,35", "t.csv:2: pipeline_id is '', expected a name"),
    (f"{HEADER}\np1,0,query,a,,1,const,,35", "t.csv:2: priority is 'query', expected QUERY"),
    (f"{HEADER}\np1,0,,a,,1,const,,35", "t.csv:2: priority is '', expected QUERY"),
    (f"{HEADER}\np1,,QUERY,a,,1,const,,35", "t.csv:2: arrival_seconds is '', expected a number"),
    (f"{HEADER}\np1,-1,QUERY,a,,1,const,,35", "arrival_seconds is '-1', expected a number from 0"),
    (f"{HEADER}\np1,nan,QUERY,a,,1,const,,35", "arrival_seconds is 'nan', expected a number"),
    (f"{HEADER}\np1,1e10,QUERY,a,,1,const,,3", f"from 0 to {MAX_TRACE_NUMBER:g}"),
    (f"{HEADER}\np1,0,QUERY,a,,one,const,,35", "baseline_cpu_seconds is 'one', expected a number"),
    (f"{HEADER}\np1,0,QUERY,a,,1,cubic,,35", "cpu_scaling is 'cubic', expected one of const, log"),
    (f"{HEADER}\np1,0,QUERY,a,,1,const, ,35", "memory_gb is ' ', expected a number"),
    (f"{HEADER}\np1,0,QUERY,a,,1,const,,inf", "storage_read_gb is 'inf', expected a number"),
    (f"{HEADER}\np1,0,QUERY,a,b,1,const,,1", "t.csv:2: parents is 'b', expected operators in rows"),
    (
        f"{HEADER}\n{FIRST}\np1,,,b,a;a,1,const,,1",
        "t.csv:3: parents is 'a;a', expected each parent",
    ),
    (f"{HEADER}\n{FIRST}\np1,,,a,,1,const,,1", "t.csv:3: operator_id is 'a', expected a new name"),
    (f"{HEADER}\n{FIRST}\np1,,,,,1,const,,1", "t.csv:3: operator_id is '', expected a new name"),
    (f"{HEADER}\n{FIRST}\np1,1,,b,,1,const,,1", "arrival_seconds is '1', expected blank after"),
    (f"{HEADER}\n{FIRST}\np1,,QUERY,b,,1,const,,1", "priority is 'QUERY', expected blank after"),
    (
        f"{HEADER}\n{FIRST}\np2,0,QUERY,a,,1,const,,1\n{FIRST}",
        "t.csv:4: pipeline_id is 'p1', expected all rows of a pipeline together",
    ),
    (f"{HEADER}\n" + "x" * 200_000, "t.csv:2: not readable as CSV"),
]


@pytest.mark.parametrize(("text", "message"), MALFORMED)
def test_a_malformed_trace_names_file_line_column_and_value(text: str, message: str) -> None:
    with pytest.raises(TraceError) as caught:
        parse_trace(text, 10, "t.csv")

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_written_trace_reads_back_up_to_the_rounding_of_arrivals(tmp_path: Path) -> None:
    params = Params(duration=100, ticks_per_second=1000, dag_branch_in_prob=1, num_pools=1)
    workload = generate_workload(params)

    write_trace(workload, tmp_path / "t.csv", 1000)
    replayed = read_trace(tmp_path / "t.csv", 1000)

    assert [p.operators for p in replayed.pipelines] == [p.operators for p in workload.pipelines]
    assert [p.arrival_tick for p in replayed.pipelines] == [
        replayed_tick(p.arrival_tick, 1000) for p in workload.pipelines
    ]
    assert render_trace(workload, 1000).count("\r\n") == 1 + sum(
        len(pipeline.operators) for pipeline in workload.pipelines
    )


def test_an_operator_of_two_segments_cannot_be_written() -> None:
    work = Segment(baseline_cpu_seconds=1)
    operator = Operator(id="a", segments=(work, work))
    pipeline = Pipeline(id="p", priority=Priority.QUERY, arrival_tick=0, operators=(operator,))

    with pytest.raises(TraceError, match="operator 'a' of pipeline 'p' cannot be written"):
        render_trace(Workload(pipelines=(pipeline,)), 10)


def test_equal_operators_are_one_object() -> None:
    rows = [HEADER, *(f"p{n},0,QUERY,a,,1,const,,35" for n in range(3))]

    first, *rest = parse_trace("\n".join(rows), 10).pipelines

    assert all(pipeline.operators[0] is first.operators[0] for pipeline in rest)


def test_files_that_cannot_be_read_are_trace_errors(tmp_path: Path) -> None:
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe")

    for name, message in (("none.csv", "cannot be read"), ("bytes.csv", "byte 0 is not UTF-8")):
        with pytest.raises(TraceError, match=message):
            read_trace(tmp_path / name, 10)


def test_iteration_is_breadth_first_and_waits_for_every_parent() -> None:
    parents: list[tuple[int, ...]] = [(), (), (0,), (0, 1), (2,), (1,)]
    operators = [Operator(id=str(n), parents=each) for n, each in enumerate(parents)]

    assert iteration_order(operators) == [0, 1, 2, 3, 5, 4]


cell = st.one_of(
    st.sampled_from(["", "p1", "p2", "a", "b", "a;b", "0", "1.5", "nan", "QUERY", *SCALINGS]),
    st.text(max_size=6),
    st.floats().map(repr),
)


@given(st.lists(st.lists(cell, min_size=8, max_size=10), max_size=6))
def test_any_cells_are_read_or_refused_with_one_line(rows: list[list[str]]) -> None:
    text = "\n".join([HEADER, *(",".join(row) for row in rows)])

    try:
        parse_trace(text, 1000, "t.csv")
    except TraceError as error:
        assert str(error).startswith("t.csv:")
        assert "\n" not in str(error)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_with_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("trace") / "t.csv"
    path.write_bytes(HEADER.encode() + b"\n" + data)

    try:
        read_trace(path, 10)
    except TraceError as error:
        assert str(error).startswith(f"{path}:")
        assert "\n" not in str(error)
