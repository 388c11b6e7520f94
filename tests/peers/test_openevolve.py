"""The real OpenEvolve searches with Assay as its evaluator, and a hostile program harms nobody."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.evaluator import EvaluatorSettings, close_all, evaluate
from tests.docs.pages import DOCS, blocks, follows
from tests.support.model_server import ModelServer, says
from tests.support.peer_frameworks import OPENEVOLVE, ROOT, python_with
from tests.support.small_suite import write_suite

PAGE = DOCS / "evaluator.md"
EXAMPLE = ROOT / "examples" / "openevolve"
INITIAL = (EXAMPLE / "initial_policy.py").read_text(encoding="utf-8")
FIRST_LINE = "    s.waiting.extend(pipelines)\n"
CALL_CPU_SECONDS = 0.5

HOSTILE = {
    "exits": "import os\nos._exit(0)\n",
    "tampers": "import sys\nm = sys.modules['evaluation_module']\nm.evaluate = lambda path: 1e9\n",
    "leaves": INITIAL.replace(FIRST_LINE, "    raise SystemExit(0)\n"),
    "hoards": INITIAL.replace(FIRST_LINE, "    s.hoard = [0] * 10**9\n"),
    "loops": INITIAL.replace(FIRST_LINE, "    while True: pass\n"),
}
EVALUATED = re.compile(r"Iteration (\d+): Program .* completed")
METRICS = re.compile(r"INFO - Metrics: (.*)")


def honest(gigabytes: int) -> str:
    """Return one of several policies that differ in what they do."""
    return INITIAL.replace("FIRST_GB = 8", f"FIRST_GB = {gigabytes}")


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield write_suite(tmp_path_factory.mktemp("suite"))
    close_all()


@pytest.mark.docker
@pytest.mark.timeout(1200)
@follows(PAGE, "sh", holding="openevolve-run")
def test_hostile_programs_in_the_middle_change_nothing_for_the_others(
    tmp_path: Path, suite: Path
) -> None:
    replies = [honest(2), *HOSTILE.values(), honest(3), honest(4)]
    python = python_with(OPENEVOLVE)

    with ModelServer(*[says(f"```python\n{source}```") for source in replies]) as server:
        done = search(python, server.url, suite, tmp_path, len(replies))

    assert done.returncode == 0, done.stderr
    told = METRICS.findall(done.stderr)
    assert len(EVALUATED.findall(done.stderr)) == len(told) == len(replies)
    scores = [float(metrics.split("combined_score=")[1].split(",")[0]) for metrics in told]
    settings = EvaluatorSettings(suite=str(suite), call_cpu_seconds=CALL_CPU_SECONDS)
    for source, metrics, score in zip(replies, told, scores, strict=True):
        if source in HOSTILE.values():
            assert "correct=0.0000" in metrics
            assert score < 1.0
        else:
            assert score == pytest.approx(own_score(tmp_path, source, settings), abs=1e-4)
    best = json.loads((tmp_path / "out" / "best" / "best_program_info.json").read_text())
    at_first = own_score(tmp_path, INITIAL, settings)
    assert best["metrics"]["combined_score"] == pytest.approx(max(*scores, at_first), abs=1e-4)
    prompts = [json.dumps(request.body) for request in server.requests]
    assert any("1.0 is the naive baseline, higher is better" in prompt for prompt in prompts)


def search(
    python: Path, url: str, suite: Path, folder: Path, iterations: int
) -> subprocess.CompletedProcess[str]:
    """Run OpenEvolve as the page says, in a copy of the shipped example."""
    [shown] = [block for block in blocks(PAGE, "sh") if "openevolve-run" in block.text]
    example = shutil.copytree(EXAMPLE, folder / "openevolve")
    path = example / "config.yaml"
    config = path.read_text(encoding="utf-8")
    assert "http://127.0.0.1:8000/v1" in config
    path.write_text(config.replace("http://127.0.0.1:8000/v1", url), encoding="utf-8")
    first, *words = shlex.split(shown.take())
    assert first == "openevolve-run"
    options = ["--iterations", str(iterations), "--output", str(folder / "out")]
    return subprocess.run(
        [python, "-m", "openevolve.cli", *words, *options],
        cwd=example,
        env={
            **os.environ,
            "OPENAI_API_KEY": "sk-of-the-test",
            "ASSAY_EVALUATOR_SUITE": str(suite),
            "ASSAY_EVALUATOR_CALL_CPU_SECONDS": str(CALL_CPU_SECONDS),
        },
        capture_output=True,
        text=True,
        timeout=700,
    )


def own_score(folder: Path, source: str, settings: EvaluatorSettings) -> float:
    """Return what the evaluator says here, where no framework stands between."""
    path = folder / "policy.py"
    path.write_text(source, encoding="utf-8")
    return evaluate(path, settings)["combined_score"]
