"""The page on how a search decides: its commands run, its figures are those of the code."""

import math
import re
from pathlib import Path
from random import Random

import pytest

from flows.history.records import CandidateRow
from flows.judging.intervals import paired_interval
from flows.judging.splits import suite_splits
from flows.search.budget import most_tries
from flows.settings.search import SearchConfig
from simulator.domains.pipelines.library import PIPELINES
from tests.docs.pages import DOCS, blocks, follow, follows
from tests.support.small_suite import write_suite

PAGE = DOCS / "search.md"


@follows(PAGE, "sh", "python")
def test_the_commands_and_the_snippet_of_the_page_show_what_it_says(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, {"train": [1, 2, 3], "validation": [4, 5, 6], "test": [7, 8]})
    short = {
        "--name guarded": f"--name guarded --suite {suite}",
        "--candidates 4": "--candidates 2",
    }

    snippet, searched, confirmed, tries, raced, told = follow(PAGE, tmp_path, changes=short)

    assert snippet.output in [block.text for block in blocks(PAGE, "text")]
    assert "finished: all 2 candidates were tried" in searched.output
    assert "promoted" in confirmed.output
    assert "naive" not in confirmed.output.split("standing_detail")[0]
    for purpose in ("score", "repeat", "elite", "audit"):
        assert purpose in tries.output
    assert "scenarios_tried" in raced.output and "false" in raced.output
    assert "test" in told.output


def test_a_candidate_takes_at_most_as_many_tries_as_the_page_says() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    most = {
        name: most_tries(SearchConfig(), suite_splits(name, PIPELINES))
        for name in ("smoke", "mixed")
    }

    assert f"{most['smoke']} tries on `smoke`, {most['mixed']} on `mixed`." in text


def test_chance_passes_about_as_often_as_the_page_says() -> None:
    text = PAGE.read_text(encoding="utf-8")
    counts = re.findall(r"\d+", re.search(r"\| scenarios \|(.+)\|", text)[1])  # type: ignore[index]
    row = re.search(r"\| passes by chance, in per cent \|(.+)\|", text)
    shares = re.findall(r"[\d.]+", row[1])  # type: ignore[index]
    rng = Random(1)

    for count, share in zip(map(int, counts), map(float, shares), strict=True):
        passed = 0
        for seed in range(400):
            ratios = [math.exp(rng.gauss(0, 0.2)) for _ in range(count)]
            passed += paired_interval(ratios, resamples=500, seed=seed).low > 0
        assert passed / 4 == pytest.approx(share, abs=5)


def test_every_setting_and_column_of_the_page_exists() -> None:
    text = PAGE.read_text(encoding="utf-8")
    config = SearchConfig()

    for section, key in set(re.findall(r"`(guards|evolve|budget|racing)\.(\w+)", text)):
        assert hasattr(getattr(config, section), key), f"{section}.{key}"
    for standing in ("promoted", "refused", "barred", "stopped"):
        assert f"| `{standing}` |" in text
    assert {"validation_score", "standing", "standing_detail"} <= set(CandidateRow.__slots__)
