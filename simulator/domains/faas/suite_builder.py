"""Writes the shipped scenarios and suites of functions as a service anew.

``python -m simulator.domains.faas.suite_builder FOLDER`` runs it.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from simulator.domains.faas.families import FAMILIES, SHIFTED, Draft, Family, Value
from simulator.domains.faas.scenario import make_scenario
from simulator.domains.faas.scenario_files import read_world
from simulator.errors import InputError
from simulator.suites import SPLITS
from simulator.whole_files import write_text

SMOKE_FAMILIES = {"steady": 1.0, "cron": 1.0, "heavy-tailed": 0.5}
"""Families of the suite ``faas-smoke`` and the hours of each of its scenarios."""
SMOKE_SPLITS = ("train", "train", "validation", "test")
SHIFTED_SEEDS = (201, 202)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One scenario of a suite: the ``hours`` of its family unless they are given."""

    family: Family
    split: str
    seed: int
    hours: float | None = None


def build_suites(folder: Path) -> None:
    """Write ``faas-smoke`` and ``faas-mixed`` with their scenarios into ``folder``."""
    smoke = [
        Member(family=family, split=split, seed=seed, hours=SMOKE_FAMILIES[family.name])
        for family in FAMILIES
        if family.name in SMOKE_FAMILIES
        for seed, split in enumerate(SMOKE_SPLITS, start=1)
    ]
    mixed = [
        Member(family=family, split=split, seed=seed)
        for family in FAMILIES
        for seed, split in enumerate(SPLITS, start=101)
    ]
    mixed += [Member(family=SHIFTED, split="test", seed=seed) for seed in SHIFTED_SEEDS]
    _write_suite(folder, "faas-smoke", "three families, for a first search", smoke)
    _write_suite(folder, "faas-mixed", "eleven families, and one more only in test", mixed)


def render_scenario(family: Family, draft: Draft, seed: int) -> str:
    """Return the text of a scenario file."""
    lines = [
        f"# {family.name}: {family.about}",
        f"duration_seconds = {draft.duration_seconds}",
        f"gb_seconds_per_delay_second = {family.gb_seconds_per_delay_second}",
        f"seed = {seed}",
    ]
    if draft.packages:
        lines += ["", "[packages]"]
        lines += [f"{_toml(name)} = {size}" for name, size in draft.packages.items()]
    for name, tables in draft.tables.items():
        for table in tables:
            lines += ["", f"[[{name}]]"]
            lines += [f"{key} = {_toml(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def _write_suite(folder: Path, name: str, description: str, members: list[Member]) -> None:
    short = name.removeprefix("faas-")
    for part in ("suites", short):
        (folder / part).mkdir(parents=True, exist_ok=True)
    lines = [
        f"name = {_toml(name)}",
        f"description = {_toml(description)}",
        'domain = "faas"',
    ]
    for member in members:
        family, seed = member.family, member.seed
        title = f"{name}-{family.name}-{seed}"
        path = folder / short / f"{title}.toml"
        write_text(
            path, render_scenario(family, family.draft(seed, member.hours), seed), InputError
        )
        scenario = make_scenario(
            read_world(path), name=title, family=family.name, split=member.split
        )
        entry = {
            "name": title,
            "family": family.name,
            "split": member.split,
            "scenario": f"../{short}/{title}.toml",
            "sha256": scenario.sha256,
        }
        lines += ["", "[[scenarios]]", *(f"{key} = {_toml(each)}" for key, each in entry.items())]
    write_text(folder / "suites" / f"{name}.toml", "\n".join(lines) + "\n", InputError)


def _toml(value: Value) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    build_suites(Path(sys.argv[1]))
