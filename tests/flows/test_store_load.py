"""Eight writers beside an ingest and a reader at 20 Hz, and a disk that is really full."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.history.check import check
from flows.history.journal import read_rows
from flows.history.store import query
from tests.support.history_rows import candidate, remember

pytestmark = pytest.mark.nightly
WRITERS, RECORDS = 8, 500

WRITER = """
import sys
from pathlib import Path
from flows.history.journal import Journal
from tests.support.history_rows import evaluation

home, name = Path(sys.argv[1]), sys.argv[2]
with Journal(home, name) as journal:
    print("ready", flush=True)
    sys.stdin.readline()
    for n in range(int(sys.argv[3])):
        journal.append(evaluation(experiment_id=name, iteration=n, candidate=f"{name}-{n}"))
"""

INGESTER = """
import sys
from pathlib import Path
from flows.history.store import ingest

ingests = 0
print("ready", flush=True)
while ingests == 0 or not Path(sys.argv[1], "enough").exists():
    assert not ingest(Path(sys.argv[1])).busy
    ingests += 1
print(ingests)
"""

# Opens the published file again for each question, 20 times a second, as a person's script would.
READER = """
import json, sys, threading, time
from pathlib import Path
from flows.history.store import query

ASK = "SELECT count(*), count(DISTINCT candidate) FROM evaluations"
home, counts, late, pace = Path(sys.argv[1]), [], 0, threading.Event()
print("ready", flush=True)
due = time.monotonic()
while not counts or not (home / "enough").exists():
    found = query(home, ASK, refresh=False)
    assert found.rows[0][0] == found.rows[0][1], found.rows
    counts.append(found.rows[0][0])
    due += 0.05
    late += time.monotonic() > due
    pace.wait(max(0.0, due - time.monotonic()))
print(json.dumps({"counts": counts, "late": late}))
"""


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def finish(process: subprocess.Popen[str], words: str = "") -> str:
    output, problem = process.communicate(words, timeout=120)
    assert (process.returncode, problem) == (0, "")
    return output


def test_eight_writers_and_a_reader_at_20_hz_lose_and_double_nothing(tmp_path: Path) -> None:
    remember(tmp_path, [candidate()])
    query(tmp_path, "FROM candidates")
    writers = [start(WRITER, tmp_path, f"w{n}", RECORDS) for n in range(WRITERS)]
    reader, ingester = start(READER, tmp_path), start(INGESTER, tmp_path)
    for process in [*writers, reader, ingester]:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        finish(writer)
    (tmp_path / "enough").touch()

    seen = json.loads(finish(reader))["counts"]
    assert int(finish(ingester)) > 0
    assert seen == sorted(seen)
    total = "SELECT count(*), count(DISTINCT (experiment_id, iteration)) FROM evaluations"
    assert query(tmp_path, total).rows == ((WRITERS * RECORDS, WRITERS * RECORDS),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A home folder with little room, and how programs are started that meet its limit."""

    home: Path
    prefix: tuple[str, ...]

    def run(self, program: str) -> str:
        """Return what a program prints that works on the full disk."""
        command = [*self.prefix, sys.executable, "-c", program, str(self.home)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.stderr == ""
        return done.stdout

    def make_room(self) -> None:
        if not self.prefix:
            _mount(self.home, "remount,size=400m")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system of 18 MB; where none may be mounted, a limit on the size of every file."""
    home = tmp_path / "disk"
    home.mkdir()
    if _mount(home, "size=18m"):
        yield Disk(home=home, prefix=())
        subprocess.run(["umount", str(home)], check=True)
    else:
        yield Disk(home=home, prefix=("prlimit", "--fsize=8000000"))


def _mount(folder: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True).returncode == 0


FILL = """
import sys
from pathlib import Path
from flows.history.journal import Journal, JournalError
from tests.support.history_rows import candidate

kept = 0
with Journal(Path(sys.argv[1]), "night") as journal:
    try:
        while True:
            journal.append(candidate(slot=kept, candidate=None, source=f"{kept} " * 20000))
            kept += 1
    except JournalError as problem:
        print(problem)
print(kept)
"""

ASK = """
import sys
from pathlib import Path
from flows.history.store import query

found = query(Path(sys.argv[1]), "SELECT count(*) FROM candidates")
print(found.rows[0][0], *found.notes)
"""


def test_a_full_disk_stops_the_writer_and_what_was_acknowledged_is_kept(disk: Disk) -> None:
    remember(disk.home, [candidate(iteration=2, candidate=None)])
    assert disk.run(ASK) == "1\n"

    problem, kept = disk.run(FILL).splitlines()
    answer = disk.run(ASK)
    disk.make_room()

    assert re.search(
        "([Nn]o space left on device|too large); nothing of this step was recorded", problem
    )
    assert len(list(read_rows(disk.home, "night"))) == int(kept) + 1 > 50
    assert re.match(r"1 the answer may lack the newest rows: .* cannot be written.*room", answer)
    assert query(disk.home, "SELECT count(*) FROM candidates").rows == ((int(kept) + 1,),)
    assert check(disk.home).ok
