"""The guide keeps its word: typed in as written, each policy earns the score that it names."""

import re
from pathlib import Path

import pytest

from simulator.domains.pipelines.contract_page import document
from tests.docs.pages import DOCS, follow, follows

PAGE = DOCS / "policy-guide.md"
PROMISED = [float(figure) for figure in re.findall(r"^About (\d+\.\d+)", PAGE.read_text(), re.M)]
SCORE = re.compile(r"score: (\d+\.\d+)")


@pytest.mark.slow
@follows(PAGE, "sh", "python")
def test_each_step_of_the_guide_earns_what_it_promises(tmp_path: Path) -> None:
    outputs = [shown.output for shown in follow(PAGE, tmp_path, embedded=True)]
    scores = [float(found[1]) for output in outputs if (found := SCORE.search(output))]

    opponent, *own = scores

    assert own == pytest.approx(PROMISED, abs=0.01)
    assert own[-1] > 2 * opponent
    assert "mine" in outputs[-1]


def test_the_contract_that_ships_is_what_the_code_says() -> None:
    page = (DOCS / "policy-contract.md").read_text(encoding="utf-8")

    assert page == document(), (
        "write it with python -m simulator.domains.pipelines.contract_page > "
        "docs/policy-contract.md"
    )
