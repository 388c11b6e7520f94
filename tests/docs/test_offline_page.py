"""The page on the offline proposer says what the space holds, and its command is one."""

import re
from pathlib import Path

from simulator.domains.faas.offline.space import CHOICES as FAAS_CHOICES
from simulator.domains.pipelines.offline.space import CHOICES, GENES, Genome
from simulator.domains.pipelines.offline.vary import SEEDS
from tests.docs.pages import DOCS, blocks, follows, type_in
from tests.support.offline import emit
from tests.support.small_suite import write_suite

with_values = GENES.with_values

PAGE = DOCS / "offline.md"


def test_the_tables_of_genes_are_those_of_the_spaces() -> None:
    page = PAGE.read_text(encoding="utf-8")
    spaces = {"genes": CHOICES, "genes of faas": FAAS_CHOICES}
    for name, choices in spaces.items():
        _, _, rest = page.partition(f"<!-- {name} -->")
        table, _, _ = rest.partition(f"<!-- end of {name} -->")

        genes = re.findall(r"^\| `(\w+)` \| (.+?) \|", table, re.MULTILINE)
        assert genes == [(gene, ", ".join(map(str, choices[gene]))) for gene in choices]


def test_the_number_of_genes_of_faas_is_the_one_of_the_page() -> None:
    assert f"one of {len(FAAS_CHOICES)} genes" in PAGE.read_text(encoding="utf-8")


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
    short = f"--suite {write_suite(tmp_path)} --candidates 2 --cell process --baseline naive"

    output = type_in(f"{line} {short}", tmp_path)

    assert "finished: all 2 candidates were tried" in output


def test_the_number_of_seeds_is_the_one_of_the_page() -> None:
    assert len(SEEDS) == 6
    assert "starts with six seeds" in PAGE.read_text(encoding="utf-8")
