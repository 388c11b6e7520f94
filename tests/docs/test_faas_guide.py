"""The guide to functions as a service keeps its word: each policy earns the score that it names."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, follow, follows
from tests.support.small_suite import write_faas_suite

PAGE = DOCS / "faas-guide.md"
PROMISED = [float(figure) for figure in re.findall(r"^About (\d+\.\d+)", PAGE.read_text(), re.M)]
SCORE = re.compile(r"score: (\d+\.\d+)")


@follows(PAGE, "sh", "python")
def test_each_step_of_the_guide_earns_what_it_promises(tmp_path: Path) -> None:
    shorter = {
        "--suite faas-mixed --split": "--suite faas-smoke --split",
        "--suite faas-mixed --strategy": f"--suite {write_faas_suite(tmp_path)} --strategy",
        "--candidates 200": "--candidates 2 --baseline break-even",
    }

    outputs = [shown.output for shown in follow(PAGE, tmp_path, changes=shorter)]
    scores = [float(found[1]) for output in outputs if (found := SCORE.search(output))]

    opponent, *own = scores[: 1 + len(PROMISED)]

    assert own == pytest.approx(PROMISED, abs=0.01)
    assert own[-1] > opponent > 1
    assert "mine" in outputs[-2]
    assert "all 2 candidates were tried" in outputs[-1]
