"""Several writers, several ingests and a reader: nothing is lost, nothing comes twice."""

import subprocess
import sys
from pathlib import Path

from flows.history.journal import Journal
from flows.history.store import ingest, query
from flows.home import hold, lock_path
from tests.support.history_rows import candidate, evaluation, remember

WRITER = """
import sys
from pathlib import Path
from flows.history.journal import Journal
from tests.support.history_rows import candidate

home, name = Path(sys.argv[1]), sys.argv[2]
with Journal(home, name) as journal:
    for n in range(100):
        journal.append(candidate(experiment_id=name, iteration=n))
        print(n, flush=True)
"""

INGESTER = """
import sys
from pathlib import Path
from flows.history.store import ingest

for _ in range(5):
    assert not ingest(Path(sys.argv[1])).busy
"""

EVERYTHING = "SELECT * EXCLUDE (recorded_at, recorded_in) FROM candidates ORDER BY ALL"


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    output, problem = process.communicate(timeout=120)
    assert (process.returncode, problem) == (0, "")
    return output


def fill(home: Path) -> None:
    """Three journals; every row is written twice, the second time as it is meant."""
    for part in range(3):
        rows = [candidate(iteration=part, slot=slot) for slot in range(40)]
        remember(home, [*rows, *(candidate(iteration=part, slot=s, title="x") for s in range(40))])


def test_two_ingests_at_once_take_turns(tmp_path: Path) -> None:
    fill(tmp_path)

    for process in [start(INGESTER, tmp_path), start(INGESTER, tmp_path)]:
        finish(process)

    assert len(query(tmp_path, EVERYTHING).rows) == 120


def test_an_ingest_that_may_not_wait_says_that_another_is_at_work(tmp_path: Path) -> None:
    with hold(lock_path(tmp_path), 0) as held:
        report = ingest(tmp_path, wait_seconds=0)

    assert held
    assert report.busy
    assert not ingest(tmp_path, wait_seconds=0).busy


def test_a_query_beside_a_long_ingest_says_that_rows_may_be_missing(tmp_path: Path) -> None:
    remember(tmp_path, [candidate()])
    ingest(tmp_path)

    with hold(lock_path(tmp_path), 0):
        found = query(tmp_path, "SELECT count(*) FROM candidates", wait_seconds=0)

    assert found.rows == ((1,),)
    assert "another ingest" in found.notes[0]


def test_writers_and_a_reader_never_meet(tmp_path: Path) -> None:
    writers = [start(WRITER, tmp_path, name) for name in "abcd"]
    counts = [0]

    while any(writer.poll() is None for writer in writers):
        counts.append(query(tmp_path, "SELECT count(*) FROM candidates").rows[0][0])
    for writer in writers:
        finish(writer)

    assert counts == sorted(counts)
    total = "SELECT count(*), count(DISTINCT (experiment_id, iteration)) FROM candidates"
    assert query(tmp_path, total).rows == ((400, 400),)


def test_a_row_that_was_acknowledged_survives_the_death_of_its_writer(tmp_path: Path) -> None:
    writer = start(WRITER, tmp_path, "a")
    assert writer.stdout is not None
    seen = [int(writer.stdout.readline()) for _ in range(30)]
    writer.kill()
    seen += [int(line) for line in writer.stdout]  # not communicate(): it forgets what was read
    writer.communicate()

    found = query(tmp_path, "SELECT iteration FROM candidates ORDER BY ALL").rows

    assert [row[0] for row in found[: len(seen)]] == seen
    assert len(found) <= len(seen) + 1


def test_rows_appended_while_the_file_is_read_are_taken_by_the_next_ingest(tmp_path: Path) -> None:
    with Journal(tmp_path, "night") as journal:
        for number in range(5):
            journal.append(evaluation(attempt=number))
            assert ingest(tmp_path).lines == 1
