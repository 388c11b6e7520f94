"""No text that a policy or a model writes keeps the host busy for more than its length deserves."""

import gc
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice, pairwise

import pytest

from flows import untrusted
from flows.cli import terminal
from flows.history.export import render_table
from flows.history.redact import redact, redact_value
from flows.history.store import Table
from flows.judging.scoring import normalised_sha256
from flows.proposers.answers import title_of
from flows.report import text as report_text
from flows.report.candidates import SharedLines
from flows.search import progress
from sandbox.screen import screen
from sandbox.source import candidate_id, malformed_because, source_line
from simulator.cell.cleantext import clean_text
from tests.support.history_rows import candidate

Reader = Callable[[str], object]

UNITS = (
    *(
        "a-",
        "a.",
        "a+",
        "a b ",
        "a=b\n",
        "x" * 61 + " ",
        "genome: a=b ",
        "e\u0301",
        "\u202e",
        "\u200b",
    ),
    *("\n", "\r", "\r\n", "\t", " ", "\x0c", "\\\n", "`", "``` ", "'", '"', '"""', "'''\n", "#\n"),
    *(
        "(",
        "[",
        "{",
        "()",
        "f{",
        "f'{",
        "f(",
        "a[",
        "{1:",
        "lambda:",
        "not ",
        "-",
        "x=",
        "a,",
        "*a,",
    ),
    *(";", "a if b else ", "if x:\n", "else:\n", "try:\n", "@a\n", "pass\n", "<", "&", "|", "![]("),
    *(
        "sk-",
        "ghp_",
        "bearer ",
        "authorization=",
        "password=",
        "http://",
        "a://b:",
        "://:a:",
        "?key=",
    ),
)
"""What an adversarial text repeats, alone or in front of another end."""

READERS: dict[str, Reader] = {
    "redact": redact,
    "redact with secrets": lambda text: redact(text, ["a-a-a-a-a-b", "((((((((", 'p"ss word']),
    "redact a value": lambda text: redact_value({"reply": [text], text[:99]: 1}),
    "screen": screen,
    "refuse what is no source": lambda text: malformed_because(text, 1 << 20),
    "name a source": candidate_id,
    "find a line": lambda text: source_line(text, text.count("\n")),
    "normalise": normalised_sha256,
    "title of code": title_of,
    "title of a docstring": lambda text: title_of(f"'''{_without_quotes(text)}x'''\n"),
    "clean in the cell": lambda text: clean_text(text, 1 << 20),
    "quote in a prompt": lambda text: untrusted.prompt_line(text, 600),
    "fence in a prompt": lambda text: untrusted.prompt_fence("it printed", text, 1 << 20),
    "code in a prompt": untrusted.prompt_code,
    "a whole prompt": untrusted.for_prompt,
    "Markdown": lambda text: untrusted.markdown("{}", text),
    "a cell of CSV": untrusted.for_csv,
    "JSON": untrusted.for_json,
    "a log": untrusted.for_log,
    "show on the page": untrusted.for_page,
    "one line of the page": report_text.one_line,
    "script of the page": report_text.json_for_script,
    "texts of the page": lambda text: SharedLines().add(text),
    "show on a terminal": untrusted.for_terminal,
    "excerpt on a terminal": lambda text: terminal.excerpt(text, len(text) // 2),
    "print a line": terminal.print_line,
    "print prose": terminal.print_prose,
    "print a table": lambda text: terminal.print_table("title", ("a", "b"), [("1", text)]),
    "line of an attempt": lambda text: progress.attempt_line(candidate(problem=text, title=text)),
    "answer of the database": lambda text: render_table(_answer(text), "table"),
    "answer as CSV": lambda text: render_table(_answer(text), "csv"),
}

LENGTHS = (1_500, 6_000, 24_000)
"""Each four times the one before."""
LEAST_SECONDS = 0.04
"""Work too short to tell how it grows: a longer text is taken."""
MOST_GROWTH = 10.0
"""Between the 4 of linear work and the 16 of quadratic work, far from each."""
TRIES = 4


@pytest.mark.parametrize("name", READERS)
def test_work_grows_with_the_length_of_the_text(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = READERS[name]
    faults = []
    for label, text in _adversarial():
        growth = _growth(reader, text)
        capsys.readouterr()
        if growth > MOST_GROWTH:
            faults.append(f"{label}: four times the text took {growth:.1f} times the work")

    assert faults == []


def _adversarial() -> Iterator[tuple[str, Callable[[int], str]]]:
    for unit in UNITS:
        yield repr(unit), lambda length, unit=unit: _repeated(unit, length)  # type: ignore[misc]
    yield "distinct lines", lambda length: "\n".join(map(str, range(length // 5)))
    yield "often repeated lines", lambda length: "\n".join(str(n % 50) for n in range(length // 3))


def _repeated(unit: str, length: int) -> str:
    return "".join(islice(cycle([unit]), length // len(unit)))


def _growth(reader: Reader, text: Callable[[int], str]) -> float:
    """Return how many times more work the longer text is: of several tries the fairest."""
    for short, long in pairwise(LENGTHS):
        if _cpu_seconds(reader, text(long)) < LEAST_SECONDS:
            continue
        growth = float("inf")
        for _ in range(TRIES):
            shorter = _cpu_seconds(reader, text(short))
            growth = min(growth, _cpu_seconds(reader, text(long)) / shorter)
            if growth <= MOST_GROWTH:
                break
        return growth
    return 0.0


def _cpu_seconds(reader: Reader, text: str) -> float:
    gc.disable()  # its work grows with everything that there is
    try:
        began = time.process_time()
        reader(text)
        return time.process_time() - began
    finally:
        gc.enable()


def _without_quotes(text: str) -> str:
    return text.replace("'", "-").replace("\\", "/")


def _answer(text: str) -> Table:
    return Table(columns=("a",), types=("VARCHAR",), rows=((text,),), notes=())
