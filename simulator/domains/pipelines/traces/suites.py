"""A suite made of traces: each trace, or each of its windows, becomes a scenario with a split."""

import math
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from simulator.domain_host import MadeSuite, SuiteWishes, Toml
from simulator.domains.pipelines.describe import critical_path_seconds
from simulator.domains.pipelines.library import load_suite
from simulator.domains.pipelines.params import Params, read_mapping
from simulator.domains.pipelines.tracefile import MAX_TRACE_BYTES, read_trace
from simulator.domains.pipelines.traces.checks import DEFAULT_TICKS_PER_SECOND
from simulator.domains.pipelines.traces.header import (
    header_path,
    read_header,
    text_sha256,
    with_header,
)
from simulator.domains.pipelines.workload import Workload
from simulator.errors import InputError, TraceError
from simulator.suites import MAX_SCENARIOS, SPLITS
from simulator.textfile import read_text
from simulator.whole_files import write_texts


def make_suite(traces: Sequence[Path], out: Path, wishes: SuiteWishes, toml: Toml) -> MadeSuite:
    """Write a suite file, and a trace for each window; the suite is read back before it is left.

    Equal traces and wishes give equal bytes. Each split gets a scenario at least; windows of one
    trace are shared out over the splits, so that each split has some of each.
    """
    _check_out(out, traces)
    cluster = {} if wishes.params is None else read_mapping(wishes.params)
    notes: list[str] = []
    groups: list[list[dict[str, Any]]] = []
    texts: dict[Path, str] = {}
    for trace in traces:
        entries, parts = _scenarios(trace, out, wishes.windows, cluster, notes, toml)
        texts |= parts
        if wishes.windows >= len(SPLITS) or not groups:
            groups.append(entries)
        else:
            groups[0] += entries
    draw = random.Random(wishes.seed)
    for group in groups:
        for entry, split in zip(group, _splits(len(group), wishes, draw), strict=True):
            entry["split"] = split
    entries = [entry for group in groups for entry in group]
    if len(entries) > MAX_SCENARIOS:
        raise InputError(f"{len(entries)} scenarios, expected {MAX_SCENARIOS} at most")
    names = ", ".join(trace.name for trace in traces)
    written = f"made of {names}; splits drawn by seed {wishes.seed}"
    for number, entry in enumerate(entries):
        entry["params"].setdefault("random_seed", wishes.seed + number)
    suite = {"name": out.stem, "description": written, "scenarios": entries}
    write_texts({**texts, out: toml(suite)}, InputError)
    return MadeSuite(suite=load_suite(out), notes=tuple(notes))


def _scenarios(
    trace: Path,
    out: Path,
    windows: int,
    cluster: Mapping[str, Any],
    notes: list[str],
    toml: Toml,
) -> tuple[list[dict[str, Any]], dict[Path, str]]:
    """Return the scenarios of a trace, without their splits, and the files of its windows."""
    header = read_header(trace) or {}
    rate = cluster.get("ticks_per_second", header.get("ticks_per_second", DEFAULT_TICKS_PER_SECOND))
    checked = Params.from_mapping({**cluster, "ticks_per_second": rate}, where=str(trace))
    workload = read_trace(trace, checked.ticks_per_second)
    span = _span(header, workload, rate, windows)
    length = span / windows
    seconds = cluster.get("duration", length)
    parts = [workload] if windows == 1 else _windows(workload, math.ceil(length * rate), windows)
    entries, texts = [], dict[Path, str]()
    for number, part in enumerate(parts, start=1):
        if not part.pipelines:
            notes.append(f"window {number} of {trace.name} has no pipelines and is left out")
            continue
        path, name = trace, trace.stem
        if windows > 1:
            name = f"{trace.stem}-{number}"
            path = out.parent / f"{out.stem}-{name}.csv"
            about = {"window": f"{number} of {windows}", "window_seconds": length}
            told = {**_inherited(header, trace), **about}
            texts |= with_header(part, path, rate, told, toml)[0]
        text = texts[path] if windows > 1 else read_text(path, TraceError, MAX_TRACE_BYTES)
        params = {**cluster, "duration": seconds, "ticks_per_second": rate}
        entries.append(
            {
                "name": name,
                "family": str(header.get("format", "file")),
                "split": "",
                "trace": os.path.relpath(path, out.parent),
                "sha256": text_sha256(text),
                "params": params,
            }
        )
        notes += _never_done(name, part, seconds, seconds * rate)
    return entries, texts


def _span(header: Mapping[str, Any], workload: Workload, rate: int, windows: int) -> float:
    """Return the seconds of a trace: its window, else until its last pipeline could be done."""
    last = workload.pipelines[-1].arrival_tick / rate if workload.pipelines else 0.0
    found = header.get("window_seconds")
    if isinstance(found, int | float) and not isinstance(found, bool) and found > 0:
        return found if windows == 1 else min(found, math.floor(last) + 1)
    longest = max(map(critical_path_seconds, workload.pipelines), default=0.0)
    return math.floor(last) + 1 + (math.ceil(longest) if windows == 1 else 0)


def _windows(workload: Workload, ticks: int, count: int) -> list[Workload]:
    """Return the pipelines that arrive in each of ``count`` windows, on the window's clock."""
    parts: list[list[Any]] = [[] for _ in range(count)]
    for pipeline in workload.pipelines:
        number = pipeline.arrival_tick // max(1, ticks)
        if number < count:
            moved = replace(pipeline, arrival_tick=pipeline.arrival_tick - number * ticks)
            parts[number].append(moved)
    return [Workload(pipelines=tuple(part)) for part in parts]


def _inherited(header: Mapping[str, Any], trace: Path) -> dict[str, Any]:
    """Return what a window's header says of where its trace comes from."""
    known = {key: header[key] for key in ("source", "format", "licence") if key in header}
    return {"source": f"the trace {trace.name}", "licence": "that of the trace", **known}


def _never_done(name: str, workload: Workload, seconds: float, ticks: float) -> list[str]:
    """Return notes about pipelines that no policy can complete."""
    count = len(workload.pipelines)
    late = sum(each.arrival_tick >= ticks for each in workload.pipelines)
    long = sum(critical_path_seconds(each) > seconds for each in workload.pipelines)
    found = {
        f"arrive after the end of the scenario at {seconds:g} s": late,
        f"take longer than the {seconds:g} s of the scenario, whatever the policy": long,
    }
    return [
        f"{name}: {number} of {count} pipelines {why}" for why, number in found.items() if number
    ]


def _splits(count: int, wishes: SuiteWishes, draw: random.Random) -> list[str]:
    """Return a split for each of ``count`` scenarios, drawn at random."""
    if count < len(SPLITS):
        raise InputError(
            f"{count} scenarios are too few for the splits {', '.join(SPLITS)}: give more traces, "
            "or cut each into --windows"
        )
    held_out = [max(1, round(share * count)) for share in (wishes.validation, wishes.test)]
    train = count - sum(held_out)
    if train < 1:
        raise InputError(
            f"--validation {wishes.validation:g} and --test {wishes.test:g} leave none of {count} "
            "scenarios to train on: choose smaller shares"
        )
    counts = (train, *held_out)
    found = [split for split, number in zip(SPLITS, counts, strict=True) for _ in range(number)]
    draw.shuffle(found)
    return found


def _check_out(out: Path, traces: Sequence[Path]) -> None:
    if out.suffix != ".toml" or out.is_dir():
        raise InputError(f"--out is {str(out)!r}, expected a file name ending in .toml")
    stems = [trace.stem for trace in traces]
    for trace in traces:
        if out.resolve() == header_path(trace).resolve():
            raise InputError(f"--out would overwrite the header of {trace}: choose another name")
        if stems.count(trace.stem) > 1:
            raise InputError(f"two traces are named {trace.stem}: scenarios need different names")
    if out.exists() and "scenarios" not in read_mapping(out):
        raise InputError(f"{out} would be overwritten, but is no suite: choose another --out")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out.parent} cannot be made: {error.strerror}") from None
