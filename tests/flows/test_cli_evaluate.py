"""``assay evaluate`` in real cells: every way to fail has its outcome, message and exit code."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.cli.trying import repeat_of
from sandbox.outcome import Evaluation, Outcome, Trial
from tests.support.command import assay
from tests.support.small_suite import write_suite

pytestmark = pytest.mark.docker

FRAME = """@register_scheduler_init(key="tried")
def init(s):
    s.calls = 0

@register_scheduler(key="tried")
def step(s, results, pipelines):
    s.calls += 1
    {body}
    return [], []
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A policy and what must be said of it."""

    source: str
    outcomes: tuple[str, ...]
    line: int | None
    told: str = ""


CASES = {
    "syntax": Case(source="x = 1\ndef (:\n", outcomes=("load_error",), line=2, told="syntax"),
    "import": Case(source="import os\n", outcomes=("rejected",), line=1, told="os"),
    "loop": Case(
        source=FRAME.format(body="while True: pass"),
        outcomes=("call_timeout", "cpu_limit"),
        line=None,
    ),
    "prints": Case(
        source=FRAME.format(body='print("x" * 100_000_000)'), outcomes=("ok",), line=None
    ),
    "raises": Case(
        source=FRAME.format(body='assert s.calls < 5, "five"'),
        outcomes=("policy_error",),
        line=8,
        told="AssertionError: five",
    ),
    "nonsense": Case(
        source=FRAME.format(body="return 7"), outcomes=("invalid_decision",), line=None, told="7"
    ),
}


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_suite(tmp_path_factory.mktemp("suite"))


@pytest.mark.parametrize("name", CASES)
def test_each_failure_has_its_outcome_and_points_at_the_line(
    tmp_path: Path, suite: Path, name: str
) -> None:
    case, policy = CASES[name], tmp_path / "policy.py"
    policy.write_text(case.source, encoding="utf-8")

    done = assay("evaluate", policy, "--suite", suite, "--json", home=tmp_path / "home")

    answer = json.loads(done.stdout)
    errors = [each["error"] for each in answer["evaluations"] if each["error"] is not None]
    assert answer["outcome"] in case.outcomes
    assert done.returncode == (0 if case.outcomes == ("ok",) else 3)
    assert done.stderr == ""
    if errors:
        assert (errors[0]["line"], errors[0]["kind"]) == (case.line, answer["outcome"])
        assert case.told in errors[0]["message"]


def test_evaluate_says_whether_the_policy_could_be_repeated() -> None:
    def trial(*outcomes: tuple[Outcome, str | None]) -> Trial:
        tried = [
            Evaluation(scenario="small-1", outcome=outcome, decision_sha256=digest)
            for outcome, digest in outcomes
        ]
        return Trial(candidate="c", outcome=outcomes[0][0], evaluations=tuple(tried))

    good, other = (Outcome.OK, "a"), (Outcome.OK, "b")
    cases = [
        (trial(good), "none"),
        (trial(good, good), True),
        (trial(good, other), False),
        (trial(good, (Outcome.WORKER_DIED, None)), False),
        (trial(good, (Outcome.NOT_TRIED, None)), None),
        (trial((Outcome.CALL_TIMEOUT, None), (Outcome.CALL_TIMEOUT, None)), None),
    ]

    for given, same in cases:
        assert (repeat_of(given) or {"same": "none"})["same"] == same, given


def test_a_good_policy_has_the_whole_answer(tmp_path: Path, suite: Path) -> None:
    done = assay("evaluate", "naive", "--suite", suite, "--json", home=tmp_path / "home")

    answer = json.loads(done.stdout)
    assert (done.returncode, answer["outcome"], answer["score"]) == (0, "ok", 1.0)
    assert {"candidate", "outcome", "score", "evaluations", "cell"} <= set(answer)
    assert answer["repeat"] == {
        "scenario": "small-1",
        "same": True,
        "message": "the same decisions in another cell",
    }
    assert set(answer["cell"]) == {"image_id", "seconds", "runtime", "isolation"}
    assert [each["scenario"] for each in answer["evaluations"]] == ["small-1", "small-2"]
    for each in answer["evaluations"]:
        assert {"scenario", "outcome", "score", "stats", "metrics", "error"} <= set(each)
        assert each["stats"] and each["metrics"] and each["error"] is None
    assert not (tmp_path / "home").exists()


def test_a_person_sees_a_table_and_the_offending_line(tmp_path: Path, suite: Path) -> None:
    policy = tmp_path / "policy.py"
    policy.write_text(CASES["raises"].source, encoding="utf-8")

    done = assay("evaluate", policy, "--suite", suite, home=tmp_path / "home")

    assert done.returncode == 3
    assert "small-1" in done.stdout and "policy_error" in done.stdout
    assert 'assert s.calls < 5, "five"' in done.stdout
    assert done.stdout.rstrip().splitlines()[-1].startswith("outcome: policy_error   score: ")


def test_a_policy_that_loops_while_it_is_loaded_says_so(tmp_path: Path, suite: Path) -> None:
    policy = tmp_path / "policy.py"
    policy.write_text("while True: pass\n", encoding="utf-8")

    done = assay("evaluate", policy, "--suite", suite, home=tmp_path / "home")

    assert done.returncode == 3
    assert "\nloading the policy used more than 5 CPU seconds\n" in done.stdout


def test_a_trace_and_parameters_can_stand_for_a_suite(tmp_path: Path, suite: Path) -> None:
    params = tmp_path / "params.toml"
    params.write_text("duration = 40\nticks_per_second = 10\nnum_pools = 1\n", encoding="utf-8")
    trace = suite.parent / "small-1.csv"

    done = assay(
        "evaluate", "naive", "--trace", trace, "--params", params, "--json", home=tmp_path / "home"
    )

    answer = json.loads(done.stdout)
    assert (done.returncode, answer["score"]) == (0, 1.0)
    assert [each["scenario"] for each in answer["evaluations"]] == ["small-1"]
