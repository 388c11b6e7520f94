"""Ctrl-C at every point at which a command changes a file leaves all as before, or all done."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from flows.history.ingest import ingest
from flows.toml_text import document
from simulator.domains.pipelines.traces.header import generate
from tests.support.history_rows import candidate, one_of_each, remember
from tests.support.import_files import azure_2021_rows, swf_log
from tests.support.sample_history import write_sample_history
from tests.support.warm import MODULES
from tests.support.zygote import Zygote

INTERRUPTED = 130
USUAL = ("domains-new", "suite", "export", "rebuild", "report")
"""Interrupted once in a usual run of the tests; at night each is, before every change."""
PROGRAM = """
import os, signal, sys, tempfile
from pathlib import Path

at, seen = int(sys.argv.pop(1)), 0
CHANGES = (
    "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink",
    "shutil.copyfile", "shutil.rmtree", "subprocess.Popen",
)

def changes(event, arguments):
    if event == "open":
        return isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    return event in CHANGES

def count(event, arguments):
    global seen
    if changes(event, arguments):
        seen += 1
        if seen == at:
            os.kill(os.getpid(), signal.SIGINT)

from flows.cli.main import main
os.chdir(os.environ["ASSAY_TEST_FOLDER"])
sys.dont_write_bytecode = True
tempfile.gettempdir()  # tries to write there, the first time
sys.addaudithook(count)
try:
    main(sys.argv[1:])
finally:
    at, changed = 0, seen
    Path("changes").write_text(str(changed))
"""
NOT_CONTENT = ("changes", "output", "home/ingest.lock")

Prepare = Callable[[Path], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A command, and what is there before it."""

    words: str
    prepare: Prepare = lambda folder: None


def history(folder: Path) -> None:
    remember(folder / "home", one_of_each())
    ingest(folder / "home")


def new_lines(folder: Path) -> None:
    history(folder)
    remember(folder / "home", [candidate(iteration=7)])


def exported(folder: Path) -> None:
    new_lines(folder)
    (folder / "tables").mkdir()
    (folder / "tables" / "manifest.json").write_text("{}")
    (folder / "tables" / "candidates.parquet").write_text("an older one")


def searched(folder: Path) -> None:
    (folder / "home").mkdir()
    write_sample_history(folder / "home")


def traced(folder: Path) -> None:
    params = "duration = 60\nnum_pipelines = 2\nwaiting_seconds_mean = 2.0\n"
    (folder / "params.toml").write_text(params)


def long_trace(folder: Path) -> None:
    traced(folder)
    generate(folder / "params.toml", folder / "t.csv", None, document)


CASES = {
    "init": Case(words="init first"),
    "domains-new": Case(words="domains new mine"),
    "prompts-copy": Case(words="prompts copy mine"),
    "generate": Case(words="traces generate --params params.toml --out t.csv", prepare=traced),
    "import": Case(words="traces import swf log.swf --out t.csv", prepare=swf_log),
    "import-folder": Case(
        words="traces import --domain faas azure-2021 invocations.txt --out day",
        prepare=azure_2021_rows,
    ),
    "suite": Case(words="traces suite t.csv --windows 3 --out s.toml", prepare=long_trace),
    "export": Case(words="export tables", prepare=exported),
    "sql-csv": Case(words="sql candidates --format csv --out out.csv", prepare=new_lines),
    "sql-parquet": Case(words="sql candidates --format parquet --out o", prepare=new_lines),
    "check": Case(words="db check", prepare=searched),
    "rebuild": Case(words="db rebuild", prepare=new_lines),
    "vacuum": Case(words="db vacuum", prepare=new_lines),
    "report": Case(words="report --out page.html", prepare=searched),
}
SQL = {"candidates": "from candidates select candidate, iteration, title order by all"}


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote(*MODULES) as started:
        yield started


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Runs one command again and again, each time in a copy of the same folder."""

    zygote: Zygote
    place: Path
    case: Case

    def copy(self, name: str) -> Path:
        folder = self.place / name
        if name == "before":
            (folder / "tmp").mkdir(parents=True)
            self.case.prepare(folder)
        else:
            shutil.copytree(self.place / "before", folder)
        return folder

    def run(self, folder: Path, at: int) -> int:
        """Run the command, interrupted before its change number ``at``; 0 is none."""
        words = [SQL.get(word, word) for word in self.case.words.split()]
        self.zygote.start(
            PROGRAM,
            at,
            *words,
            output=folder / "output",
            ASSAY_HOME=str(folder / "home"),
            ASSAY_TEST_FOLDER=str(folder),
            TMPDIR=str(folder / "tmp"),
        )
        return self.zygote.wait()


@pytest.mark.parametrize("name", USUAL)
def test_an_interrupt_leaves_nothing_half_done(zygote: Zygote, tmp_path: Path, name: str) -> None:
    interrupt(
        Bench(zygote=zygote, place=tmp_path, case=CASES[name]), lambda number: [2 * number // 3]
    )


@pytest.mark.nightly
@pytest.mark.parametrize("name", CASES)
def test_an_interrupt_at_any_change_leaves_nothing_half_done(
    zygote: Zygote, tmp_path: Path, name: str
) -> None:
    interrupt(
        Bench(zygote=zygote, place=tmp_path, case=CASES[name]), lambda number: range(1, number + 1)
    )


def interrupt(bench: Bench, chosen: Callable[[int], Iterable[int]]) -> None:
    """Interrupt the command before the changes that are chosen, given how many there are."""
    before, whole = bench.copy("before"), bench.copy("whole")
    assert bench.run(whole, 0) == 0, (whole / "output").read_text()
    changes = int((whole / "changes").read_text())
    assert changes
    for at in chosen(changes):
        folder = bench.copy(f"at-{at}")
        code = bench.run(folder, at)

        said = (folder / "output").read_text()
        assert code == INTERRUPTED, f"change {at} of {changes}: {said}"
        assert "assay: interrupted\n" in said
        assert_whole(contents(folder), contents(before), contents(whole), f"change {at}")
        assert list((folder / "tmp").iterdir()) == []
        assert bench.run(folder, 0) == 0 or name_is_taken(folder), (folder / "output").read_text()
        assert readable(contents(folder)) == readable(contents(whole)), f"again after change {at}"
        shutil.rmtree(folder)


def name_is_taken(folder: Path) -> bool:
    """Whether the command refused to write what it had written before it was interrupted."""
    said = (folder / "output").read_text()
    return "would be overwritten" in said or "exist" in said


def assert_whole(
    found: dict[str, str], before: dict[str, str], whole: dict[str, str], when: str
) -> None:
    """Files that people read appear together; each of those in the home folder is whole."""
    at_home = {name for name in {*found, *before, *whole} if name.startswith("home/")}
    for name in at_home:
        assert found.get(name) in (before.get(name), whole.get(name)), f"{name}, {when}"
    told, old, new = (
        {name: each for name, each in files.items() if name not in at_home}
        for files in (found, before, whole)
    )
    assert told in (old, new), when


def contents(folder: Path) -> dict[str, str]:
    """What is in a folder: of databases the rows, of other files the bytes."""
    return {
        name: rows(path)
        if path.suffix == ".duckdb"
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (name := str(path.relative_to(folder))) not in NOT_CONTENT
    }


def rows(database: Path) -> str:
    with duckdb.connect(str(database), read_only=True) as connection:
        names = connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY ALL").fetchall()
        found = [
            (name, connection.execute(f'SELECT count(*) FROM "{name}"').fetchall())
            for (name,) in names
            if not name.startswith("journal_files") and name not in ("made_by", "skipped_lines")
        ]
    return str(found)


def readable(found: dict[str, str]) -> dict[str, str]:
    """The same without what only says that a command ran before."""
    return {name: each for name, each in found.items() if "old-" not in name}


def test_an_interrupt_ends_a_long_question_of_sql(tmp_path: Path) -> None:
    """DuckDB has the main thread meanwhile, and Python's own handlers wait for it."""
    endless = "select sum(a.range * b.range) from range(1000000) a, range(1000000) b"
    program = [sys.executable, "-m", "flows.cli", "sql", endless]
    variables = {**os.environ, "ASSAY_HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path)}

    with subprocess.Popen(program, env=variables, stderr=subprocess.PIPE, text=True) as process:
        began = None
        while began is None or ticks(process.pid) < began + ASKING:
            assert process.poll() is None
            if began is None and list(tmp_path.glob(".assay-*")):
                began = ticks(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        said = process.stderr.read()

    assert process.returncode == INTERRUPTED, said
    assert said.strip() == "assay: interrupted"
    assert list(tmp_path.glob(".assay-*")) == []


ASKING = 50
"""Ticks of CPU time, 100 to a second, after the start of DuckDB: then it asks."""


def ticks(pid: int) -> int:
    """How many ticks of CPU time a process has taken."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])
