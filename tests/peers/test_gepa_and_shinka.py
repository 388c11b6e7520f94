"""The real GEPA searches with Assay's evaluator; ShinkaEvolve's program leaves what that reads."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.peer_frameworks import GEPA, ROOT, python_with
from tests.support.small_suite import write_suite

EXAMPLES = ROOT / "examples"
SEARCH = """
import sys
sys.path.insert(0, {folder!r})
from optimize import improve
source = open({policy!r}, encoding="utf-8").read()
prompts = []
replies = [
    "import os\\nos._exit(0)\\n",
    source.replace("FIRST_GB = 8", "FIRST_GB = 3"),
]
def model(prompt):
    prompts.append(str(prompt))
    return "```\\n" + replies[(len(prompts) - 1) % len(replies)] + "```"
result = improve(source, model, calls=9)
print("candidates", len(result.candidates))
print("best", max(result.val_aggregate_scores))
print("told", any("weakest scenarios" in prompt for prompt in prompts))
print("prompts", len(prompts))
"""

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_suite(tmp_path_factory.mktemp("suite"))


def environment(suite: Path) -> Mapping[str, str]:
    return {**os.environ, "ASSAY_EVALUATOR_SUITE": str(suite)}


@pytest.mark.nightly
def test_gepa_goes_on_after_a_candidate_that_would_end_its_process(
    tmp_path: Path, suite: Path
) -> None:
    program = SEARCH.format(
        folder=str(EXAMPLES / "gepa"), policy=str(EXAMPLES / "openevolve" / "initial_policy.py")
    )

    done = subprocess.run(
        [python_with(GEPA), "-c", program],
        env=environment(suite),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=500,
    )

    assert done.returncode == 0, done.stderr
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines() if line.count(" ") == 1)
    assert int(told["candidates"]) >= 1
    assert int(told["prompts"]) >= 2
    assert float(told["best"]) > 1.3
    assert told["told"] == "True"


def test_shinkas_program_writes_score_correctness_and_feedback(tmp_path: Path, suite: Path) -> None:
    results = {}
    for name, source in (
        ("good", (EXAMPLES / "shinka" / "initial.py").read_text(encoding="utf-8")),
        ("bad", "import os\nos._exit(0)\n"),
    ):
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        program, folder = str(tmp_path / f"{name}.py"), str(tmp_path / name)
        arguments = ["--program_path", program, "--results_dir", folder]

        done = subprocess.run(
            [sys.executable, EXAMPLES / "shinka" / "evaluate.py", *arguments],
            env=environment(suite),
            capture_output=True,
            text=True,
            timeout=500,
        )

        assert done.returncode == 0, done.stderr
        results[name] = [
            json.loads((tmp_path / name / file).read_text(encoding="utf-8"))
            for file in ("metrics.json", "correct.json")
        ]

    (metrics, correct), (bad_metrics, incorrect) = results["good"], results["bad"]
    assert set(metrics) == {"combined_score", "public", "private", "text_feedback"}
    assert metrics["combined_score"] > 1 > bad_metrics["combined_score"]
    assert set(metrics["private"]) == {"score_small-1", "score_small-2"}
    assert correct == {"correct": True, "error": None}
    assert not incorrect["correct"]
    assert 'import of "os" is not allowed' in incorrect["error"]
    assert "weakest scenarios" in metrics["text_feedback"]
