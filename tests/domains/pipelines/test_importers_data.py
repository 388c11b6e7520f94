"""What the published data sets really hold: marks of invalid values, parts of jobs, odd text."""

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.domains.pipelines.importers.alibaba_2018 import import_alibaba_2018
from simulator.domains.pipelines.importers.azure_2019 import import_azure_2019
from simulator.domains.pipelines.importers.azure_2021 import import_azure_2021
from simulator.domains.pipelines.importers.records import Imported, Selection
from simulator.domains.pipelines.importers.swf import import_swf
from simulator.domains.pipelines.importers.wfcommons import import_wfcommons
from simulator.domains.pipelines.workload import Priority
from simulator.errors import TraceError
from simulator.readers.files import MAX_LINE_CHARS
from tests.support.import_files import azure_2019_day, wfcommons_instance

JOB = "{} 0 5 {} {} -1 {} 4 200 -1 {} 1 1 1 1 1 -1 -1\n"


def swf(folder: Path, *lines: str) -> Imported:
    path = folder / "log.swf"
    path.write_text("; Version: 2.2\n" + "".join(lines), encoding="latin-1")
    return import_swf(path)


def alibaba(folder: Path, *rows: str, most_instances: int = 1) -> Imported:
    path = folder / "batch_task.csv"
    path.write_text("".join(row + "\n" for row in rows), encoding="utf-8")
    return import_alibaba_2018(path, most_instances=most_instances)


def test_tasks_are_grouped_by_the_third_column(tmp_path: Path) -> None:
    imported = alibaba(
        tmp_path,
        "M1,12846.0,j_3,1,Terminated,15,95,100.0,0.3",
        "R2_1,371.0,j_3,1,Terminated,97,122,100.0,0.49",
        "M1,1.0,j_4,1,Terminated,100,110,50.0,0.1",
    )

    assert [len(each.operators) for each in imported.workload.pipelines] == [2, 1]


def test_rows_of_a_job_need_not_stand_together(tmp_path: Path) -> None:
    imported = alibaba(
        tmp_path,
        "R2_1,1,j_1,1,Terminated,20,30,100,0.1",
        "M1,1,j_2,1,Terminated,40,50,100,0.1",
        "M1,1,j_1,1,Terminated,10,20,100,0.1",
    )

    assert [len(each.operators) for each in imported.workload.pipelines] == [2, 1]


@pytest.mark.parametrize("memory", ["-1", "101", ""])
def test_a_job_with_memory_that_is_marked_invalid_is_left_out(tmp_path: Path, memory: str) -> None:
    imported = alibaba(
        tmp_path,
        f"M1,1,j_1,1,Terminated,10,20,100,{memory}",
        "M1,1,j_2,1,Terminated,10,20,100,0.5",
    )

    assert (len(imported.workload.pipelines), imported.jobs - imported.taken_jobs) == (1, 1)


def test_a_job_that_began_before_the_window_is_left_out(tmp_path: Path) -> None:
    imported = alibaba(
        tmp_path,
        "M1,1,j_1,1,Terminated,0,20,100,1",
        "R2_1,1,j_1,1,Terminated,20,30,100,1",
        "M1,1,j_2,1,Terminated,590,700,100,1",
        "R2_1,1,j_2,1,Terminated,700,800,100,1",
    )

    (job,) = imported.workload.pipelines
    assert len(job.operators) == 2


def test_instances_of_a_task_run_side_by_side_up_to_a_cap(tmp_path: Path) -> None:
    imported = alibaba(
        tmp_path,
        "M1,12846.0,j_1,1,Terminated,10,20,100,1",
        "R2_1,2,j_1,1,Terminated,20,30,100,1",
        most_instances=3,
    )

    (job,) = imported.workload.pipelines
    assert [each.parents for each in job.operators] == [(), (), (), (0, 1, 2), (0, 1, 2)]
    assert any("3 at most" in each for each in imported.assumptions)


def test_parts_of_a_job_are_not_counted_beside_the_whole(tmp_path: Path) -> None:
    imported = swf(
        tmp_path,
        JOB.format(1, 100, 4, -1, 1),
        JOB.format(1, 60, 4, -1, 2),
        JOB.format(1, 40, 4, -1, 3),
    )

    assert (len(imported.workload.pipelines), imported.jobs - imported.taken_jobs) == (1, 2)


def test_a_wide_job_keeps_its_work_and_its_run_time(tmp_path: Path) -> None:
    imported = swf(tmp_path, JOB.format(1, 100, 64, 500_000, 1))

    (job,) = imported.workload.pipelines
    segments = [each.segments[0] for each in job.operators]
    assert len(segments) == 10
    assert [each.cpu_scaling for each in segments] == ["linear7"] * 9 + ["const"]
    assert sum(each.baseline_cpu_seconds for each in segments) == pytest.approx(6400)
    assert sum(each.memory_gb or 0 for each in segments) == pytest.approx(32)


def test_a_run_time_of_zero_is_short_not_missing(tmp_path: Path) -> None:
    imported = swf(tmp_path, JOB.format(1, 0, 1, -1, 1), JOB.format(2, -1, 1, -1, 5))

    (job,) = imported.workload.pipelines
    assert job.operators[0].segments[0].baseline_cpu_seconds == 0.5
    assert imported.jobs - imported.taken_jobs == 1


def test_comments_may_hold_any_letters_and_odd_separators(tmp_path: Path) -> None:
    imported = swf(tmp_path, "; Universit\xe9 \x0c \x85 \x1c 1 2 3\n", JOB.format(1, 9, 1, -1, 1))

    assert len(imported.workload.pipelines) == 1


def test_figures_that_no_trace_can_hold_are_refused_with_their_line(tmp_path: Path) -> None:
    with pytest.raises(
        TraceError, match=r"log\.swf:2: cpu work, s comes to 7000000000.0, expected"
    ):
        swf(tmp_path, JOB.format(1, 1e9, 1e14, -1, 1))


def test_two_terabytes_for_a_processor_are_no_error(tmp_path: Path) -> None:
    imported = swf(tmp_path, JOB.format(1, 10, 1, 2_000_000_000, 1))

    assert imported.workload.pipelines[0].operators[0].segments[0].memory_gb == 2000


@pytest.mark.parametrize("value", ["1" + "0" * 400, "1e400", "-1", "1e16", '"1"', "true"])
def test_a_run_time_that_is_no_number_of_seconds_names_the_task(tmp_path: Path, value: str) -> None:
    (path,) = wfcommons_instance(tmp_path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"runtimeInSeconds": 10', f'"runtimeInSeconds": {value}'))

    with pytest.raises(TraceError, match="task 'root': runtimeInSeconds is"):
        import_wfcommons([path])


def test_reading_takes_no_longer_than_the_recorded_run_time(tmp_path: Path) -> None:
    (path,) = wfcommons_instance(tmp_path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("4000000000", "4000000000000"))

    imported = import_wfcommons([path])

    root = imported.workload.pipelines[0].operators[0].segments[0]
    assert (root.baseline_cpu_seconds, root.storage_read_gb) == (0, 200)


def test_a_fraction_of_an_invocation_is_refused(tmp_path: Path) -> None:
    invocations, durations, memory = azure_2019_day(tmp_path)
    text = invocations.read_text(encoding="utf-8")
    invocations.write_text(text.replace("http,2,", "http,1.5,"), encoding="utf-8")

    with pytest.raises(TraceError, match=r"invocations\.csv:2: 1 is '1\.5', expected a whole"):
        import_azure_2019(invocations, durations, memory)


def test_memory_of_an_application_is_the_same_in_every_window(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("app,func,end_timestamp,duration\na,f,5,1\nb,f,6,1\nb,f,700,1\n")

    first = import_azure_2021(path)
    later = import_azure_2021(path, Selection(begin_seconds=600))

    assert first.workload.pipelines[1].operators == later.workload.pipelines[0].operators


def test_a_file_without_line_ends_is_refused_before_it_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "t.swf"
    path.write_text("1 " * MAX_LINE_CHARS)

    with pytest.raises(TraceError, match=r"t\.swf:1: line of more than"):
        import_swf(path)


def test_a_priority_is_given_by_trigger(tmp_path: Path) -> None:
    invocations, durations, memory = azure_2019_day(tmp_path)

    imported = import_azure_2019(invocations, durations, memory)

    found = {each.priority for each in imported.workload.pipelines}
    assert found == {Priority.QUERY, Priority.BATCH_PIPELINE}


def left_out(imported: Imported) -> dict[str, tuple[int, int]]:
    return {each.reason: (each.jobs, each.tasks) for each in imported.left_out}


def said(imported: Imported, words: str) -> str:
    (found,) = (each for each in imported.assumptions if words in each)
    return found


def test_a_number_that_the_data_cut_off_is_no_parent(tmp_path: Path) -> None:
    name = "M5_14_17_28_30_40_42_52_54_64_66_76_78_88_90_100_102_104"[:50]
    imported = alibaba(
        tmp_path,
        f"{name},1,j_1,1,Terminated,20,30,100,1",
        "R1_5,1,j_1,1,Terminated,30,40,100,1",
        "M14,1,j_1,1,Terminated,10,20,100,1",
        f"M15{name[2:49]},1,j_2,1,Terminated,20,30,100,1",
        "M14,1,j_2,1,Terminated,10,20,100,1",
    )

    first, second = imported.workload.pipelines
    assert name.endswith("_100_1") and len(f"M15{name[2:49]}") == 50
    assert [each.parents for each in first.operators] == [(), (0,), (1,)]
    assert [each.parents for each in second.operators] == [(), (0,)]
    assert said(imported, "50 characters").startswith("2 tasks in 2 jobs have names")
    assert said(imported, "left out are taken as done").endswith("(28 in 2 jobs)")


def test_a_job_in_a_circle_is_left_out_and_the_others_are_taken(tmp_path: Path) -> None:
    imported = alibaba(
        tmp_path,
        "M1_2,1,j_1,1,Terminated,10,20,100,1",
        "M2_1,1,j_1,1,Terminated,10,20,100,1",
        "M3,1,j_1,1,Terminated,10,20,100,1",
        "M1,1,j_2,1,Terminated,10,20,100,1",
        "M1,1,j_3,1,Failed,10,20,100,1",
        "M2,1,j_3,1,Terminated,10,20,100,1",
        "M1,1,j_4,1,Terminated,90000,90001,100,1",
    )

    assert len(imported.workload.pipelines) == 1
    assert (imported.jobs, imported.tasks) == (4, 7)
    assert left_out(imported) == {
        "with parents in a circle": (1, 3),
        "with a task that did not end": (1, 2),
        "outside the window or without start times": (1, 1),
    }


def test_a_task_that_is_given_twice_is_two_tasks_that_children_wait_for(tmp_path: Path) -> None:
    imported = alibaba(
        tmp_path,
        "M1,1,j_1,1,Terminated,10,20,100,1",
        "R2_1,1,j_1,1,Terminated,50,60,100,1",
        "M1,1,j_1,1,Terminated,30,40,100,1",
    )

    (job,) = imported.workload.pipelines
    assert [each.parents for each in job.operators] == [(), (), (0, 1)]
    assert imported.taken_tasks == 3
    assert said(imported, "number of another task").startswith("1 tasks in 1 jobs")


def test_instances_that_wait_for_all_of_another_task_cost_no_square(tmp_path: Path) -> None:
    imported = alibaba(
        tmp_path,
        "M1,9000,j_1,1,Terminated,10,20,100,1",
        "R2_1,9000,j_1,1,Terminated,20,30,100,1",
        most_instances=4000,
    )

    (job,) = imported.workload.pipelines
    assert len(job.operators) == 8001
    assert sum(len(each.parents) for each in job.operators) == 8000
    assert said(imported, "without work stand between").startswith("1 operators")
    assert "10000 instances above that" in said(imported, "4000 at most")


def test_other_files_of_the_same_data_are_named(tmp_path: Path) -> None:
    cases = {
        "6459,6524,3,4,10,Terminated,50,0.0079": "batch_task of cluster-trace-v2017",
        "task_create_time, task_end_time, job_id, task_id,number, status, cpus, mem": "v2017",
        "1,2,3,4,m,Terminated,1,1,1,1,1,1": "batch_instance of cluster-trace-v2017",
        "i,M1,j_1,1,Terminated,1,2,m,1,1,1,1,1,1": "batch_instance.csv of cluster-trace-v2018",
    }
    for row, name in cases.items():
        with pytest.raises(TraceError, match=name):
            alibaba(tmp_path, row)


def test_a_header_of_alibabas_columns_may_have_any_order(tmp_path: Path) -> None:
    imported = alibaba(
        tmp_path,
        "job_name,task_name,status,instance_num,task_type,start_time,end_time,plan_mem,plan_cpu",
        "j_1,M1,Terminated,1,1,10,20,0.5,200",
    )

    (job,) = imported.workload.pipelines
    segment = job.operators[0].segments[0]
    assert (segment.baseline_cpu_seconds, segment.memory_gb) == (20, 0.48)


def test_a_limit_is_met_though_most_early_jobs_cannot_be_taken(tmp_path: Path) -> None:
    rows = [f"M1,1,j_{each},1,Failed,{each},{each + 1},100,1" for each in range(1, 3001)]
    rows += [f"M1,1,k_{each},1,Terminated,{each},{each},100,1" for each in (1, 4000, 4001)]
    path = tmp_path / "batch_task.csv"
    path.write_text("\n".join(rows), encoding="utf-8")

    imported = import_alibaba_2018(path, Selection(limit=2, window_seconds=1e5))

    assert [each.arrival_tick for each in imported.workload.pipelines] == [0, 399_900]
    assert (imported.jobs, imported.tasks) == (3003, 3003)


def test_a_window_begins_at_the_first_job_that_can_be_taken(tmp_path: Path) -> None:
    imported = alibaba(
        tmp_path,
        "M1,1,j_3,1,Terminated,7000,7010,100,1",
        "M1,1,j_1,1,Terminated,100,110,100,1",
        "R2_1,1,j_1,1,Failed,110,120,100,1",
        "M1,1,j_4,1,Terminated,7599,7600,100,1",
        "M1_1,1,j_2,1,Terminated,6900,6910,100,",
        "M1,1,j_5,1,Terminated,7600,7601,100,1",
    )

    assert imported.begin_seconds == 7000
    assert [each.arrival_tick for each in imported.workload.pipelines] == [0, 59_900]


def test_rows_of_one_function_count_by_their_samples(tmp_path: Path) -> None:
    invocations, durations, memory = azure_2019_day(tmp_path)
    names = "HashOwner,HashApp,HashFunction,Average,Count,Minimum,Maximum,"
    steps = ",".join(f"percentile_Average_{step}" for step in (0, 1, 25, 50, 75, 99, 100))
    invocations.write_text(invocations.read_text(encoding="utf-8").replace("http,2,", "http,4000,"))
    rows = [
        "o,a,f,10,3000,10,10,10,10,10,10,10,10,10",
        "o,a,f,60000,1000,1,1" + ",60000" * 7,
    ]
    found = []
    for order in (rows, rows[::-1]):
        durations.write_text("\n".join([names + steps, *order]) + "\n", encoding="utf-8")
        found.append(import_azure_2019(invocations, durations, memory))

    segments = [each.operators[0].segments[0] for each in found[0].workload.pipelines]
    assert found[0].workload == found[1].workload
    assert sum(each.baseline_cpu_seconds == 60 for each in segments) == pytest.approx(1000, rel=0.2)
    assert {each.baseline_cpu_seconds for each in segments} == {0.01, 60}
    assert said(found[0], "named more than once").startswith("2 rows of durations are of 1 func")


def test_a_limit_takes_the_first_of_billions_of_invocations(tmp_path: Path) -> None:
    invocations, durations, memory = azure_2019_day(tmp_path)
    text = invocations.read_text(encoding="utf-8")
    invocations.write_text(text.replace("http,2,", "http,1000000000,"))

    imported = import_azure_2019(invocations, durations, memory, Selection(limit=2000))

    arrivals = [each.arrival_tick for each in imported.workload.pipelines]
    assert len(arrivals) == 2000
    assert arrivals[-1] <= 1, "all in the first moments of the first minute"
    assert imported.jobs == 1_000_000_004


def workflow(folder: Path, version: str, *tasks: dict[str, Any], **more: Any) -> Imported:
    """Import a workflow whose tasks are given with the keys of a version."""
    whole = {"jobs" if version < "1.3" else "tasks": list(tasks), **more}
    if version >= "1.5":
        whole = {
            "specification": {"tasks": list(tasks)},
            "execution": {"tasks": list(tasks), **more},
        }
    path = folder / "w.json"
    path.write_text(json.dumps({"name": "w", "schemaVersion": version, "workflow": whole}))
    return import_wfcommons([path])


def test_every_version_of_wfformat_is_read_by_its_layout(tmp_path: Path) -> None:
    for version in ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6"):
        new = version >= "1.4"
        seconds, memory = ("runtimeInSeconds", "memoryInBytes") if new else ("runtime", "memory")
        imported = workflow(
            tmp_path,
            version,
            {"name": "b", "id": "b", "parents": ["a"], seconds: 5},
            {"name": "a", "id": "a", "children": ["b"], seconds: 10, memory: 3e9 if new else 3e6},
        )

        first, second = imported.workload.pipelines[0].operators
        assert (first.parents, second.parents) == ((), (0,)), version
        assert first.segments[0].baseline_cpu_seconds == 10, version
        assert first.segments[0].memory_gb == 3, version


def test_average_cpu_above_a_hundred_per_cent_is_several_cores(tmp_path: Path) -> None:
    run = {"runtimeInSeconds": 10, "memoryInBytes": 1e9}
    imported = workflow(
        tmp_path,
        "1.5",
        {"id": "a", **run, "avgCPU": 350.0, "coreCount": 1},
        {"id": "b", **run, "avgCPU": 60.0, "coreCount": 4},
        {"id": "c", **run, "coreCount": 4},
        {"id": "d", **run},
    )

    segments = [each.segments[0] for each in imported.workload.pipelines[0].operators]
    assert [each.baseline_cpu_seconds for each in segments] == [35, 10, 40, 10]
    assert [each.cpu_scaling for each in segments] == ["linear7", "const", "linear7", "const"]
    assert "(1 tasks above 100 %, 1 with one core)" in said(imported, "average CPU")


def test_memory_is_in_the_unit_that_can_be_and_a_surprise_is_said(tmp_path: Path) -> None:
    cases: list[tuple[str, str, float, float | None, float, str]] = [
        ("1.5", "memoryInBytes", 87_824, 196_483_612, 0.0878, "only be kilobytes"),
        ("1.5", "memoryInBytes", 5_000_000, 196_483_612, 5, "only be kilobytes"),
        ("1.5", "memoryInBytes", 300_000, None, 0.3, "only be kilobytes"),
        ("1.4", "memoryInBytes", 300_000, 64e9, 0.3, "only be kilobytes"),
        ("1.5", "memoryInBytes", 5_000_000, 64e9, 0.005, ""),
        ("1.5", "memoryInBytes", 5_242_880, None, 0.0052, ""),
        ("1.5", "memoryInBytes", 2_871_316, None, 2.8713, "only be kilobytes"),
        ("1.5", "memoryInBytes", -1, 64e9, 2, ""),
        ("1.5", "memoryInBytes", 3e9, None, 3, ""),
        ("1.3", "memory", 3e6, 64e6, 3, ""),
        ("1.3", "memory", 3e9, 64e6, 3, "only be bytes"),
        ("1.0", "memory", 3e9, None, 3, "only be bytes"),
    ]
    for version, key, size, machine, expected, words in cases:
        task = {"name": "a", "id": "a", "runtime": 10, key: size}
        machines = [] if machine is None else [{"nodeName": "n", key: machine}]

        imported = workflow(tmp_path, version, task, machines=machines)

        (operator,) = imported.workload.pipelines[0].operators
        assert operator.segments[0].memory_gb == expected, (version, size, machine)
        assert words in " ".join(imported.assumptions)
        assert bool(words) == ("only be" in " ".join(imported.assumptions))


def test_a_workflow_that_cannot_be_taken_does_not_refuse_the_others(tmp_path: Path) -> None:
    (good,) = wfcommons_instance(tmp_path)
    circle = tmp_path / "circle.json"
    text = good.read_text(encoding="utf-8")
    circle.write_text(text.replace('"root", "parents": []', '"root", "parents": ["left"]'))

    imported = import_wfcommons([circle, good])

    assert len(imported.workload.pipelines) == 1
    assert left_out(imported) == {"with parents in a circle": (1, 3)}
    with pytest.raises(TraceError, match=r"circle\.json: .*1 with parents in a circle"):
        import_wfcommons([circle])


def test_a_job_arrives_after_its_preceding_job_and_its_think_time(tmp_path: Path) -> None:
    imported = swf(
        tmp_path,
        "1 0 5 100 1 -1 -1 1 200 -1 1 1 1 1 1 1 -1 -1\n",
        "2 0 110 100 1 -1 -1 1 200 -1 1 1 1 1 1 1 1 10\n",
        "3 50 -1 100 1 -1 -1 1 200 -1 1 1 1 1 1 1 2 -1\n",
        "4 900 -1 100 1 -1 -1 1 200 -1 1 1 1 1 1 1 3 10\n",
        "5 910 -1 100 1 -1 -1 1 200 -1 1 1 1 1 1 1 77 10\n",
    )

    arrivals = [each.arrival_tick / 10 for each in imported.workload.pipelines]
    assert arrivals == [0, 115, 215, 900, 910]
    assert said(imported, "preceding job that ended later").startswith("2 jobs")
    assert said(imported, "preceding job that is not in the log").startswith("1 jobs")


def test_queue_0_everywhere_says_nothing_about_jobs(tmp_path: Path) -> None:
    line = "{} 0 5 {} 1 -1 -1 4 200 -1 1 1 1 1 {} 1 -1 -1\n"

    for queue, expected in ((0, ["BATCH_PIPELINE", "QUERY"]), (3, ["INTERACTIVE"] * 2)):
        imported = swf(
            tmp_path, line.format(1, 100, 0), line.format(2, 9, 0), line.format(3, 100, queue)
        )

        found = [each.priority.name for each in imported.workload.pipelines]
        assert found[:2] == expected


def test_a_job_keeps_its_run_time_for_any_number_of_processors(tmp_path: Path) -> None:
    widths = {"const": 1, "linear3": 3, "linear7": 7}
    for processors in (*range(1, 30), 447, 448, 449, 5000, 100_000):
        imported = swf(tmp_path, JOB.format(1, 100, processors, 1000, 1))

        (job,) = imported.workload.pipelines
        segments = [each.segments[0] for each in job.operators]
        shortest = {each.baseline_cpu_seconds / widths[str(each.cpu_scaling)] for each in segments}
        lost = 100 * processors - sum(each.baseline_cpu_seconds for each in segments)
        assert shortest == {100}, processors
        if lost:
            assert len(segments) == 64
            assert f"lose {round(lost)} processor-seconds" in said(imported, "wider")


def test_fields_beyond_the_eighteen_are_ignored_and_counted(tmp_path: Path) -> None:
    imported = swf(tmp_path, JOB.format(1, 9, 1, -1, 1).rstrip() + " 40 3609 all\n")

    assert said(imported, "more than 18 fields").startswith("1 lines")
