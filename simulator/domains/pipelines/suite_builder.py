"""Writes the shipped traces and suites anew.

``python -m simulator.domains.pipelines.suite_builder FOLDER`` runs it.
"""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from simulator.domains.pipelines.families import generate_family, scaled_down
from simulator.domains.pipelines.families_table import FAMILIES, SHIFTED, Family
from simulator.domains.pipelines.generate import generate_workload
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.tracefile import render_trace
from simulator.errors import TraceError
from simulator.suites import SPLITS
from simulator.whole_files import write_text

SMOKE_SPLITS = ("train", "train", "validation", "test")
SMOKE_FAMILIES = {"memory-fixed": 26, "all-scalings": 26, "branching": 56}
"""Families of the suite ``smoke`` and the number of pipelines in each of its scenarios."""
SMOKE_SECONDS = 150
PAPER_SPLITS = {10: ("train",) * 5, 11: ("validation", "test", "validation", "test", "validation")}
PAPER_PARAMS: Mapping[str, int | float | bool | str] = {
    "duration": 600,
    "ticks_per_second": 1000,
    "num_pools": 1,
    "cpus_per_pool": 64,
    "ram_gb_per_pool": 500,
    "num_operators": 10,
    "multi_operator_containers": False,
    "interactive_prob": 0.3,
    "query_prob": 0.1,
    "batch_prob": 0.6,
}
Value = int | float | bool | str
LICENCE = "MIT, as the simulator: made by its own generator from no outside data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One scenario of a suite file; without ``trace`` its workload comes from the generator."""

    name: str
    family: str
    split: str
    sha256: str
    params: Mapping[str, Value]
    trace: str | None = None


def build_suites(folder: Path) -> None:
    """Write ``smoke``, ``paper`` and ``mixed`` with their traces and headers into ``folder``."""
    by_name = {family.name: family for family in FAMILIES}
    smoke = []
    for name, pipelines in SMOKE_FAMILIES.items():
        family = scaled_down(by_name[name], pipelines, SMOKE_SECONDS)
        for seed, split in enumerate(SMOKE_SPLITS, start=1):
            smoke.append(_family_entry(folder, "smoke", family, split, seed))
    mixed = [
        _family_entry(folder, "mixed", family, split, 100 + seed)
        for family in FAMILIES
        for seed, split in enumerate(SPLITS, start=1)
    ]
    mixed += [_family_entry(folder, "mixed", SHIFTED, "test", seed) for seed in (201, 202)]
    _write_suite(folder, "smoke", "three families, seconds to run: for a first search", smoke)
    _write_suite(folder, "mixed", "fifteen families in every split, one more only in test", mixed)
    _write_suite(folder, "paper", "ten generated traces, two kinds of operators", _paper())


def _family_entry(folder: Path, suite: str, family: Family, split: str, seed: int) -> Entry:
    name = f"{suite}-{family.name}-{seed}"
    workload = generate_family(family, seed)
    text = render_trace(workload, int(family.params["ticks_per_second"]))
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    header: Mapping[str, Value] = {
        "source": f"simulator.domains.pipelines.families, family {family.name}",
        "about": family.about,
        "licence": LICENCE,
        "seed": seed,
        "window_seconds": family.params["duration"],
        "pipelines": len(workload.pipelines),
        "operators": sum(len(pipeline.operators) for pipeline in workload.pipelines),
        "sha256": sha256,
    }
    place = folder / suite
    place.mkdir(parents=True, exist_ok=True)
    write_text(place / f"{name}.csv", text, TraceError)
    lines = [f"{key} = {_toml(value)}\n" for key, value in header.items()]
    write_text(place / f"{name}.toml", "".join(lines), TraceError)
    return Entry(
        name=name,
        family=family.name,
        split=split,
        sha256=sha256,
        params=family.params,
        trace=f"../{suite}/{name}.csv",
    )


def _paper() -> list[Entry]:
    entries = []
    for power in range(5):
        for seed, splits in PAPER_SPLITS.items():
            scale = 2**power
            params = {
                **PAPER_PARAMS,
                "num_pipelines": 10 * scale,
                "waiting_seconds_mean": 10.0 * scale,
                "random_seed": seed,
            }
            workload = generate_workload(Params.from_mapping(params))
            text = render_trace(workload, 1000)
            entries.append(
                Entry(
                    name=f"paper-{scale}x-{seed - 10}",
                    family="paper",
                    split=splits[power],
                    sha256=hashlib.sha256(text.encode()).hexdigest(),
                    params=params,
                )
            )
    return entries


def _write_suite(folder: Path, name: str, description: str, entries: list[Entry]) -> None:
    shared = {
        key: value
        for key, value in entries[0].params.items()
        if all(entry.params.get(key) == value for entry in entries)
    }
    lines = [f"name = {_toml(name)}", f"description = {_toml(description)}", "", "[params]"]
    lines += [f"{key} = {_toml(value)}" for key, value in shared.items()]
    for entry in entries:
        own = {key: value for key, value in entry.params.items() if key not in shared}
        inline = ", ".join(f"{key} = {_toml(value)}" for key, value in own.items())
        lines += ["", "[[scenarios]]"]
        lines += [f"{key} = {_toml(getattr(entry, key))}" for key in ("name", "family", "split")]
        lines += [f"trace = {_toml(entry.trace)}"] if entry.trace else []
        lines += [f"sha256 = {_toml(entry.sha256)}", f"params = {{ {inline} }}"]
    (folder / "suites").mkdir(parents=True, exist_ok=True)
    write_text(folder / "suites" / f"{name}.toml", "\n".join(lines) + "\n", TraceError)


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    build_suites(Path(sys.argv[1]))
