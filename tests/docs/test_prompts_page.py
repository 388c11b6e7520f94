"""The page about prompts: its commands run in their order, and its tables name what there is."""

import re
from dataclasses import fields
from pathlib import Path

from flows.config import SearchConfig
from flows.history.store import ingest
from flows.prompting.parts import Shown
from flows.prompting.prompts import system_values, user_values
from tests.docs.pages import DOCS, follow
from tests.support.sample_history import write_sample_history

PAGE = DOCS / "prompts.md"
TEXT = PAGE.read_text(encoding="utf-8")


def named_in(table: str) -> set[str]:
    """Return the names in the first column of the table that begins with this heading."""
    rows = TEXT.split(table)[1].split("\n\n")[0].splitlines()[2:]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_the_commands_of_the_page_run_as_they_are_written(tmp_path: Path) -> None:
    write_sample_history(tmp_path / ".assay")
    ingest(tmp_path / ".assay")

    first, wordings, own = [shown.output for shown in follow(PAGE, tmp_path)]

    assert "# What a policy can use" in first and "# Your turn" in first
    assert "with-examples" in wordings
    assert "can be used; template_sha256" in own
    assert own.endswith(first)


def test_the_tables_name_every_value_that_a_template_gets() -> None:
    system, user = system_values(SearchConfig(), ()), user_values((), (), (), "free")

    assert named_in("| in `system.md.j2` | |") == set(system)
    assert named_in("| in `user.md.j2` | |") == set(user)


def test_what_the_lists_hold_is_named_as_it_is() -> None:
    table = TEXT.split("| in `user.md.j2` | |")[1]
    told = set(re.findall(r"`(place|headline|source|diagnosis|key)`", table))

    assert told <= {field.name for field in fields(Shown)}
