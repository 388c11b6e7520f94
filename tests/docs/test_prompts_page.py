"""The page about prompts: its commands run in their order, and its tables name what there is."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from flows.history.store import ingest
from flows.prompting.prompts import Shown, system_values, user_values
from flows.settings.search import SearchConfig
from simulator.domain import find_domain
from simulator.domains.pipelines.library import policy_source
from tests.docs.inline import commands_in_text
from tests.docs.pages import DOCS, follow, follows, type_in
from tests.support.model_server import ModelServer, policy
from tests.support.sample_history import write_sample_history
from tests.support.small_suite import write_suite

PAGE = DOCS / "prompts.md"
TEXT = PAGE.read_text(encoding="utf-8")


def named_in(table: str) -> set[str]:
    """Return the names in the first column of the table that begins with this heading."""
    rows = TEXT.split(table)[1].split("\n\n")[0].splitlines()[2:]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}


@follows(PAGE, "sh")
def test_the_commands_of_the_page_run_as_they_are_written(tmp_path: Path) -> None:
    write_sample_history(tmp_path / ".assay")
    ingest(tmp_path / ".assay")

    first, wordings, own = [shown.output for shown in follow(PAGE, tmp_path)]

    assert "# What a policy can use" in first and "# Your turn" in first
    assert "with-examples" in wordings
    assert "can be used; template_sha256" in own
    assert own.endswith(first)


@pytest.mark.slow
def test_a_search_asks_with_the_templates_that_were_copied(tmp_path: Path) -> None:
    [run] = [each for each in commands_in_text(PAGE) if each.startswith("assay run --proposer")]
    short = (
        f"--direct --candidates 1 --cell process --baseline naive --suite {write_suite(tmp_path)}"
    )
    type_in("assay prompts copy my-prompts", tmp_path)
    with (tmp_path / "my-prompts" / "user.md.j2").open("a", encoding="utf-8") as template:
        template.write("A wish of ours.\n")

    with ModelServer(policy(policy_source("naive"))) as server:
        address = f"--model local --base-url {server.url}"
        type_in(f"{run} {short} {address}", tmp_path)

    assert "A wish of ours." in str(server.requests[0].body)


def test_the_tables_name_every_value_that_a_template_gets() -> None:
    system, user = system_values(SearchConfig(), ()), user_values(find_domain(), (), (), (), "free")

    assert named_in("| in `system.md.j2` | |") == set(system)
    assert named_in("| in `user.md.j2` | |") == set(user)


def test_what_the_lists_hold_is_named_as_it_is() -> None:
    table = TEXT.split("| in `user.md.j2` | |")[1]
    told = set(re.findall(r"`(place|headline|source|diagnosis|key)`", table))

    assert told <= {field.name for field in fields(Shown)}
