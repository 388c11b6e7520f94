"""What the flows besides a search take: frozen models, from which Prefect draws their forms."""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from flows.settings.sections import NAME, RunnerConfig, Section
from sandbox.limits import Limits
from simulator.scenario import Scenario


class TrialConfig(Section):
    """What policies are tried on, and where."""

    suite: str = Field("smoke", min_length=1, description="a shipped suite or a suite file")
    split: Literal["train", "validation", "test"] = "validation"
    policy_calls: Literal["every_tick", "on_change"] | None = Field(
        None, description="None leaves what the suite says"
    )
    cell: Literal["docker", "process"] = Field("docker", description="where policies run")
    slots: int = Field(1, ge=1, le=64, description="policies tried side by side")
    limits: Limits = Limits()
    runner: RunnerConfig = RunnerConfig()


class FolderConfig(TrialConfig):
    """A folder of policies that are tried one by one and kept in the history."""

    folder: Path = Field(description="folder whose *.py files are the policies")
    name: str = Field("policies", pattern=NAME)
    baselines: tuple[str, ...] = Field(
        ("naive", "priority", "shortest-first", "right-size"),
        description="library policies that are tried too; naive is always among them",
    )


class CompareConfig(TrialConfig):
    """Policies that are compared on the same scenarios."""

    policies: tuple[str, ...] = Field(
        min_length=1,
        description="files, library policies, candidates by the start of their sha256, experiments",
    )
    objective: Literal["weighted_latency", "goodput", "legacy_throughput", "legacy_latency"] = (
        "weighted_latency"
    )


def folder_sha256(config: FolderConfig, scenarios: Sequence[Scenario]) -> str:
    """Return the hash of what shapes the figures: the folder and the machinery can change."""
    settings = config.model_dump(
        mode="json", include={"name", "suite", "split", "policy_calls", "cell", "limits"}
    )
    settings["scenarios"] = [scenario.sha256 for scenario in scenarios]
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def folder_experiment_id(config: FolderConfig, digest: str) -> str:
    """Return the experiment's id: equal settings are one experiment, which is continued."""
    slug = re.sub(r"[^a-z0-9]+", "-", config.name.lower()).strip("-")
    return f"{slug}-{digest[:8]}"
