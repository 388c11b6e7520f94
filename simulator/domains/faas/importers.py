"""Imports the Azure Functions traces of 2019 and 2021 as scenarios of functions as a service.

An importer takes the files and a :class:`Selection` and returns an :class:`Imported`, which
:func:`write_scenario` turns into a folder. Functions are sampled, not invocations, so that the
gaps between the invocations of a function stay as they were recorded.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simulator.domains.faas.scenario_files import SCENARIO_FILE, read_world
from simulator.domains.faas.world import MAX_INVOCATIONS, US
from simulator.errors import InputError, TraceError
from simulator.readers import azure_2019
from simulator.readers.azure_2019 import (
    MEMORY_STEPS,
    MINUTES,
    Curve,
    duration_curves,
    memory_curves,
    read_minutes,
)
from simulator.readers.files import MAX_COUNT, number, read_table
from simulator.whole_files import draft_folder, put_in_place

SOURCE_2021 = "Azure Functions Invocation Trace 2021 (Zhang et al., SOSP 2021)"
COLUMNS_2021 = ("app", "func")
LICENCE_2021 = "CC-BY; cite the paper named as the source"
MINUTE = 60
LEAST_TIMEOUT_SECONDS = 300
NOT_SAMPLED = "of functions not in the sample"
OUTSIDE = "outside the window"
NEGATIVE = "with a negative duration"
NO_DURATIONS = "of functions without durations"
INVOCATIONS_FILE = "invocations.csv"
NAMES_FILE = "names.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which part of the data is taken.

    ``begin_seconds`` None begins the window at the first invocation that can be taken; ``sample``
    is the share of functions that is kept, drawn by ``seed``; ``limit`` keeps the first arrivals.
    """

    begin_seconds: float | None = None
    window_seconds: float = 3600.0
    limit: int | None = None
    sample: float = 1.0
    seed: int = 0

    def has(self, function: "Key") -> bool:
        """Tell whether a function is in the sample: the same for equal names and seeds."""
        return self.sample >= 1 or self.share_of(function) < self.sample

    def share_of(self, function: "Key") -> float:
        """Return a number from 0 to 1 that depends on a function's name and the seed alone."""
        return self.number_of(function) / 2**64

    def number_of(self, function: "Key") -> int:
        """Return a whole number below 2^64 that depends on a function's name and the seed alone."""
        salt = self.seed.to_bytes(16, "little")
        name = "\0".join(function).encode("utf-8", "replace")
        return int.from_bytes(hashlib.blake2b(name, digest_size=8, key=salt).digest(), "little")


Key = tuple[str, ...]
"""The names of a function in the data, the tenant's first."""
DEFAULT = Selection()


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A scenario from outside data; ``assumptions`` say what the data does not.

    ``invocations`` were read; less those in ``left_out``, by reason, they are in the scenario.
    ``files`` has the texts of the scenario's folder by file name.
    """

    source: str
    licence: str
    assumptions: tuple[str, ...]
    begin_seconds: float
    invocations: int
    left_out: tuple[tuple[str, int], ...]
    tenants: int
    functions: int
    files: dict[str, str]

    @property
    def taken(self) -> int:
        """Return the number of invocations that are in the scenario."""
        return self.invocations - sum(count for _, count in self.left_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What no trace records: the nodes, and how long an instance takes to initialise."""

    nodes: int
    node_memory_mb: int
    init_seconds: float


def import_azure_2019(
    invocations: Path,
    durations: Path,
    memory: Path | None = None,
    selection: Selection = DEFAULT,
    *,
    nodes: int = 4,
    node_memory_mb: int = 16_384,
    init_seconds: float = 1.0,
    unknown_memory_mb: int = 170,
) -> Imported:
    """Return a window of one day's files, whole minutes of it; owners are the tenants."""
    taking = _Taking(invocations, selection)
    lasting, needing = duration_curves(durations), memory_curves(memory)
    begin = selection.begin_seconds
    first = 0 if begin is None else int(begin) // MINUTE
    if not 0 <= first < MINUTES:
        raise TraceError(f"minute {first + 1} is no part of a day, expected 1 to {MINUTES}")
    unknown = 0
    for place, names, counts in read_minutes(invocations):
        key = tuple(names[:3])
        total = int(counts.sum())
        curve, needs = lasting.of(key), needing.of(key[:2])
        if not selection.has(key):
            taking.leave_out(NOT_SAMPLED, total)
        elif curve is None:
            taking.leave_out(NO_DURATIONS, total)
        elif total:
            unknown += needs is None
            times, services = _draw_minutes(selection.number_of(key), counts, curve)
            size_mb = unknown_memory_mb if needs is None else _median_mb(needs)
            taking.take(place, key, times, services, size_mb)
    assumptions = (
        "invocations of a minute are spread over it evenly at random",
        "durations are drawn between the function's percentiles of 30-second averages",
        "an instance holds the median of its whole application's memory; "
        f"{unknown_memory_mb} MB where unknown ({unknown} functions)",
        lasting.said("function", "durations"),
        needing.said("application", "memory"),
    )
    platform = Platform(nodes=nodes, node_memory_mb=node_memory_mb, init_seconds=init_seconds)
    source = azure_2019.SOURCE, azure_2019.LICENCE
    return taking.imported(source, assumptions, platform, whole_minutes=True)


def import_azure_2021(
    path: Path,
    selection: Selection = DEFAULT,
    *,
    nodes: int = 4,
    node_memory_mb: int = 16_384,
    init_seconds: float = 1.0,
    unknown_memory_mb: int = 170,
) -> Imported:
    """Return the invocations that began in a window of the file's clock; apps are the tenants."""
    taking = _Taking(path, selection)
    columns = (*COLUMNS_2021, "end_timestamp", "duration")
    for place, (app, function, end, duration) in read_table(path, columns):
        lasted = number(place, "duration", duration, low=-MAX_COUNT)
        began = number(place, "end_timestamp", end, low=-MAX_COUNT, high=MAX_COUNT) - lasted
        if lasted < 0:
            taking.leave_out(NEGATIVE, 1)
        elif not selection.has((app, function)):
            taking.leave_out(NOT_SAMPLED, 1)
        else:
            taking.take(place, (app, function), [began], [lasted], unknown_memory_mb)
    assumptions = (
        "an invocation arrives at its end less its duration: its wait in the recorded system is "
        "not seen",
        f"memory is not in the data: every instance holds {unknown_memory_mb} MB",
    )
    platform = Platform(nodes=nodes, node_memory_mb=node_memory_mb, init_seconds=init_seconds)
    return taking.imported((SOURCE_2021, LICENCE_2021), assumptions, platform)


def write_scenario(imported: Imported, folder: Path) -> None:
    """Write the scenario's folder; what could not be read back is an error that says why."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with draft_folder(folder) as place:
            drafts = {folder / name: place / name for name in imported.files}
            for target, draft in drafts.items():
                draft.write_bytes(imported.files[target.name].encode())
            _read_back(place, folder)
            put_in_place(drafts, InputError)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from None


def _read_back(place: Path, folder: Path) -> None:
    try:
        read_world(place)
    except InputError as error:
        raise InputError(str(error).replace(str(place), str(folder))) from None


class _Taking:
    """Collects invocations; every one that is read is taken or left out for a reason."""

    def __init__(self, path: Path, selection: Selection) -> None:
        self._path = path
        self._selection = selection
        self._left_out: Counter[str] = Counter()
        self._rows: list[tuple[int, Key, int]] = []
        self._memory_mb: dict[Key, int] = {}

    def leave_out(self, reason: str, count: int) -> None:
        if count:
            self._left_out[reason] += count

    def take(
        self,
        place: str,
        key: Key,
        times: Sequence[float],
        services: Sequence[float],
        memory_mb: int,
    ) -> None:
        """Keep invocations of a function until it is known where the window begins."""
        begin = self._selection.begin_seconds
        self._memory_mb[key] = memory_mb
        for time, service in zip(times, services, strict=True):
            if begin is not None and not 0 <= time - begin < self._selection.window_seconds:
                self.leave_out(OUTSIDE, 1)
            else:
                self._rows.append((round(time * US), key, max(1, round(service * US))))
        if len(self._rows) > MAX_INVOCATIONS:
            raise TraceError(
                f"{place}: more than {MAX_INVOCATIONS} invocations up to here, give a begin and a "
                "shorter window, or a smaller sample"
            )

    def imported(
        self,
        source: tuple[str, str],
        assumptions: Sequence[str],
        platform: Platform,
        whole_minutes: bool = False,
    ) -> Imported:
        """Return the scenario of what was taken; nothing at all is an error."""
        selection, read = self._selection, len(self._rows) + self._left_out.total()
        rows = sorted(self._rows)
        first = rows[0][0] if rows else 0
        begin_us = first - first % (MINUTE * US) if whole_minutes else first
        if selection.begin_seconds is not None:
            begin_us = round(selection.begin_seconds * US)
        end_us = begin_us + round(selection.window_seconds * US)
        inside = [row for row in rows if begin_us <= row[0] < end_us]
        self.leave_out(OUTSIDE, len(rows) - len(inside))
        kept = inside if selection.limit is None else inside[: selection.limit]
        self.leave_out(f"after the first {selection.limit}", len(inside) - len(kept))
        if not kept:
            reasons = "; ".join(f"{count} {reason}" for reason, count in self._left_out.items())
            raise TraceError(
                f"{self._path}: no invocation can be taken (left out: {reasons or 'none'}), choose "
                "another window or a larger sample"
            )
        names = _names(sorted({key for _, key, _ in kept}))
        shifted = [(time - begin_us, names[key], service) for time, key, service in kept]
        said = [each for each in assumptions if each]
        said.append(
            f"the platform is not in the data: {platform.nodes} nodes of {platform.node_memory_mb} "
            f"MB, no packages, {platform.init_seconds:g} s to initialise"
        )
        if selection.sample < 1:
            said.append(f"a share of {selection.sample:g} of the functions, seed {selection.seed}")
        longest_us = max(service for _, _, service in kept)
        head = [f"# {source[0]}", f"# licence: {source[1]}", *(f"# {each}" for each in said)]
        head += [f"# left out: {count} {reason}" for reason, count in self._left_out.items()]
        sizes = {names[key]: self._memory_mb[key] for key in names}
        toml = _scenario_toml(head, end_us - begin_us, longest_us, sizes, platform)
        return Imported(
            source=source[0],
            licence=source[1],
            assumptions=tuple(said),
            begin_seconds=begin_us / US,
            invocations=read,
            left_out=tuple(self._left_out.items()),
            tenants=len({key[0] for key in names}),
            functions=len(names),
            files={
                SCENARIO_FILE: toml,
                INVOCATIONS_FILE: _invocations_csv(shifted),
                NAMES_FILE: _names_csv(names),
            },
        )


def _draw_minutes(seed: int, counts: np.ndarray, curve: Curve) -> tuple[list[float], list[float]]:
    """Return when the invocations of one function arrive, and how long they run, in seconds."""
    rng = np.random.default_rng(seed)
    total = int(counts.sum())
    if total > MAX_INVOCATIONS:
        raise TraceError(f"{total} invocations of one function, expected at most {MAX_INVOCATIONS}")
    within = rng.random(total)
    times = MINUTE * (np.repeat(np.arange(len(counts)), counts) + within)
    services = np.interp(rng.random(total) * 100, *curve) / 1000
    return times.tolist(), services.tolist()


def _median_mb(curve: Curve) -> int:
    return max(1, round(float(np.interp(MEMORY_STEPS[3], *curve))))


def _names(keys: Sequence[Key]) -> dict[Key, str]:
    """Return short names, as those of the data are hashes: ``t2/f5`` is a function of ``t2``."""
    tenants: dict[str, str] = {}
    count: Counter[str] = Counter()
    names = {}
    for key in keys:
        tenant = tenants.setdefault(key[0], f"t{len(tenants) + 1}")
        count[tenant] += 1
        names[key] = f"{tenant}/f{count[tenant]}"
    return names


def _scenario_toml(
    head: Sequence[str],
    duration_us: int,
    longest_us: int,
    sizes: dict[str, int],
    platform: Platform,
) -> str:
    timeout = max(LEAST_TIMEOUT_SECONDS, -(-longest_us // US))
    lines = [
        *head,
        f"duration_seconds = {_seconds(duration_us)}",
        "",
        "[[nodes]]",
        'name = "node"',
        f"count = {platform.nodes}",
        f"memory_mb = {platform.node_memory_mb}",
    ]
    for tenant in dict.fromkeys(name.partition("/")[0] for name in sizes):
        lines += ["", "[[tenants]]", f'name = "{tenant}"']
    for name, memory_mb in sizes.items():
        lines += ["", "[[functions]]", f'name = "{name}"', f'tenant = "{name.partition("/")[0]}"']
        lines += [f"memory_mb = {memory_mb}", f"timeout_seconds = {timeout}"]
        lines += [f"init_seconds = {_seconds(round(platform.init_seconds * US))}"]
    return "\n".join(lines) + "\n"


def _invocations_csv(rows: Sequence[tuple[int, str, int]]) -> str:
    lines = [f"{_seconds(time)},{name},{_seconds(service)}" for time, name, service in rows]
    return "\n".join(["time_seconds,function,service_seconds", *lines]) + "\n"


def _names_csv(names: dict[Key, str]) -> str:
    """Return which function of the data each is; what could break a CSV file is replaced."""
    lines = [
        ",".join([name, *("".join(c if c.isalnum() else "_" for c in part) for part in key)])
        for key, name in names.items()
    ]
    columns = azure_2019.NAMES if len(next(iter(names))) == len(azure_2019.NAMES) else COLUMNS_2021
    return "\n".join([",".join(["function", *columns]), *lines]) + "\n"


def _seconds(us: int) -> str:
    whole, fraction = divmod(us, US)
    return f"{whole}.{fraction:06}".rstrip("0").rstrip(".")
