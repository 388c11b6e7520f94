"""The configurations that are shipped: each must be accepted, and name what exists."""

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from flows.baselines import check_baselines
from flows.config import SearchConfig, load_config
from simulator.suites import suite_names

ROOT = Path(__file__).resolve().parents[2]


def deployments() -> list[dict[str, Any]]:
    text = (ROOT / "prefect.yaml").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = yaml.safe_load(text)["deployments"]
    return found


def test_the_example_configuration_is_accepted() -> None:
    config = load_config(ROOT / "examples" / "search.toml", {})

    check_baselines(config.baselines)
    assert config.suite in suite_names()


def test_the_default_baselines_are_in_the_library() -> None:
    check_baselines(SearchConfig().baselines)


@pytest.mark.parametrize("deployment", deployments(), ids=lambda d: d["name"])
def test_a_deployment_names_a_flow_that_exists(deployment: dict[str, Any]) -> None:
    path, name = deployment["entrypoint"].split(":")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))

    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert deployment["concurrency_limit"]["collision_strategy"] == "CANCEL_NEW"


def test_the_nightly_search_is_a_valid_configuration() -> None:
    [nightly] = [each for each in deployments() if each["name"] == "nightly"]

    config = SearchConfig.model_validate(nightly["parameters"]["config"])

    assert config.suite in suite_names()
