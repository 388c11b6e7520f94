"""The configurations that are shipped: each must be accepted, and name what exists."""

import ast
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml  # type: ignore[import-untyped]
from pydantic import BaseModel

from flows.orchestration.deployments import TAGS, shipped
from flows.policies import check_baselines
from flows.settings.search import SearchConfig, load_config
from flows.settings.sections import CompareConfig, FolderConfig, ModelPrice
from flows.settings.sweep import SweepConfig
from simulator.domains.pipelines.library import suite_names
from tests.docs.pages import DOCS, blocks

ROOT = Path(__file__).resolve().parents[2]


def deployments() -> list[dict[str, Any]]:
    text = (ROOT / "prefect.yaml").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = yaml.safe_load(text)["deployments"]
    return found


def test_the_example_configurations_are_accepted() -> None:
    for path in sorted((ROOT / "examples").glob("*.toml")):
        config = load_config(path, {})

        check_baselines(config.baselines, config.domain)
        assert config.suite in suite_names()


def test_the_default_baselines_are_in_the_library() -> None:
    check_baselines(SearchConfig().baselines, SearchConfig().domain)


@pytest.mark.parametrize("deployment", deployments(), ids=lambda d: d["name"])
def test_a_deployment_names_a_flow_that_exists(deployment: dict[str, Any]) -> None:
    path, name = deployment["entrypoint"].split(":")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))

    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_deployments_for_a_pool_are_those_that_are_served() -> None:
    """Flow names have dashes where function names have underscores."""
    said = {each["name"]: each for each in deployments()}

    for served in shipped():
        pooled = said.pop(served.name)
        alone = pooled.get("concurrency_limit", {}).get("collision_strategy") == "CANCEL_NEW"
        schedules = [
            {key: value for key, value in schedule.items() if key != "timezone"}
            for schedule in pooled.get("schedules", [])
        ]
        assert pooled["entrypoint"].endswith(f":{served.flow.replace('-', '_')}")
        assert pooled["description"] == served.description
        assert pooled["parameters"] == served.parameters
        assert (pooled["tags"], alone) == (TAGS, served.alone)
        assert schedules == [
            *([{"cron": served.cron}] if served.cron is not None else []),
            *([{"interval": served.interval_seconds}] if served.interval_seconds else []),
        ]
    assert said == {}


def test_deployments_have_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert {each["version"] for each in deployments()} == {project["version"]}


def test_the_parameters_of_the_other_deployments_are_accepted() -> None:
    found = {each["name"]: each["parameters"].get("config") for each in deployments()}

    assert FolderConfig.model_validate(found["folder"]).folder == Path("policies")
    assert len(CompareConfig.model_validate(found["leaderboard"]).policies) == 4


def test_the_sweep_is_a_valid_configuration() -> None:
    [sweep] = [each for each in deployments() if each["name"] == "strategies"]

    config = SweepConfig.model_validate(sweep["parameters"]["config"])

    assert config.suite in suite_names()
    assert len(config.members()) == 6


def test_the_cluster_of_the_page_is_a_valid_configuration(tmp_path: Path) -> None:
    [text] = [
        block.text
        for block in blocks(DOCS / "scale-out.md", "toml")
        if block.text.startswith("# cluster.toml")
    ]
    (tmp_path / "cluster.toml").write_text(text, encoding="utf-8")

    runner = load_config(tmp_path / "cluster.toml", {}).runner

    assert (runner.kind, runner.workers) == ("dask", 8)


def test_the_nightly_search_is_a_valid_configuration() -> None:
    [nightly] = [each for each in deployments() if each["name"] == "nightly"]

    config = SearchConfig.model_validate(nightly["parameters"]["config"])

    assert config.suite in suite_names()


def test_every_setting_is_described_in_sentences() -> None:
    """Prefect's form shows the descriptions as they are."""
    models: list[Any] = [SearchConfig, SweepConfig, FolderConfig, CompareConfig, ModelPrice]
    seen, fragments = set(), []
    while models:
        model = models.pop()
        if model in seen:
            continue
        seen.add(model)
        for name, field in model.model_fields.items():
            parts = (field.annotation, *get_args(field.annotation))
            inner = [
                each for each in parts if isinstance(each, type) and issubclass(each, BaseModel)
            ]
            models += inner
            words = field.description or (inner[0].__doc__ if inner else "") or ""
            if not (words[:1].isupper() and words.rstrip().endswith(".")):
                fragments.append(f"{model.__name__}.{name}: {words!r}")

    assert len(seen) > 10
    assert fragments == []
