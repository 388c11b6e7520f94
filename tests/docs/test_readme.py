"""What the README says is done here: its commands are typed, its links lead somewhere."""

import re
import sys
from pathlib import Path

import pytest

from flows.cli.searches import demo_config
from flows.settings.search import experiment_id
from sandbox.provider import DOCKER
from simulator.domains.pipelines.contract import CONTRACT
from simulator.driver import PolicyDriver
from tests.docs.pages import PAGES, ROOT, SHOWN, blocks, follows, type_in, typed
from tests.support.model_server import ModelServer, policy
from tests.support.prefect_machine import give_database
from tests.support.small_suite import write_suite
from tests.support.warm import folder_with_assay

README = ROOT / "README.md"
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")


@pytest.mark.docker
@pytest.mark.prefect
@pytest.mark.timeout(1500)
@follows(README, "sh", holding="assay ")
def test_the_commands_work_one_after_another(tmp_path: Path) -> None:
    """All but the model's in containers and through Prefect, on a suite of short scenarios; the
    searches are shorter ones, with one baseline."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    give_database(tmp_path / ".assay")
    source = (ROOT / "simulator" / "domains" / "pipelines" / "policies" / "naive.py").read_text(
        encoding="utf-8"
    )
    paper, _, usual, with_a_model = blocks(README, "sh")
    assert typed(paper, {}) == ""  # a search of minutes, left out by name

    suite = write_suite(tmp_path, {"train": (1, 2), "validation": (3,), "test": (4,)})
    short = {"ASSAY_SUITE": str(suite), "ASSAY_BASELINES": '["naive"]'}

    activate, *commands = usual.take().splitlines()
    assert activate == ". .venv/bin/activate"
    at_once = f"PATH={folder_with_assay()}:$PATH"
    changed = "\n".join([activate, at_once, *commands]).replace(
        "--candidates 8 ", "--candidates 2 "
    )
    output = type_in(changed.replace("--suite smoke", f"--suite {suite}"), tmp_path, short)
    with ModelServer(policy(source)) as server:
        there = with_a_model.take().replace("http://127.0.0.1:8000/v1", server.url).strip()
        asked = type_in(f"{there} --cell process --direct", tmp_path, short)

    assert "starting Prefect's local server" in output
    assert "finished: all 2 candidates were tried" in output
    assert "untrusted policies are contained here" in output
    assert "finished: all 3 candidates were tried" in asked
    assert len(server.requests) == 3


@follows(README, "sh", holding="make ")
def test_the_two_commands_of_the_beginning_are_left_out_by_name() -> None:
    assert typed(blocks(README, "sh")[1], {}) == ""


def test_the_files_of_the_demo_are_named_as_they_are(tmp_path: Path) -> None:
    assert f"/{experiment_id(demo_config(tmp_path, fresh=False))}/" in shown_demo()


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_the_demo_ends_as_it_is_shown(tmp_path: Path) -> None:
    """Names, scores, verdict and files: all but the id, which the kind of the cell is a part of."""
    here, there = (
        experiment_id(demo_config(tmp_path, fresh=False, cell=cell)) for cell in ("process", DOCKER)
    )
    table, _, end = shown_demo().replace(there, here).partition("\n\n")
    rows = [line for line in table.splitlines() if line.strip()[:1].isdigit()]
    sentences = re.split(r"\n(?=[a-z ]+:)", end.strip())

    output = type_in("assay demo --direct --cell process", tmp_path)

    printed = [" ".join(line.split()) for line in output.splitlines()]
    assert len(rows) == 4 and len(sentences) == 5
    shown = [" ".join(line.split()) for line in rows + sentences]
    assert [line for line in shown if line not in printed] == []


def shown_demo() -> str:
    """What the page shows of the demo's end."""
    [shown] = [block.text for block in blocks(README, SHOWN) if "rank" in block.text]
    return shown


@follows(README, "python")
def test_the_policy_that_is_shown_is_one() -> None:
    [shown] = blocks(README, "python")

    driver = PolicyDriver(CONTRACT, shown.take())

    driver.load()


def test_links_of_every_page_lead_somewhere() -> None:
    links = [(page, link) for page in PAGES for link in LINK.findall(page.read_text("utf-8"))]

    missing = [
        (page, to) for page, to in links if "://" not in to and not (page.parent / to).exists()
    ]

    assert missing == []
