"""The page on the offline proposer says what the space holds, and its command is one."""

import re
from pathlib import Path

from simulator.domains.pipelines.offline.space import CHOICES, GENES, Genome
from simulator.domains.pipelines.offline.vary import SEEDS
from tests.docs.pages import DOCS, blocks, follows, type_in
from tests.support.offline import emit
from tests.support.small_suite import write_suite

with_values = GENES.with_values

PAGE = DOCS / "offline.md"


def test_the_table_of_genes_is_that_of_the_space() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    genes = [(name, values) for name, values in rows if name in CHOICES]
    assert genes == [(name, ", ".join(map(str, CHOICES[name]))) for name in CHOICES]


@follows(PAGE, "python")
def test_the_snippet_is_part_of_a_policy_of_the_space() -> None:
    [snippet] = [block.take() for block in blocks(PAGE, "python")]
    genome = with_values(Genome(), {"probe_gb": 2, "kinds": "all", "quick_growth": 1.25})

    assert snippet in emit(genome)


@follows(PAGE, "sh")
def test_the_command_of_the_page_runs_on_short_scenarios_for_a_few_candidates(
    tmp_path: Path,
) -> None:
    [command] = blocks(PAGE, "sh")
    [line] = command.take().splitlines()
    short = f"--suite {write_suite(tmp_path)} --candidates 4 --cell process --baseline naive"

    output = type_in(f"{line} {short}", tmp_path)

    assert "finished: all 4 candidates were tried" in output


def test_the_number_of_seeds_is_the_one_of_the_page() -> None:
    assert len(SEEDS) == 6
    assert "starts with six seeds" in PAGE.read_text(encoding="utf-8")
