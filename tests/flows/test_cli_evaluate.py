"""``assay evaluate``: the whole answer for a program, and what a person sees."""

import json
from pathlib import Path

import pytest

from flows.cli.trying import repeat_of
from sandbox.outcome import Evaluation, Outcome, Trial
from tests.support.command import assay
from tests.support.in_process import command
from tests.support.small_suite import write_suite

RAISES = """@register_scheduler_init(key="tried")
def init(s):
    s.calls = 0

@register_scheduler(key="tried")
def step(s, results, pipelines):
    s.calls += 1
    assert s.calls < 5, "five"
    return [], []
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_suite(tmp_path_factory.mktemp("suite"))


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


@pytest.mark.docker
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


@pytest.mark.slow
def test_a_person_sees_a_table_and_the_offending_line(
    tmp_path: Path, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy.py"
    policy.write_text(RAISES, encoding="utf-8")

    done = command(capsys, "evaluate", policy, "--suite", suite, "--cell", "process")

    assert done.code == 3
    assert "small-1" in done.out and "policy_error" in done.out
    assert 'assert s.calls < 5, "five"' in done.out
    assert done.out.rstrip().splitlines()[-1].startswith("outcome: policy_error   score: ")


@pytest.mark.slow
def test_a_trace_and_parameters_can_stand_for_a_suite(
    tmp_path: Path, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = tmp_path / "params.toml"
    params.write_text("duration = 40\nticks_per_second = 10\nnum_pools = 1\n", encoding="utf-8")
    given = ("--trace", suite.parent / "small-1.csv", "--params", params)

    done = command(capsys, "evaluate", "naive", *given, "--json", "--cell", "process")

    answer = json.loads(done.out)
    assert (done.code, answer["score"]) == (0, 1.0)
    assert [each["scenario"] for each in answer["evaluations"]] == ["small-1"]
