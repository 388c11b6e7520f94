"""Killed at random moments, a search and its history end as if nothing had happened.

At night they are killed at 60 moments; otherwise at the first few of these.
"""

import itertools
import os
import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.history.check import check
from flows.history.store import query
from tests.support.history_rows import candidate, evaluation, remember
from tests.support.killing import Search
from tests.support.same_history import assert_same_history
from tests.support.small_suite import write_suite
from tests.support.warm import MODULES
from tests.support.zygote import Zygote

SEED = 20260301
FLOW_KILLS, CELL_KILLS = 10, 5
"""For each number of slots, at night."""
SETTINGS = """
suite = "{suite}"
cell = "process"
baselines = ["naive"]
budget.candidates = 3
guards.resamples = 1000
"""

# Counts the lines that it runs in the code that touches files and the database, each line once per
# call, and kills itself just before the given one.
INGEST = """
import os, signal, sys
from pathlib import Path
from flows.history.store import ingest
import flows.history.ingest as ingesting

ingesting.BATCH_LINES = 40
files, last, steps = tuple(sys.argv[2].split()), int(sys.argv[3]), 0
plain = ("_values", "order", "key", "<genexpr>", "<listcomp>", "<dictcomp>")

def watch(frame, event, value):
    code = frame.f_code
    if not code.co_filename.endswith(files) or code.co_name in plain:
        return None
    seen = set()
    def count(frame, event, value):
        global steps
        if event == "line" and frame.f_lineno not in seen:
            seen.add(frame.f_lineno)
            steps += 1
            if steps == last:
                os.kill(os.getpid(), signal.SIGKILL)
        return count
    return count

sys.settrace(watch)
ingest(Path(sys.argv[1]))
sys.settrace(None)
print(steps)
"""
OF_INGEST = "/ingest.py /database.py /home.py"
OF_PUBLISHING = "/shutil.py"


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote(*MODULES) as started:
        yield started


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of a search that takes a few seconds and comes through every hop."""
    folder = tmp_path_factory.mktemp("suite")
    suite = write_suite(folder, {"train": [1], "validation": [3], "test": [4]})
    (folder / "search.toml").write_text(SETTINGS.format(suite=suite), encoding="utf-8")
    return folder / "search.toml"


@pytest.fixture(
    scope="module",
    params=[pytest.param(1, marks=pytest.mark.nightly), 2],
    ids=["one slot", "two slots"],
)
def undisturbed(
    request: pytest.FixtureRequest,
    zygote: Zygote,
    settings: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[int, Path]:
    home = tmp_path_factory.mktemp("calm") / "home"
    a_search(zygote, settings, home, request.param).finish()
    return request.param, home


def a_search(zygote: Zygote, settings: Path, home: Path, slots: int) -> Search:
    return Search(zygote, home, "--config", settings, "--slots", slots)


@pytest.mark.parametrize("enough", [2, pytest.param(FLOW_KILLS, marks=pytest.mark.nightly)])
def test_a_search_killed_again_and_again_has_the_history_of_an_undisturbed_one(
    zygote: Zygote, settings: Path, undisturbed: tuple[int, Path], tmp_path: Path, enough: int
) -> None:
    slots, calm = undisturbed
    moments, kills = random.Random(f"{SEED} flow {slots}"), 0
    search = a_search(zygote, settings, tmp_path / "0", slots)

    for number in itertools.count(1):
        search.start()
        if search.ends_within(moments.choice([0, 1, 1, 4, 9]), moments.uniform(0, 0.25)):
            assert zygote.wait() == 0
            assert_same_history(search.home, calm)
            search = a_search(zygote, settings, tmp_path / str(number), slots)
            continue
        zygote.kill()
        kills += zygote.wait() == -signal.SIGKILL
        if kills >= enough:
            break
    search.finish()

    assert_same_history(search.home, calm)


@pytest.mark.nightly
@pytest.mark.parametrize("enough", [1, CELL_KILLS])
def test_a_search_whose_cells_are_killed_has_the_history_of_an_undisturbed_one(
    zygote: Zygote, settings: Path, undisturbed: tuple[int, Path], tmp_path: Path, enough: int
) -> None:
    slots, calm = undisturbed
    moments, kills = random.Random(f"{SEED} cells {slots}"), 0

    for number in itertools.count():
        search = a_search(zygote, settings, tmp_path / str(number), slots)
        search.start()
        while kills < enough and not search.ends_within(1, moments.uniform(0, 0.25)):
            kills += any(kill(cell) for cell in search.cells()[-1:])

        assert zygote.wait() == 0, (search.home / "output").read_text()
        assert_same_history(search.home, calm)
        if kills >= enough:
            break


def kill(process: int) -> bool:
    """Kill one process; False when it had ended by itself."""
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def journals(home: Path) -> None:
    """Three journals; every row is written twice, the second time as it is meant."""
    for part in range(3):
        rows = [candidate(iteration=part, slot=slot) for slot in range(30)]
        tries = [evaluation(iteration=part, slot=slot) for slot in range(30)]
        final = [candidate(iteration=part, slot=slot, title="as meant") for slot in range(30)]
        remember(home, [*rows, *tries, *final])


ROWS = (
    "SELECT * EXCLUDE (recorded_in) FROM candidates ORDER BY ALL",
    "SELECT * EXCLUDE (recorded_in) FROM evaluations ORDER BY ALL",
)


@pytest.mark.parametrize(
    ("files", "kills"),
    [
        pytest.param(OF_INGEST, 3, id="ingest"),
        pytest.param(OF_PUBLISHING, 1, id="publish"),
        pytest.param(OF_INGEST, 18, id="ingest-18", marks=pytest.mark.nightly),
        pytest.param(OF_PUBLISHING, 12, id="publish-12", marks=pytest.mark.nightly),
    ],
)
def test_an_ingest_killed_at_any_moment_loses_and_doubles_nothing(
    zygote: Zygote, tmp_path: Path, files: str, kills: int
) -> None:
    source, calm, output = tmp_path / "source", tmp_path / "calm", tmp_path / "output"
    journals(source)
    shutil.copytree(source, calm)
    zygote.start(INGEST, calm, files, 0, output=output)
    assert zygote.wait() == 0
    steps = int(output.read_text())
    expected = [query(calm, sql, refresh=False).rows for sql in ROWS]
    moments = random.Random(f"{SEED} {files}")
    chosen = sorted(moments.sample(range(1, steps + 1), min(kills, steps)))

    for moment in chosen:
        home = tmp_path / str(moment)
        shutil.copytree(source, home)
        zygote.start(INGEST, home, files, moment, output=output)
        assert zygote.wait() == -signal.SIGKILL
        assert [query(home, sql).rows for sql in ROWS] == expected
        shutil.rmtree(home)

    assert len(chosen) == kills


def test_one_home_in_which_every_ingest_but_the_last_is_killed_is_well(
    zygote: Zygote, tmp_path: Path
) -> None:
    journals(tmp_path)
    moments = random.Random(f"{SEED} again")

    for _ in range(3):
        zygote.start(
            *(INGEST, tmp_path, f"{OF_INGEST} {OF_PUBLISHING}", moments.randrange(1, 250)),
            output=tmp_path / "output",
        )
        zygote.wait()

    assert query(tmp_path, "SELECT count(*) FROM candidates").rows == ((90,),)
    assert all(table.missing == table.extra == 0 for table in check(tmp_path).tables)
