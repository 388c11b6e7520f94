"""Random legal files of every format: every job that is read is taken or counted."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from simulator.domains.pipelines.importers.records import NOT_SAMPLED, Imported, Selection
from simulator.domains.pipelines.tracefile import parse_trace, render_trace
from simulator.domains.pipelines.traces.imports import FORMATS
from simulator.errors import TraceError
from tests.support.examples import at_night
from tests.support.workload_files import WRITERS, Made

QUICK = settings(
    max_examples=at_night(40),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NAMES = st.sampled_from(sorted(WRITERS))


def run(name: str, files: list[Path], **wishes: Any) -> Imported | None:
    """Import files of a format; None where no job can be taken, which must be what it says."""
    chosen = FORMATS[name]
    places = [files] if chosen.most is None else [*files, *[None] * (chosen.most - len(files))]
    try:
        imported: Imported = chosen.function(*places, Selection(**wishes))
    except TraceError as error:
        assert "no job that can be taken" in str(error)
        assert str(files[0]) in str(error)
        return None
    return imported


def check(imported: Imported, made: Made) -> None:
    """Assert that every job and task of the files was counted once, and that the trace is read."""
    pipelines = imported.workload.pipelines
    assert (imported.jobs, imported.tasks) == (made.jobs, made.tasks)
    assert imported.taken_jobs == len(pipelines)
    assert all(each.jobs > 0 and each.tasks >= 0 for each in imported.left_out)
    assert imported.taken_tasks >= imported.taken_jobs
    read = parse_trace(render_trace(imported.workload, 100), 100)
    assert [len(each.operators) for each in read.pipelines] == [
        len(each.operators) for each in pipelines
    ]


@pytest.mark.parametrize("name", sorted(WRITERS))
@QUICK
@given(data=st.data())
def test_every_job_and_task_is_taken_or_counted(
    tmp_path: Path, name: str, data: st.DataObject
) -> None:
    made = data.draw(WRITERS[name])
    wishes = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "begin_seconds": st.integers(0, 1439).map(lambda minute: 60.0 * minute),
                "window_seconds": st.sampled_from([60.0, 600.0, 1e5, 1e7]),
                "limit": st.integers(1, 5),
                "sample": st.sampled_from([0.25, 0.5, 1.0]),
                "seed": st.integers(0, 3),
            },
        )
    )
    if name == "wfcommons":
        wishes.pop("limit", None)
        wishes.pop("begin_seconds", None)

    imported = run(name, made.write(tmp_path), **wishes)

    if imported is not None:
        check(imported, made)
        assert len(imported.workload.pipelines) <= wishes.get("limit", len(made.texts[0]))


@QUICK
@given(name=NAMES, data=st.data())
def test_a_limit_takes_the_first_arrivals_of_what_is_taken_without_it(
    tmp_path: Path, name: str, data: st.DataObject
) -> None:
    made = data.draw(WRITERS[name])
    limit = data.draw(st.integers(1, 4))
    files = made.write(tmp_path)
    everything = run(name, files, window_seconds=1e7)
    assume(everything is not None and name != "azure-2019")
    assert everything is not None

    some = run(name, files, window_seconds=1e7, limit=limit)

    assert some is not None
    assert some.begin_seconds == everything.begin_seconds
    assert some.workload.pipelines == everything.workload.pipelines[:limit]


@QUICK
@given(name=NAMES, data=st.data())
def test_without_a_start_the_window_begins_at_the_first_job(
    tmp_path: Path, name: str, data: st.DataObject
) -> None:
    made = data.draw(WRITERS[name])
    files = made.write(tmp_path)
    everything = run(name, files, window_seconds=1e7)
    assume(everything is not None)
    assert everything is not None

    window = run(name, files, window_seconds=60.0)

    assert window is not None
    assert window.begin_seconds == everything.begin_seconds
    assert window.workload.pipelines[0].arrival_tick == 0


@QUICK
@given(data=st.data())
def test_the_order_of_rows_of_one_function_means_nothing(
    tmp_path: Path, data: st.DataObject
) -> None:
    made = data.draw(WRITERS["azure-2019"])
    files = made.write(tmp_path)
    first = run("azure-2019", files)
    for path in files[1:]:
        header, *rows = path.read_text(encoding="utf-8").splitlines()
        path.write_text("\n".join([header, *data.draw(st.permutations(rows))]) + "\n")

    second = run("azure-2019", files)

    assert (first and first.workload) == (second and second.workload)


def test_a_sample_is_the_same_for_a_seed_and_near_its_share(tmp_path: Path) -> None:
    rows = [f"M1,1,j_{each},1,Terminated,{each},{each + 5},100,1\n" for each in range(1, 2001)]
    files = Made(texts=["".join(rows)], jobs=2000, tasks=2000).write(tmp_path)
    wishes: dict[str, Any] = {"window_seconds": 1e7, "sample": 0.25}

    one, again, other = (run("alibaba-2018", files, seed=seed, **wishes) for seed in (1, 1, 2))

    assert one is not None and again is not None and other is not None
    assert one.workload == again.workload != other.workload
    assert 400 < one.taken_jobs < 600
    assert [(each.reason, each.jobs) for each in one.left_out] == [
        (NOT_SAMPLED, 2000 - one.taken_jobs)
    ]
