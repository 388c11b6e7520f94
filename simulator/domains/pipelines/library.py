"""The shipped policies and suites of pipelines, for code that is about pipelines alone."""

from pathlib import Path
from typing import cast

from simulator.domain import SHIPPED, Domain
from simulator.domains.pipelines.scenario import Scenario
from simulator.suites import Suite
from simulator.suites import load_suite as load_suite_of
from simulator.suites import suite_names as suite_names_of

PIPELINES = Domain(SHIPPED / "pipelines")


def policy_names() -> list[str]:
    """Return the names of all library policies, as they register themselves."""
    return PIPELINES.policy_names()


def policy_source(name: str) -> str:
    """Return the source of a library policy; ``priority_pool`` and ``priority-pool`` are one."""
    return PIPELINES.policy_source(name)


def suite_names() -> list[str]:
    """Return the names of the suites of pipelines that come with Assay."""
    return suite_names_of(PIPELINES)


def load_suite(name_or_path: str | Path) -> Suite[Scenario]:
    """Return a suite of pipelines by name, or from the path of a suite file."""
    return cast(Suite[Scenario], load_suite_of(name_or_path, PIPELINES))
