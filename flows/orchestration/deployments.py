"""The shipped deployments, as ``assay serve`` registers them; prefect.yaml says the same."""

from dataclasses import dataclass, field
from typing import Any, Literal

FlowName = Literal["search", "sweep", "evaluate-policies", "compare-policies", "maintain"]
NIGHTLY: dict[str, Any] = {
    "name": "nightly",
    "suite": "mixed",
    "slots": 2,
    "budget": {"candidates": 200, "minutes": 120},
}
STRATEGIES: dict[str, Any] = {
    "name": "strategies",
    "suite": "mixed",
    "slots": 2,
    "budget": {"candidates": 100},
    "sweep": {"strategies": ["refine", "evolve"], "seeds": [1, 2, 3], "offline": True},
}
CRON = "0 2 * * *"
TAGS = ["assay"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A flow with parameters, and when it runs by itself: by ``cron`` (UTC), each interval, never.

    A deployment that is ``alone`` has one run at a time; one that comes too soon is cancelled.
    """

    flow: FlowName
    name: str
    description: str
    parameters: dict[str, Any] = field(default_factory=dict)
    cron: str | None = None
    interval_seconds: int | None = None
    alone: bool = False

    @property
    def when(self) -> str:
        """When it runs by itself, in words."""
        if self.cron is not None:
            return f"at {self.cron} (cron, UTC)"
        if self.interval_seconds is not None:
            return f"every {self.interval_seconds} s"
        return "when asked for"


def not_cron(text: str) -> str:
    """Return what to say of a text that is no schedule."""
    return (
        f"cron is {text!r}, expected five fields (minute, hour, day, month, weekday) as in {CRON!r}"
    )


def shipped(nightly: dict[str, Any] | None = None, cron: str = CRON) -> tuple[Deployment, ...]:
    """Return all deployments, with another search for each night if one is given."""
    return (
        Deployment(
            flow="search",
            name="nightly",
            description="A search each night; `assay docs prefect` says how to change it.",
            parameters={"dated": True, "config": nightly or NIGHTLY},
            cron=cron,
            alone=True,
        ),
        Deployment(
            flow="sweep",
            name="strategies",
            description="Compares strategies over seeds; name models in sweep.models.",
            parameters={"config": STRATEGIES},
            alone=True,
        ),
        Deployment(
            flow="evaluate-policies",
            name="folder",
            description="Tries every policy of a folder; runs of it share the work.",
            parameters={"config": {"folder": "policies"}},
        ),
        Deployment(
            flow="compare-policies",
            name="leaderboard",
            description="Compares policies on the same scenarios, with intervals.",
            parameters={"config": {"policies": _library()}},
        ),
        Deployment(
            flow="maintain",
            name="hourly",
            description="Removes stray cells and brings the history up to date.",
            interval_seconds=3600,
            alone=True,
        ),
    )


def _library() -> list[str]:
    """Return the library policies that are compared, the reference last."""
    from simulator.domain import find_domain  # assay --help does not wait for it

    spec = find_domain().spec
    return [name for name in spec.baselines if name != spec.reference] + [spec.reference]
