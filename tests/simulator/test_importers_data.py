"""What the published data sets really hold: marks of invalid values, parts of jobs, odd text."""

from pathlib import Path

import numpy as np
import pytest

from simulator.errors import TraceError
from simulator.importers.alibaba_2018 import import_alibaba_2018
from simulator.importers.azure_2019 import import_azure_2019
from simulator.importers.azure_2021 import import_azure_2021
from simulator.importers.records import MAX_LINE_CHARS, Imported
from simulator.importers.swf import import_swf
from simulator.importers.wfcommons import import_wfcommons
from simulator.workload import Priority
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

    assert (len(imported.workload.pipelines), imported.skipped) == (1, 1)


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

    assert (len(imported.workload.pipelines), imported.skipped) == (1, 2)


def test_a_wide_job_keeps_its_work_and_its_run_time(tmp_path: Path) -> None:
    imported = swf(tmp_path, JOB.format(1, 100, 64, 500_000, 1))

    (job,) = imported.workload.pipelines
    segments = [each.segments[0] for each in job.operators]
    assert len(segments) == 10
    assert sum(each.baseline_cpu_seconds for each in segments) == pytest.approx(6400)
    assert sum(each.memory_gb or 0 for each in segments) == pytest.approx(32)
    assert segments[0].baseline_cpu_seconds / 7 <= 100


def test_a_run_time_of_zero_is_short_not_missing(tmp_path: Path) -> None:
    imported = swf(tmp_path, JOB.format(1, 0, 1, -1, 1), JOB.format(2, -1, 1, -1, 5))

    (job,) = imported.workload.pipelines
    assert job.operators[0].segments[0].baseline_cpu_seconds == 0.5
    assert imported.skipped == 1


def test_comments_may_hold_any_letters_and_odd_separators(tmp_path: Path) -> None:
    imported = swf(tmp_path, "; Universit\xe9 \x0c \x85 \x1c 1 2 3\n", JOB.format(1, 9, 1, -1, 1))

    assert len(imported.workload.pipelines) == 1


def test_figures_that_no_trace_can_hold_are_refused_with_their_line(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"log\.swf:2: cpu work, s comes to .*e\+21, expected"):
        swf(tmp_path, JOB.format(1, 1e9, 1e14, -1, 1))


def test_two_terabytes_for_a_processor_are_no_error(tmp_path: Path) -> None:
    imported = swf(tmp_path, JOB.format(1, 10, 1, 2_000_000_000, 1))

    assert imported.workload.pipelines[0].operators[0].segments[0].memory_gb == 2000


@pytest.mark.parametrize("value", ["1" + "0" * 400, "1e400", "-1", "1e16", "null", '"1"', "true"])
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
        import_azure_2019(invocations, durations, memory, rng=np.random.default_rng(1))


def test_memory_of_an_application_is_the_same_in_every_window(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("app,func,end_timestamp,duration\na,f,5,1\nb,f,6,1\nb,f,700,1\n")

    first = import_azure_2021(path, rng=np.random.default_rng(1))
    later = import_azure_2021(path, rng=np.random.default_rng(1), begin_seconds=600)

    assert first.workload.pipelines[1].operators == later.workload.pipelines[0].operators


def test_a_file_without_line_ends_is_refused_before_it_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "t.swf"
    path.write_text("1 " * MAX_LINE_CHARS)

    with pytest.raises(TraceError, match=r"t\.swf:1: line of more than"):
        import_swf(path)


def test_a_priority_is_given_by_trigger(tmp_path: Path) -> None:
    files = azure_2019_day(tmp_path)

    imported = import_azure_2019(*files, rng=np.random.default_rng(1))

    found = {each.priority for each in imported.workload.pipelines}
    assert found == {Priority.QUERY, Priority.BATCH_PIPELINE}
