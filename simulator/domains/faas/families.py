"""Families of scenarios: platforms, functions and ``[[traffic]]`` tables, drawn by a seed.

Every figure is a round number of our own choice that makes policies differ, none is measured. A
seed draws which sizes the functions have; their invocations are drawn when a scenario is read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Value = int | float | str | list[str]
Table = dict[str, Value]

T = TypeVar("T")

MEMORY_MB = (128, 256, 256, 512, 512, 1024)
INIT_SECONDS = (0.4, 0.8, 1.5, 2.5, 4.0)
SERVICE_SECONDS = (0.1, 0.3, 0.8, 2.0)
HOUR = 3600
MINUTE = 60


class Draft:
    """The tables of a scenario file while a family fills them."""

    def __init__(self, name: str, seed: int, hours: float) -> None:
        self.duration_seconds = round(hours * HOUR)
        self.packages: dict[str, int] = {}
        self.tables: dict[str, list[Table]] = {}
        self._random = np.random.default_rng([seed, *name.encode()]).random

    def pick(self, choices: Sequence[T]) -> T:
        """Draw one of ``choices``."""
        return choices[int(self._random() * len(choices))]

    def between(self, low: float, high: float, digits: int = 0) -> float:
        """Draw a number, rounded."""
        value = round(low + (high - low) * self._random(), digits)
        return int(value) if digits == 0 else value

    def nodes(self, count: int, memory_mb: int, name: str = "node", **others: int) -> None:
        """Add equal nodes."""
        self._add("nodes", name=name, count=count, memory_mb=memory_mb, **others)

    def tenants(self, count: int, **others: int) -> list[str]:
        """Add tenants; return their names."""
        have = len(self.tables.get("tenants", ()))
        names = [f"tenant-{number}" for number in range(have + 1, have + count + 1)]
        for name in names:
            self._add("tenants", name=name, **others)
        return names

    def functions(self, tenant: str, count: int, **fixed: Value) -> list[str]:
        """Add functions of a tenant whose sizes are drawn unless ``fixed``; return their names."""
        names = []
        for _ in range(count):
            have = sum(each["tenant"] == tenant for each in self.tables.get("functions", ()))
            name = f"{tenant}/f{have + 1}"
            drawn: Table = {
                "memory_mb": self.pick(MEMORY_MB),
                "init_seconds": self.pick(INIT_SECONDS),
            }
            self._add("functions", name=name, tenant=tenant, **{**drawn, **fixed})
            names.append(name)
        return names

    def package(self, name: str, size_mb: float) -> str:
        """Add a package; return its name."""
        self.packages[name] = int(size_mb)
        return name

    def image(self, name: str, packages: list[str]) -> str:
        """Add an image; return its name."""
        self._add("images", name=name, packages=packages)
        return name

    def traffic(self, functions: Sequence[str], arrivals: str, **others: Value) -> None:
        """Add traffic of some functions; the mean service time is drawn unless it is given."""
        drawn: Table = {"service_seconds": self.pick(SERVICE_SECONDS)}
        self._add("traffic", functions=list(functions), arrivals=arrivals, **{**drawn, **others})

    def _add(self, table: str, **values: Value) -> None:
        self.tables.setdefault(table, []).append(values)


def steady(draft: Draft) -> None:
    draft.nodes(4, 4096)
    for tenant in draft.tenants(4):
        for function in draft.functions(tenant, 5):
            draft.traffic(
                [function], "steady", per_second=draft.pick((0.002, 0.005, 0.01, 0.03, 0.15))
            )


def bursty(draft: Draft) -> None:
    draft.nodes(3, 4096)
    for tenant in draft.tenants(4):
        for function in draft.functions(tenant, 4):
            draft.traffic(
                [function],
                "bursty",
                per_second=draft.pick((0.02, 0.04, 0.08)),
                on_seconds=draft.between(20, 60),
                off_seconds=draft.between(400, 1600),
            )


def cron(draft: Draft) -> None:
    draft.nodes(3, 4096)
    for tenant in draft.tenants(5):
        for function in draft.functions(tenant, 7):
            minutes = draft.pick((1, 5, 5, 10, 15, 15, 30, 60))
            draft.traffic(
                [function], "cron", period_seconds=minutes * MINUTE, service="exponential"
            )


def diurnal(draft: Draft) -> None:
    """A day is compressed to two hours, so that a scenario holds several."""
    draft.nodes(4, 4096)
    for tenant in draft.tenants(4):
        for function in draft.functions(tenant, 4):
            draft.traffic(
                [function],
                "diurnal",
                per_second=draft.pick((0.005, 0.02, 0.05, 0.2)),
                period_seconds=2 * HOUR,
            )


def rare(draft: Draft) -> None:
    draft.nodes(4, 4096)
    for tenant in draft.tenants(6):
        functions = draft.functions(tenant, 10)
        draft.traffic(functions, "steady", per_second=draft.between(0.001, 0.003, 4))


def heavy_tailed(draft: Draft) -> None:
    draft.nodes(3, 4096)
    functions = [name for tenant in draft.tenants(5) for name in draft.functions(tenant, 14)]
    order = sorted(functions, key=lambda _: draft.between(0, 1, 9))
    draft.traffic(order, "steady", per_second=0.8, popularity=1.1, service_seconds=0.5)


def noisy_neighbour(draft: Draft) -> None:
    draft.nodes(3, 4096)
    *quiet, noisy = draft.tenants(5)
    for tenant in quiet:
        draft.traffic(draft.functions(tenant, 4), "steady", per_second=0.08)
    loud = draft.functions(noisy, 6, memory_mb=512, patience_seconds=20)
    for hour in range(draft.duration_seconds // HOUR):
        for part in (0, 30):
            begin = hour * HOUR + (part + int(draft.between(3, 24))) * MINUTE
            draft.traffic(
                loud,
                "steady",
                per_second=draft.between(5, 7, 1),
                service_seconds=5.0,
                from_seconds=begin,
                to_seconds=begin + 3 * MINUTE,
            )


def in_step(draft: Draft) -> None:
    """All tenants have work in the same minutes and none in between."""
    draft.nodes(4, 4096)
    functions = [name for tenant in draft.tenants(5) for name in draft.functions(tenant, 4)]
    begin = 0
    while (begin := begin + int(draft.between(12, 25)) * MINUTE) < draft.duration_seconds:
        draft.traffic(
            functions,
            "steady",
            per_second=draft.between(3, 5, 1),
            from_seconds=begin,
            to_seconds=begin + 2 * MINUTE,
        )


def image_heavy(draft: Draft) -> None:
    """Images are large and share bases, links are slow, and no disk holds them all."""
    draft.nodes(4, 4096, disk_mb=3000, pull_mb_per_second=60)
    bases = [draft.package(f"base-{each}", draft.between(400, 700)) for each in (1, 2, 3)]
    for tenant in draft.tenants(4):
        for number in range(1, 6):
            library = draft.package(f"{tenant}/library-{number}", draft.between(100, 400))
            image = draft.image(f"{tenant}/image-{number}", [draft.pick(bases), library])
            functions = draft.functions(tenant, 1, image=image)
            draft.traffic(functions, "steady", per_second=draft.pick((0.002, 0.005, 0.01)))


def over_load(draft: Draft) -> None:
    """More work arrives than the nodes can do, most of it from two of four tenants."""
    draft.nodes(2, 4096)
    for tenant, per_second in zip(draft.tenants(4), (0.1, 0.2, 1.5, 3.0), strict=True):
        draft.traffic(
            draft.functions(tenant, 5, patience_seconds=20),
            "bursty",
            per_second=per_second,
            service_seconds=4.0,
            on_seconds=120,
            off_seconds=60,
            popularity=1,
        )


def under_load(draft: Draft) -> None:
    """Few invocations and so much memory that nothing ever has to go."""
    draft.nodes(8, 8192)
    for tenant in draft.tenants(4):
        for function in draft.functions(tenant, 5):
            draft.traffic([function], "bursty", per_second=draft.pick((0.002, 0.005, 0.02)))


def shifted(draft: Draft) -> None:
    """What no other family has: instances that run several invocations, large functions, unequal
    nodes and tenants, quotas, another price, and half-way other functions that are popular.
    """
    draft.nodes(2, 6144, pull_mb_per_second=80)
    draft.nodes(3, 3072, name="small", pull_mb_per_second=40)
    image = draft.image("runtime", [draft.package("runtime", 300)])
    half = draft.duration_seconds // 2
    for weight in (1, 2, 4):
        (tenant,) = draft.tenants(1, weight=weight, quota_mb=8192)
        small = draft.functions(tenant, 6, image=image)
        wide = draft.functions(tenant, 2, image=image, memory_mb=2048, concurrency=8)
        for order, begin in ((small, 0), (small[::-1], half)):
            draft.traffic(
                order,
                "steady",
                per_second=0.15,
                popularity=1.5,
                from_seconds=begin,
                to_seconds=begin + half,
            )
        draft.traffic(wide, "bursty", per_second=0.15, on_seconds=120, off_seconds=900)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A kind of scenario: what it is in words, and what fills its tables."""

    name: str
    about: str
    fill: Callable[[Draft], None]
    hours: float = 4
    gb_seconds_per_delay_second: int = 60

    def draft(self, seed: int, hours: float | None = None) -> Draft:
        """Return the tables of the scenario with this seed; ``hours`` makes it shorter."""
        draft = Draft(self.name, seed, self.hours if hours is None else hours)
        self.fill(draft)
        return draft


FAMILIES = (
    Family(name="steady", about="Poisson arrivals at rates of their own", fill=steady),
    Family(name="bursty", about="on for half a minute, off for a quarter of an hour", fill=bursty),
    Family(name="cron", about="timers at minute boundaries", fill=cron),
    Family(name="diurnal", about="sine waves, a day in two hours", fill=diurnal),
    Family(name="rare", about="every function less than twice an hour", fill=rare, hours=12),
    Family(name="heavy-tailed", about="few functions get most invocations", fill=heavy_tailed),
    Family(
        name="noisy-neighbour", about="one tenant floods the nodes", fill=noisy_neighbour, hours=1
    ),
    Family(name="in-step", about="all tenants have work in the same minutes", fill=in_step),
    Family(name="image-heavy", about="large images, slow links, small disks", fill=image_heavy),
    Family(name="over-load", about="more work than the nodes can do", fill=over_load, hours=0.25),
    Family(name="under-load", about="much memory, little work", fill=under_load),
)
SHIFTED = Family(
    name="shifted",
    about="wide instances, quotas, unequal nodes, another price, popularity that moves",
    fill=shifted,
    gb_seconds_per_delay_second=120,
)
