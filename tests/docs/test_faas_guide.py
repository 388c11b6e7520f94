"""The guide to functions as a service keeps its word: each policy earns the score that it names."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, follow, follows

PAGE = DOCS / "faas-guide.md"
PROMISED = [float(figure) for figure in re.findall(r"^About (\d+\.\d+)", PAGE.read_text(), re.M)]
SCORE = re.compile(r"score: (\d+\.\d+)")
SHORTER = {
    "--suite faas-mixed": "--suite faas-smoke",
    "--candidates 200": "--candidates 3 --baseline break-even",
}


@follows(PAGE, "sh", "python")
def test_each_step_of_the_guide_earns_what_it_promises(tmp_path: Path) -> None:
    outputs = [shown.output for shown in follow(PAGE, tmp_path, changes=SHORTER)]
    scores = [float(found[1]) for output in outputs if (found := SCORE.search(output))]

    opponent, *own = scores[: 1 + len(PROMISED)]

    assert own == pytest.approx(PROMISED, abs=0.01)
    assert own[-1] > opponent > 1
    assert "mine" in outputs[-2]
    assert "all 3 candidates were tried" in outputs[-1]
