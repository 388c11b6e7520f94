"""A search on a sealed domain, from the command to the rows of its history."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import model_server as behaves
from tests.support.command import assay
from tests.support.model_server import ModelServer
from tests.support.sealed import accepted, source

pytestmark = pytest.mark.slow

DISLIKES_OTHER_ORDERS = (
    source("simulators", "good")
    .replace("coming = scenario.jobs, [], 0", "coming = scenario.jobs, [], 0\n    newest = 0")
    .replace(
        "jobs[decision.job].service",
        "jobs[decision.job].service + (decision.job < newest)\n"
        "            newest = max(newest, decision.job)",
    )
)
"""Right for policies that start jobs in their order, and one us late for others."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the queue, and a search in it whose simulator fails under one candidate."""
    here = tmp_path_factory.mktemp("sealed")
    accepted(here / "queue", DISLIKES_OTHER_ORDERS)
    honest = source("policies", "fifo").replace("waiting[:free]", "waiting[: min(free, 1)]")
    with ModelServer(
        behaves.policy(source("policies", "shortest")), behaves.policy(honest)
    ) as server:
        asked = ("--proposer", "openai", "--model", "any", "--base-url", server.url)
        words = ("run", "--direct", "--domain", "./queue", "--cell", "process", "--name", "mine")
        done = assay(
            *words, "--candidates", "2", *asked, home=here / "home", folder=here, OPENAI_API_KEY="k"
        )
        assert done.returncode == 0, done.stderr
        (here / "sent.json").write_text(json.dumps([each.body for each in server.requests]))
    return here


def ask(folder: Path, statement: str) -> list[dict[str, Any]]:
    done = assay("sql", statement, "--format", "json", home=folder / "home", folder=folder)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def test_a_candidate_under_which_the_simulator_fails_has_no_score_and_no_charge(
    folder: Path,
) -> None:
    first, second = ask(folder, "from candidates where iteration > 0 order by iteration")
    rows = ask(folder, "from evaluations where outcome = 'simulator_failed'")

    assert (first["outcome"], first["score"], first["improved"]) == (
        "simulator_failed",
        None,
        False,
    )
    assert "service takes its time" in first["problem"]
    assert (second["outcome"], second["standing"]) != ("simulator_failed", "refused")
    assert rows
    assert {(row["score"], row["cost"], row["metrics"]) for row in rows} == {(None, None, None)}


def test_every_evaluation_says_whose_word_its_figures_are(folder: Path) -> None:
    assert ask(folder, "select distinct domain, trust from evaluations") == [
        {"domain": "queue", "trust": "sealed"}
    ]


def test_a_model_is_told_the_contract_and_nothing_hidden(folder: Path) -> None:
    sent = (folder / "sent.json").read_text()

    assert "job must be waiting; needs `busy < servers`" in sent
    assert "row.estimate" in sent
    assert "row.service" not in sent
    assert "job.service" not in sent.split("service takes its time")[0]
