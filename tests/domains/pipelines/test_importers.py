"""Importers of public formats, on small files written by hand from the published descriptions."""

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.domains.pipelines.importers.alibaba_2018 import import_alibaba_2018
from simulator.domains.pipelines.importers.azure_2019 import import_azure_2019
from simulator.domains.pipelines.importers.azure_2021 import import_azure_2021
from simulator.domains.pipelines.importers.records import Node, Selection, graph_operators
from simulator.domains.pipelines.importers.swf import import_swf
from simulator.domains.pipelines.importers.wfcommons import import_wfcommons
from simulator.domains.pipelines.workload import Priority, Segment
from simulator.errors import TraceError

MINUTES = ",".join(str(minute) for minute in range(1, 1441))
QUIET = ",".join(["0"] * 1438)


def write(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def azure_2019_files(folder: Path) -> tuple[Path, Path, Path]:
    percentiles = ",".join(f"percentile_Average_{step}" for step in (0, 1, 25, 50, 75, 99, 100))
    sizes = ",".join(f"AverageAllocatedMb_pct{step}" for step in (1, 5, 25, 50, 75, 95, 99, 100))
    return (
        write(
            folder,
            "invocations.csv",
            f"HashOwner,HashApp,HashFunction,Trigger,{MINUTES}",
            f"o,a,f,http,2,1,{QUIET}",
            f"o,a,g,timer,0,1,{QUIET}",
            f"o,b,h,queue,1,0,{QUIET}",
            f"o,c,unknown,http,9,9,{QUIET}",
        ),
        write(
            folder,
            "durations.csv",
            f"HashOwner,HashApp,HashFunction,Average,Count,Minimum,Maximum,{percentiles}",
            *(
                f"o,{name},1500,4,1500,1500,1500,1500,1500,1500,1500,1500,1500"
                for name in ("a,f", "a,g", "b,h")
            ),
        ),
        write(
            folder,
            "memory.csv",
            f"HashOwner,HashApp,SampleCount,AverageAllocatedMb,{sizes}",
            "o,a,10,300,300,300,300,300,300,300,300,300",
        ),
    )


def test_azure_2019_counts_become_pipelines_with_trigger_duration_and_memory(
    tmp_path: Path,
) -> None:
    files = azure_2019_files(tmp_path)

    imported = import_azure_2019(*files, selection=Selection(window_seconds=120, seed=1))

    pipelines = imported.workload.pipelines
    assert sorted(pipeline.priority for pipeline in pipelines) == [1, 1, 1, 2, 3]
    work = {pipeline.priority: pipeline.operators[0].segments[0] for pipeline in pipelines}
    assert work[Priority.QUERY] == Segment(baseline_cpu_seconds=1.5, memory_gb=0.3)
    assert work[Priority.INTERACTIVE].memory_gb == 0.17
    assert pipelines[-1].arrival_tick < 120 * 100
    assert [(each.reason, each.jobs) for each in imported.left_out] == [
        ("of functions without durations", 18)
    ]


def test_azure_2021_invocations_begin_at_their_end_less_their_duration(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "t.csv",
        "app,func,end_timestamp,duration",
        "a,f,7.5,2.5",
        "a,g,6.25,0.25",
        "b,f,900,1",
    )

    imported = import_azure_2021(path)

    first, second = imported.workload.pipelines
    assert (first.arrival_tick, second.arrival_tick) == (0, 100)
    assert first.operators[0].segments[0].baseline_cpu_seconds == 2.5
    assert first.operators[0].segments[0].memory_gb == second.operators[0].segments[0].memory_gb
    assert sum(each.jobs for each in imported.left_out) == 1


def test_alibaba_2018_task_names_spell_the_graph(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "batch_task.csv",
        "M1,3,j_1,1,Terminated,100,110,100,0.5",
        "R5_3_4,1,j_1,1,Terminated,140,150,200,1",
        "M2_1,1,j_1,1,Terminated,110,120,50,0.5",
        "M3_1,1,j_1,1,Terminated,110,130,100,0.5",
        "R4_2,1,j_1,1,Terminated,120,140,100,0.5",
        "task_Nzg3,1,j_2,1,Terminated,160,170,100,0.5",
        "M1,1,j_3,1,Failed,100,110,100,0.5",
    )

    imported = import_alibaba_2018(path)

    job, alone = imported.workload.pipelines
    assert [operator.parents for operator in job.operators] == [(), (0,), (0,), (1,), (2, 3)]
    assert (job.priority, alone.priority) == (Priority.BATCH_PIPELINE, Priority.QUERY)
    assert alone.arrival_tick == 6000
    last = job.operators[-1].segments[0]
    assert (last.baseline_cpu_seconds, last.cpu_scaling, last.memory_gb) == (20.0, "linear7", 0.96)
    assert sum(each.jobs for each in imported.left_out) == 1


def workflow(**changes: Any) -> dict[str, Any]:
    tasks = [
        {"name": "b", "id": "b", "parents": ["a"], "children": [], "inputFiles": ["x"]},
        {"name": "a", "id": "a", "parents": [], "children": ["b"]},
    ]
    runs = [
        {"id": "a", "runtimeInSeconds": 10, "coreCount": 4, "memoryInBytes": 3_000_000_000},
        {"id": "b", "runtimeInSeconds": 5.5},
    ]
    files = [{"id": "x", "sizeInBytes": 40_000_000_000}]
    execution = {"makespanInSeconds": 16, "executedAt": "now", "tasks": runs}
    specification = {"tasks": tasks, "files": files}
    whole = {"specification": specification, "execution": execution}
    return {"name": "w", "schemaVersion": "1.5", "workflow": whole, **changes}


def test_wfcommons_tasks_become_operators_in_the_order_of_their_graph(tmp_path: Path) -> None:
    path = write(tmp_path, "w.json", json.dumps(workflow()))

    imported = import_wfcommons([path, path], gap_seconds=30)

    first, second = imported.workload.pipelines
    assert second.arrival_tick == 3000
    assert [operator.parents for operator in first.operators] == [(), (0,)]
    (a,), (b,) = (operator.segments for operator in first.operators)
    assert (a.baseline_cpu_seconds, a.cpu_scaling, a.memory_gb) == (40, "linear7", 3)
    assert (b.baseline_cpu_seconds, b.storage_read_gb, b.memory_gb) == (3.5, 40, 2)


def test_swf_lines_become_operators_without_a_graph(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "log.swf",
        "; Version: 2.2",
        "1 0 5 100 4 90 2000000 4 200 -1 1 3 1 1 1 1 -1 -1",
        "2 10 -1 30 1 -1 -1 1 60 -1 1 3 1 1 1 1 -1 -1",
        "3 20 -1 300 1 -1 -1 1 60 500000 1 3 1 1 0 1 -1 -1",
        "4 30 -1 -1 -1 -1 -1 1 60 -1 5 3 1 1 1 1 -1 -1",
    )

    imported = import_swf(path)

    batch, query, interactive = imported.workload.pipelines
    assert [each.priority.name for each in (query, interactive)] == ["QUERY", "INTERACTIVE"]
    work, rest = (each.segments[0] for each in batch.operators)
    assert (work.baseline_cpu_seconds, work.cpu_scaling, work.memory_gb) == (300, "linear3", 6)
    assert (rest.baseline_cpu_seconds, rest.cpu_scaling, rest.memory_gb) == (100, "const", 2)
    assert query.operators[0].segments[0].memory_gb == 1
    assert interactive.operators[0].segments[0].memory_gb == 0.5
    assert interactive.arrival_tick == 200
    assert sum(each.jobs for each in imported.left_out) == 1


MALFORMED: list[tuple[Any, str, str]] = [
    (import_swf, "1 2 3", "t:1: 3 fields, expected 18"),
    (import_swf, "1 x " + "0 " * 16, "t:1: field 2 is 'x', expected a number from -1"),
    (import_alibaba_2018, "M1,1", "t:1: 2 cells, expected batch_task.csv of cluster-trace-v2018"),
    (import_alibaba_2018, "M1,1,j,1,Terminated,a,2,1,1", "t:1: start_time is 'a'"),
    (import_alibaba_2018, "M1_2,1,j,1,Terminated,1,2,1,1\nM2_1,1,j,1,Terminated,1,2,1,1", "circle"),
    (import_azure_2021, "app,func,duration\na,f,1", "t:1: column end_timestamp is missing"),
    (import_azure_2021, "", "t:1: column app is missing"),
    (import_swf, "; only a comment", "t: holds no job that can be taken"),
]


def test_malformed_files_give_one_line(tmp_path: Path) -> None:
    for importer, text, message in MALFORMED:
        path = write(tmp_path, "t", text)

        with pytest.raises(TraceError, match=message) as caught:
            importer(path)

        assert "\n" not in str(caught.value)


def test_a_malformed_workflow_names_the_key(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"workflow": {}}, r"workflow has neither specification, tasks nor jobs, .*'1\.5'"),
        ({"workflow": []}, r"workflow is \[\], expected an object"),
        ({"workflow": {"jobs": {}}}, r"jobs is \{\}, expected a list"),
        ({"workflow": {"jobs": [7]}}, r"7, expected an object"),
    ]
    for changes, message in cases:
        path = write(tmp_path, "w.json", json.dumps(workflow(**changes)))

        with pytest.raises(TraceError, match=message):
            import_wfcommons([path])


def test_many_that_wait_for_many_wait_for_one_between() -> None:
    work = Segment(baseline_cpu_seconds=1)
    first, then = [Node(segment=work)] * 3500, [Node(segment=work, waits_for=("a",))] * 3500

    made = graph_operators(first + then, {"a": range(3500), "b": range(3500, 7000)})

    assert made is not None
    operators, barriers = made
    assert (len(operators), barriers) == (7001, 1)
    assert sum(len(each.parents) for each in operators) == 7000
    (barrier,) = (each for each in operators if each.segments[0].baseline_cpu_seconds == 0)
    assert len(barrier.parents) == 3500
