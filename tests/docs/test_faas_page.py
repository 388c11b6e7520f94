"""The worked example of docs/faas.md, computed by hand there, and the names that the page lists."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from simulator.domain import find_domain
from simulator.domains.faas.cell import open_scenario, simulate
from simulator.domains.faas.contract import contract_names, local_policy
from tests.docs.pages import DOCS, blocks, follow, follows

PAGE = DOCS / "faas.md"
MB_S = 1_000_000


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("faas")
    for _ in follow(PAGE, folder):
        pass
    command = [sys.executable, "-m", "simulator", "run", "--domain", "faas", "--json"]
    arguments = ["--scenario", str(folder / "example"), "--policy", "example/policy.py"]
    run = subprocess.run([*command, *arguments], capture_output=True, text=True, cwd=folder)
    assert run.returncode == 0, run.stderr
    result: dict[str, Any] = json.loads(run.stdout)
    return result


@follows(PAGE, "toml", "csv", "python", "sh")
def test_the_files_of_the_page_can_be_saved_and_run(tmp_path: Path) -> None:
    outputs = [shown.output for shown in follow(PAGE, tmp_path)]
    mine = local_policy((tmp_path / "mine.py").read_text())
    scenario = open_scenario(tmp_path / "example")

    assert len(outputs) == 1
    assert "tenants" in outputs[0]
    assert simulate(scenario, mine).stats["instances"] > 0


def test_the_exact_figures_are_those_worked_out_by_hand(example: dict[str, Any]) -> None:
    stats = example["stats"]

    assert example["policy_calls"] == 6
    assert {key: stats[key] for key in ("done", "failed", "timed_out", "rejected", "cold")} == {
        "done": 4, "failed": 0, "timed_out": 1, "rejected": 0, "cold": 3,
    }  # fmt: skip
    memory = [stats[f"{each}_mb_us"] for each in ("pull", "init", "idle", "busy", "missed")]
    assert memory == [each * MB_S for each in (128, 2304, 7296, 2816, 1792)]
    assert stats["delay_us"] == 8_500_000
    assert stats["tenants"]["a"]["delay_us"] == 2_500_000
    assert stats["slowdown_milli"] == 9750
    assert [stats[f"slowdown_p{each}_milli"] for each in (50, 95, 99)] == [2000, 3000, 3000]
    assert (stats["instances"], stats["expired"], stats["pulled_mb"]) == (3, 3, 50)
    assert stats["end_us"] == 50_000_000


def test_the_metrics_are_those_worked_out_by_hand(example: dict[str, Any]) -> None:
    metrics = example["metrics"]

    assert metrics["delay_cost_seconds"] == 23 / 12
    assert metrics["memory_cost_seconds"] == 0.0375
    assert metrics["cost_seconds"] == 469 / 240
    assert metrics["lower_bound_seconds"] == 17 / 1200
    assert metrics["worst_cost_seconds"] == 12 + 55936 / 1024 / 300
    assert metrics["max_tenant_slowdown"] == 2.5
    assert metrics["cold_start_share"] == 0.75
    assert metrics["jain_fairness"] == 9604 / 10088


def test_the_digest_is_that_of_the_lines_on_the_page(example: dict[str, Any]) -> None:
    lines = blocks(PAGE, "text")[-1].take()

    assert example["decision_sha256"] == hashlib.sha256(lines.encode()).hexdigest()


def test_the_page_names_every_figure_and_every_name_of_the_contract(
    example: dict[str, Any],
) -> None:
    text = PAGE.read_text(encoding="utf-8")
    figures = [*example["stats"], *example["metrics"], *example["stats"]["tenants"]["a"]]
    missing = [
        each
        for each in figures
        if f"`{each}`" not in text
        and not re.fullmatch(r"(slowdown_)?p\d\d_\w+|slowdown_p\d+_milli", each)
    ]
    objects = [name for name in contract_names() if name not in ("Platform",)]
    missing += [each for each in objects if f"`{each}" not in text]
    missing += [name for name in find_domain("faas").policy_names() if f"`{name}`" not in text]

    assert not missing
