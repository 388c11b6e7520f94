"""The page on the offline proposer says what the space holds, and its command is one."""

import re
import shlex

from flows.cli import assay
from flows.offline.emit import emit
from flows.offline.space import CHOICES, Genome, with_values
from flows.offline.vary import SEEDS
from tests.docs.pages import DOCS, blocks

PAGE = DOCS / "offline.md"


def test_the_table_of_genes_is_that_of_the_space() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    genes = [(name, values) for name, values in rows if name in CHOICES]
    assert genes == [(name, ", ".join(map(str, CHOICES[name]))) for name in CHOICES]


def test_the_snippet_is_part_of_a_policy_of_the_space() -> None:
    (snippet,) = [block.text for block in blocks(PAGE) if block.language == "python"]
    genome = with_values(Genome(), {"probe_gb": 2, "kinds": "all", "quick_growth": 1.25})

    assert snippet in emit(genome)


def test_the_command_of_the_page_is_understood() -> None:
    (command,) = re.findall(r"^    assay (run .+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    name, *arguments = shlex.split(command)

    given = assay.commands[name].make_context(name, arguments).params
    assert (given["suite"], given["strategy"], given["candidates"]) == ("mixed", "evolve", 200)


def test_the_number_of_seeds_is_the_one_of_the_page() -> None:
    assert len(SEEDS) == 6
    assert "begins with six seeds" in PAGE.read_text(encoding="utf-8")
