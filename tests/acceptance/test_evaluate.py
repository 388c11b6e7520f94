"""``assay evaluate`` as a stranger would try it: odd policies, odd files, and Ctrl-C."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.cells_left import PROMISED, cells_of, finish, interrupt, start
from tests.support.in_process import command
from tests.support.small_suite import PARAMS, write_suite

FRAME = """@register_scheduler_init(key="tried")
def init(s):
    s.calls = 0

@register_scheduler(key="tried")
def step(s, results, pipelines):
    s.calls += 1
    {body}
    return [], []
"""
QUIET = FRAME.format(body="pass")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a file holds and what must come of it."""

    content: bytes
    code: int
    outcome: str
    line: int | None = None
    told: str = ""


def stepping(body: str, code: int, outcome: str, line: int | None = None, told: str = "") -> Case:
    """Return the case of a policy whose step function does ``body`` in line 8."""
    content = FRAME.format(body=body).encode()
    return Case(content=content, code=code, outcome=outcome, line=line, told=told)


CASES = {
    "good": Case(content=QUIET.encode(), code=0, outcome="ok"),
    "syntax error": Case(
        content=b"x = 1\ndef (:\n", code=3, outcome="load_error", line=2, told="invalid syntax"
    ),
    "import os": Case(
        content=b"import os\n" + QUIET.encode(), code=3, outcome="rejected", line=1, told='"os"'
    ),
    "100 MB of prints": stepping('s.calls == 1 and print("x" * 100_000_000)', 0, "ok"),
    "raises in the 50th call": stepping(
        "s.calls == 50 and 1 / 0", 3, "policy_error", 8, "ZeroDivisionError: division by zero"
    ),
    "nonsense": stepping('return {"a": 1}', 3, "invalid_decision", told="step returned {'a': 1}"),
    "empty": Case(content=b"", code=3, outcome="malformed", told="the file is empty"),
    "binary": Case(content=b"\x7fELF\x02\xff\0", code=3, outcome="malformed", told="not UTF-8"),
    "UTF-16": Case(
        content=QUIET.encode("utf-16"), code=3, outcome="malformed", told="byte 1 is not UTF-8"
    ),
    "only a comment": Case(
        content=b"# soon\n", code=3, outcome="load_error", told="registers nothing"
    ),
    "deep nesting": Case(
        content=b"x = " + b"(" * 3000 + b")" * 3000, code=3, outcome="load_error", line=1
    ),
    "ends the program": stepping("raise SystemExit(0)", 3, "policy_error", 8, "SystemExit"),
    "endless recursion": stepping(
        "step(s, results, pipelines)", 3, "policy_error", 8, "RecursionError"
    ),
    "all of the memory": stepping('s.x = "x" * 10**11', 3, "memory_limit", 8, "memory"),
    "terminal escapes": stepping(
        r'raise ValueError("\x1b[31mred \u2603")', 3, "policy_error", 8, "red \u2603"
    ),
}


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> tuple[str | Path, ...]:
    """The arguments that name one short scenario, called on every tick."""
    folder = tmp_path_factory.mktemp("scenario")
    write_suite(folder)
    params = folder / "params.json"
    params.write_text(json.dumps(PARAMS), encoding="utf-8")
    trace = folder / "small-1.csv"
    return ("--trace", trace, "--params", params, "--policy-calls", "every_tick")


def judged(case: Case, code: object, out: str, err: str) -> str:
    """Return what is wrong with how a command ended, the empty text where all is as it must be."""
    if (code, err) != (case.code, "") or len(out) > 100_000 or "\x1b" in out:
        return f"exit code {code}, {len(out)} characters, {err}"
    answer = json.loads(out)
    [evaluation] = answer["evaluations"]
    error = evaluation["error"] or {"kind": "ok", "line": case.line, "message": case.told}
    if not set(answer) >= PROMISED or answer["outcome"] != evaluation["outcome"]:
        return f"the answer has {sorted(answer)} and {evaluation['outcome']}"
    found = (answer["outcome"], error["kind"], error["line"], case.told in error["message"])
    return "" if found == (case.outcome, case.outcome, case.line, True) else str((found, error))


@pytest.mark.slow
def test_each_file_has_its_outcome(
    tmp_path: Path, scenario: tuple[str | Path, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {}
    for name, case in CASES.items():
        policy = tmp_path / "policy.py"
        policy.write_bytes(case.content)

        done = command(capsys, "evaluate", policy, *scenario, "--json", "--cell", "process")

        wrong[name] = judged(case, done.code, done.out, done.err)
    assert {name: text for name, text in wrong.items() if text} == {}


@pytest.mark.docker
@pytest.mark.parametrize("name", ["good", "ends the program", "all of the memory"])
def test_in_a_container_it_is_the_same_and_no_cell_is_left(
    tmp_path: Path, scenario: tuple[str | Path, ...], name: str
) -> None:
    policy = tmp_path / "policy.py"
    policy.write_bytes(CASES[name].content)

    done = finish(start("evaluate", policy, *scenario, "--json", home=tmp_path / "home"))

    assert judged(CASES[name], done.code, done.stdout, done.stderr) == ""
    assert done.cells == ()


@pytest.mark.slow
def test_the_fiftieth_call_is_on_tick_49(
    tmp_path: Path, scenario: tuple[str | Path, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy.py"
    policy.write_bytes(CASES["raises in the 50th call"].content)

    done = command(capsys, "evaluate", policy, *scenario, "--cell", "process")

    assert (done.code, done.err) == (3, "")
    assert "line 8, tick 49: ZeroDivisionError: division by zero" in done.out
    assert "    s.calls == 50 and 1 / 0\n" in done.out


@pytest.mark.slow
def test_what_editors_do_to_a_file_does_not_matter(
    tmp_path: Path, scenario: tuple[str | Path, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "a policy \u2603.py"
    for content in (
        b"\xef\xbb\xbf" + QUIET.encode(),
        QUIET.replace("\n", "\r\n").encode(),
        QUIET.replace("    ", "\t").encode(),
        "# caf\u00e9 \u2603\nGR\u00d6SSE = 1\n".encode() + QUIET.encode(),
    ):
        policy.write_bytes(content)

        done = command(capsys, "evaluate", policy, *scenario, "--cell", "process")

        assert (done.code, done.err) == (0, ""), content
        assert "outcome: ok" in done.out, content


@pytest.mark.docker
def test_ctrl_c_in_an_endless_loop_leaves_no_cell(
    tmp_path: Path, scenario: tuple[str | Path, ...]
) -> None:
    policy = tmp_path / "policy.py"
    policy.write_text(FRAME.format(body="while True: pass"), encoding="utf-8")

    process = start("evaluate", policy, *scenario, home=tmp_path / "home")
    while not cells_of(process.pid):
        assert process.poll() is None
    interrupt(process)
    done = finish(process)

    assert (done.code, done.stdout, done.cells) == (130, "", ())
    assert "Traceback" not in done.stderr
