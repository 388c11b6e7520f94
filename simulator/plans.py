"""How long an operator runs in a container of a given size, and how its memory moves meanwhile."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from simulator.states import NEVER
from simulator.workload import CpuScaling, Segment

SCAN_GB_PER_SECOND = 20


class Phase(NamedTuple):
    """A stretch with one rule for memory: ``gb`` throughout, or growing with the scan if None.

    ``start`` counts ticks from the operator's first. ``smooth`` marks a step that rises by no more
    than one further tick of growth would.
    """

    start: int
    gb: float | None
    smooth: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An operator's course: it ends with tick ``ticks - 1``, or is killed at tick ``oom``."""

    ticks: int
    oom: int
    cap_gb: float
    """The most memory it holds at the end of any tick before it ends or is killed."""
    phases: tuple[Phase, ...]


class Planner:
    """Makes plans for one tick length and remembers those for named scalings."""

    def __init__(self, tick_seconds: float) -> None:
        self.tick_seconds = tick_seconds
        self._known: dict[tuple[int, float, float], tuple[Plan, Sequence[Segment]]] = {}

    def plan(self, segments: Sequence[Segment], cpus: float, ram_gb: float) -> Plan:
        """Return the plan of an operator in a container with ``cpus`` and ``ram_gb``."""
        key = (id(segments), cpus, ram_gb)
        found = self._known.get(key)
        if found is not None:
            return found[0]
        plan = self._make(segments, cpus, ram_gb)
        if not any(callable(segment.cpu_scaling) for segment in segments):
            # The segments are kept with the plan, so that their identity stays theirs.
            self._known[key] = (plan, segments)
        return plan

    def _make(self, segments: Sequence[Segment], cpus: float, ram_gb: float) -> Plan:
        phases: list[Phase] = []
        end = 0
        for segment in segments:
            scan, ticks = self._segment_ticks(segment, cpus)
            if ticks > 0:
                phases += _segment_phases(segment, end, scan, ticks)
                end += ticks
        if not phases:
            # An operator without a whole tick of work lasts one tick, at its peak memory.
            peak = max((_peak_gb(segment) for segment in segments), default=0.0)
            phases.append(Phase(start=0, gb=peak))
            end = 1
        return self._limit(phases, end, ram_gb)

    def _segment_ticks(self, segment: Segment, cpus: float) -> tuple[int, int]:
        """Return the ticks of the scan and of the whole segment."""
        scan = whole_ticks(segment.storage_read_gb / SCAN_GB_PER_SECOND, self.tick_seconds)
        seconds = cpu_seconds(segment.cpu_scaling, cpus, segment.baseline_cpu_seconds)
        ticks = scan + whole_ticks(seconds, self.tick_seconds)
        return min(scan, ticks), ticks

    def _limit(self, phases: list[Phase], end: int, ram_gb: float) -> Plan:
        """Find the first tick that needs more memory than the container has."""
        cap = 0.0
        for position, phase in enumerate(phases):
            following = phases[position + 1].start if position + 1 < len(phases) else end
            if phase.gb is not None:
                last, over = phase.gb, 0 if phase.gb > ram_gb else None
            else:
                last = grown_gb(following - phase.start - 1, self.tick_seconds)
                over = first_tick_over(ram_gb, self.tick_seconds) if last > ram_gb else None
            if over is not None:
                if phase.gb is None and over > 0:
                    cap = max(cap, grown_gb(over - 1, self.tick_seconds))
                oom = phase.start + over
                return Plan(ticks=end, oom=oom, cap_gb=cap, phases=tuple(phases[: position + 1]))
            cap = max(cap, last)
        return Plan(ticks=end, oom=NEVER, cap_gb=cap, phases=tuple(phases))


def _segment_phases(segment: Segment, start: int, scan: int, ticks: int) -> list[Phase]:
    if segment.memory_gb is not None:
        return [Phase(start=start, gb=segment.memory_gb)]
    phases = [Phase(start=start, gb=None)] if scan > 0 else []
    if ticks > scan:
        phases.append(Phase(start=start + scan, gb=segment.storage_read_gb, smooth=scan > 0))
    return phases


def _peak_gb(segment: Segment) -> float:
    return segment.storage_read_gb if segment.memory_gb is None else segment.memory_gb


def grown_gb(tick: int, tick_seconds: float) -> float:
    """Return the memory at tick ``tick`` (from 0) of a scan that keeps what it read."""
    return ((tick + 1) * tick_seconds) * SCAN_GB_PER_SECOND


def first_tick_over(ram_gb: float, tick_seconds: float) -> int:
    """Return the first tick of a scan whose memory exceeds ``ram_gb``."""
    tick = max(0, int(ram_gb / SCAN_GB_PER_SECOND / tick_seconds) - 2)
    while tick > 0 and grown_gb(tick - 1, tick_seconds) > ram_gb:
        tick -= 1
    while grown_gb(tick, tick_seconds) <= ram_gb:
        tick += 1
    return tick


def whole_ticks(seconds: float, tick_seconds: float) -> int:
    """Return seconds of work as whole ticks, rounded down; not a number or too large is NEVER."""
    ticks = seconds / tick_seconds
    return int(ticks) if ticks < NEVER else NEVER


def cpu_seconds(scaling: CpuScaling, cpus: float, baseline: float) -> float:
    """Return the seconds that ``baseline`` seconds of one cpu take on ``cpus``.

    The logarithm law has no meaning at or below 1/e cpus: the work then takes for ever.
    """
    if callable(scaling):
        return float(scaling(cpus, baseline))
    speedup: float
    match scaling:
        case "const":
            return baseline
        case "linear3":
            speedup = min(cpus, 3)
        case "linear7":
            speedup = min(cpus, 7)
        case "log":
            speedup = float(np.log(cpus)) + 1
        case "sqrt":
            speedup = float(np.sqrt(cpus))
        case "squared":
            speedup = float(np.power(cpus, 2))
        case "exp":
            speedup = float(np.power(2, cpus)) if cpus < 4 else 16
        case _:
            raise ValueError(f"unknown cpu scaling {scaling!r}, expected a name from SCALINGS")
    return baseline / speedup if speedup > 0 else math.inf
