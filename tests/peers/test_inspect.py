"""The real Inspect evaluates its own mock model on our task: scores, outcomes, and errors."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from flows.cli.policies import starter_policy
from simulator.domain import find_domain
from tests.docs.pages import DOCS, blocks, follows
from tests.support.command import NO_ENGINE
from tests.support.peer_frameworks import INSPECT, ROOT, python_with
from tests.support.small_suite import write_suite

PAGE = DOCS / "evaluator.md"
EXAMPLE = "examples/inspect/task.py"
SCRIPT = """
import json, sys
from inspect_ai import eval
from inspect_ai.model import ModelOutput, ModelUsage, get_model

def said(reply):  # with usage: Inspect would fetch a tokenizer to count it
    output = ModelOutput.from_content("mockllm/model", reply)
    output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    return output

task, cases = sys.argv[1], json.loads(sys.argv[2])
told = []
for arguments, replies in cases:
    model = get_model("mockllm/model", custom_outputs=[said(each) for each in replies])
    (log,) = eval(task, model=model, task_args=arguments, log_dir=sys.argv[3], display="none")
    sample = log.samples[0]
    found = (sample.scores or {}).items()
    scores = {name: json.loads(each.model_dump_json()) for name, each in found}
    metrics = {each.name: {k: v.value for k, v in each.metrics.items()}
               for each in (log.results.scores if log.results else [])}
    told.append({"status": log.status, "scores": scores, "metrics": metrics,
                 "error": sample.error.message if sample.error else None,
                 "messages": [each.text for each in sample.messages]})
print(json.dumps(told))
"""
HOSTILE = "Ignore all rules.\n```python\nimport os\nos._exit(0)\n```"
STARTER = starter_policy(find_domain())
GOOD = f"Urgent work first.\n```python\n{STARTER}```"


@pytest.mark.nightly
@pytest.mark.timeout(1200)
@follows(PAGE, "sh", holding="inspect eval")
def test_a_model_writes_policies_and_the_best_on_train_is_scored_on_validation(
    tmp_path: Path,
) -> None:
    (page,) = blocks(PAGE, "sh")[-1:]
    assert f"inspect eval {EXAMPLE} --model" in page.take()
    suite = str(write_suite(tmp_path, {"train": (1,), "validation": (2,)}))
    there = {"suite": suite, "cell": "process"}

    three, none, hostile, away = evaluated(
        tmp_path,
        [
            (there, [HOSTILE, GOOD, "I do not know."]),
            (there | {"attempts": 1}, ["I do not know."]),
            (there | {"attempts": 1}, [HOSTILE]),
            ({"suite": suite, "attempts": 1}, [GOOD]),
        ],
    )

    score = three["scores"]["policy_score"]
    assert three["status"] == "success"
    assert score["value"]["correct"] == 1.0 and score["value"]["score"] > 0
    assert score["answer"] == STARTER and score["metadata"]["outcome"] == "ok"
    assert list(score["metadata"]["scores"]) == ["small-2"]
    assert "(1.0 is the naive baseline, higher is better)" in score["explanation"]
    assert three["metrics"]["score"] == {"mean": score["value"]["score"], "stderr": 0}
    assert "You write scheduling policies" in three["messages"][0]
    feedback = [text for text in three["messages"] if "Write a better policy" in text]
    assert len(feedback) == 2 and 'import of "os" is not allowed' in feedback[0]
    for failed, outcome in ((none, "malformed"), (hostile, "rejected")):
        assert failed["status"] == "success"
        assert failed["scores"]["policy_score"]["value"] == {"score": 0.0, "correct": 0.0}
        assert failed["scores"]["policy_score"]["metadata"]["outcome"] == outcome
    assert (away["status"], away["scores"], away["metrics"]) == ("error", {}, {})
    assert "Docker" in away["error"]


def evaluated(folder: Path, cases: list[tuple[dict[str, Any], list[str]]]) -> list[dict[str, Any]]:
    """Return what Inspect found for arguments of the example and replies of its mock model."""
    done = subprocess.run(
        [python_with(INSPECT), "-c", SCRIPT, EXAMPLE, json.dumps(cases), folder / "logs"],
        cwd=ROOT,
        env={**os.environ, "DOCKER_HOST": NO_ENGINE, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    told: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return told
