"""``assay compare`` in real cells: what it prints, in words and as JSON, and how it ends."""

import json
from pathlib import Path

import pytest

from tests.support.command import NO_ENGINE, assay
from tests.support.in_process import command
from tests.support.small_suite import write_faas_suite, write_suite

BROKEN = """@register_scheduler_init(key="broken")
def init(s):
    s.calls = 0

@register_scheduler(key="broken")
def step(s, results, pipelines):
    raise ValueError("no \\x1b[31mluck")
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_suite(tmp_path_factory.mktemp("suite"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty home folder on a machine without an engine."""
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_HOST", NO_ENGINE)
    return tmp_path / "home"


@pytest.mark.slow
def test_policies_are_ranked_and_a_broken_one_keeps_its_charge(
    home: Path, tmp_path: Path, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(BROKEN, encoding="utf-8")

    named = ("naive", broken, "right-size")
    where = ("--suite", suite, "--split", "train", "--cell", "process")
    done = command(capsys, "compare", *named, *where)

    assert (done.code, done.err) == (0, "")
    shown = done.out.splitlines()
    assert "small" in shown[0] and "train" in shown[0] and "2 scenarios" in shown[0]
    ranks = [line.split()[0] for line in shown if " ok " in line or " policy_error " in line]
    assert ranks == ["right-size", "naive", "broken.py"]
    assert "broken.py: policy_error: line 7: ValueError: no \ufffd[31mluck" in done.out
    assert "right-size is significantly better than naive, the next:" in done.out
    assert "\x1b" not in done.out


@pytest.mark.docker
def test_json_holds_every_figure_of_the_comparison(tmp_path: Path, suite: Path) -> None:
    policy = tmp_path / "mine.py"
    policy.write_text(BROKEN, encoding="utf-8")

    done = assay(
        "compare", policy, "--suite", suite, "--split", "all", "--slots", "2", "--json",
        home=tmp_path / "home",
    )  # fmt: skip

    answer = json.loads(done.stdout)
    naive, mine = answer["policies"]
    assert (done.returncode, answer["first"], answer["best_baseline"]) == (0, "mine.py", "naive")
    assert (answer["split"], answer["scenarios"], answer["paper"]) == ("all", 2, [])
    assert (naive["policy"], naive["score"], naive["against_baseline"]) == ("naive", 1.0, None)
    assert (mine["outcome"], mine["against_first"]) == ("policy_error", None)
    gain = mine["against_baseline"]
    assert gain["low_percent"] <= gain["gain_percent"] <= gain["high_percent"] <= 0
    assert set(mine["scores"]) == {"small-1", "small-2"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["naive"], "naive cannot be compared with itself"),
        (["nothing-like-it", "naive"], "nothing-like-it is neither a file, nor a library policy"),
        (["naive", "drf", "--suite", "smoky"], "unknown suite"),
        (["naive", "drf", "--objective", "speed"], "unknown objective 'speed'"),
        (["naive", "drf", "--slots", "0"], "--slots"),
        ([], "Missing argument"),
    ],
)
def test_bad_input_is_refused_before_anything_is_tried(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    done = command(capsys, "compare", *arguments)

    assert done.code == 2
    assert told in done.err
    assert done.out == ""


def test_a_suite_without_the_split_says_which_to_choose(
    home: Path, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = command(capsys, "compare", "naive", "drf", "--suite", suite)

    assert done.code == 2
    assert "has no validation scenarios: choose another --split" in done.err


def test_without_an_engine_nothing_is_compared(tmp_path: Path, suite: Path) -> None:
    arguments = ["naive", "drf", "--suite", str(suite), "--split", "train"]

    done = assay("compare", *arguments, home=tmp_path, DOCKER_HOST=NO_ENGINE)

    assert done.returncode == 4
    assert done.stdout == ""


@pytest.mark.slow
def test_a_figure_that_guards_the_objective_and_is_worse_is_told_of(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = ("--suite", write_faas_suite(tmp_path), "--domain", "faas", "--cell", "process")
    worse = command(capsys, "compare", "lru", "no-keep-alive", *suite)
    better = command(capsys, "compare", "no-keep-alive", "lru", *suite)

    assert "guard: no-keep-alive against lru: slowdown of the worst tenant " in worse.out
    assert "a search refuses such a candidate" in " ".join(worse.out.split())
    assert "guards: nothing is significantly worse than with no-keep-alive: " in better.out
