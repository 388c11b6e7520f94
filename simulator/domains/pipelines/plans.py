"""How long an operator runs in a container of a given size, and how its memory moves meanwhile."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from simulator.domains.pipelines.states import NEVER
from simulator.domains.pipelines.workload import CpuScaling, Segment

SCAN_GB_PER_SECOND = 20
MOST_KEPT = 100_000
"""Plans, courses and limits that a planner remembers."""


class Phase(NamedTuple):
    """A stretch with one rule for memory: ``gb`` throughout, or growing with the scan if None.

    ``start`` counts ticks from the operator's first. ``smooth`` marks a step that rises by no more
    than one further tick of growth would.
    """

    start: int
    gb: float | None
    smooth: bool = False


class Plan(NamedTuple):
    """An operator's course: it ends with tick ``ticks - 1``, or is killed at tick ``oom``."""

    ticks: int
    oom: int
    cap_gb: float
    """The most memory it holds at the end of any tick before it ends or is killed."""
    phases: tuple[Phase, ...]


class Course(NamedTuple):
    """What an operator would do with memory to spare: its phases, and how many ticks they last."""

    phases: tuple[Phase, ...]
    ticks: int


class Planner:
    """Makes plans for one tick length and remembers those for named scalings.

    An operator that is killed for its memory is planned again with more of it, so that its course,
    which depends on the cpus alone, is remembered apart.
    """

    def __init__(self, tick_seconds: float) -> None:
        self.tick_seconds = tick_seconds
        self._plans: dict[tuple[int, float, float], Plan] = {}
        self._courses: dict[tuple[int, float], tuple[Course, Sequence[Segment]]] = {}
        self._speedups: dict[tuple[str, float], float] = {}
        self._over: dict[float, int] = {}
        """By GB of RAM: the first tick of a scan that needs more."""

    def _forget_all(self) -> None:
        """Begin anew when it gets too much: a policy may ask for a new size each time."""
        self._plans.clear()
        self._courses.clear()
        self._speedups.clear()
        self._over.clear()

    def plan(self, segments: Sequence[Segment], cpus: float, ram_gb: float) -> Plan:
        """Return the plan of an operator in a container with ``cpus`` and ``ram_gb``."""
        key = (id(segments), cpus, ram_gb)
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) + len(self._courses) + len(self._over) > MOST_KEPT:
                self._forget_all()
            phases, ticks = self.course(segments, cpus)
            plan = self._limit(phases, ticks, ram_gb)
            if key[:2] in self._courses:
                self._plans[key] = plan
        return plan

    def course(self, segments: Sequence[Segment], cpus: float) -> Course:
        """Return the course of an operator in a container with ``cpus`` and memory to spare."""
        key = (id(segments), cpus)
        found = self._courses.get(key)
        if found is not None:
            return found[0]
        course = self._lay_out(segments, cpus)
        for segment in segments:
            if callable(segment.cpu_scaling):
                return course
        # The segments are kept with the course, so that their identity stays theirs.
        self._courses[key] = (course, segments)
        return course

    def ticks(self, segments: Sequence[Segment], cpus: float) -> int:
        """Return how many ticks an operator takes with ``cpus`` and memory to spare."""
        return sum(self._segment_ticks(segment, cpus)[1] for segment in segments) or 1

    def _lay_out(self, segments: Sequence[Segment], cpus: float) -> Course:
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
            phases.append(Phase(0, peak))
            end = 1
        return Course(tuple(phases), end)

    def _segment_ticks(self, segment: Segment, cpus: float) -> tuple[int, int]:
        """Return the ticks of the scan and of the whole segment."""
        scan = whole_ticks(segment.storage_read_gb / SCAN_GB_PER_SECOND, self.tick_seconds)
        seconds = self._cpu_seconds(segment.cpu_scaling, cpus, segment.baseline_cpu_seconds)
        ticks = scan + whole_ticks(seconds, self.tick_seconds)
        return min(scan, ticks), ticks

    def _cpu_seconds(self, scaling: CpuScaling, cpus: float, baseline: float) -> float:
        if callable(scaling):
            return cpu_seconds(scaling, cpus, baseline)
        speedup = self._speedups.get((scaling, cpus))
        if speedup is None:
            speedup = self._speedups[scaling, cpus] = named_speedup(scaling, cpus)
        return _sped_up(baseline, speedup)

    def _first_tick_over(self, ram_gb: float) -> int:
        tick = self._over.get(ram_gb)
        if tick is None:
            tick = self._over[ram_gb] = first_tick_over(ram_gb, self.tick_seconds)
        return tick

    def _limit(self, phases: Sequence[Phase], end: int, ram_gb: float) -> Plan:
        """Find the first tick that needs more memory than the container has."""
        cap = 0.0
        for position, phase in enumerate(phases):
            start, gb, _ = phase
            if gb is not None:
                last, over = gb, 0 if gb > ram_gb else None
            else:
                following = phases[position + 1].start if position + 1 < len(phases) else end
                last = grown_gb(following - start - 1, self.tick_seconds)
                over = self._first_tick_over(ram_gb) if last > ram_gb else None
            if over is not None:
                if gb is None and over > 0:
                    cap = max(cap, grown_gb(over - 1, self.tick_seconds))
                return Plan(end, start + over, cap, tuple(phases[: position + 1]))
            cap = max(cap, last)
        return Plan(end, NEVER, cap, tuple(phases))


def _segment_phases(segment: Segment, start: int, scan: int, ticks: int) -> list[Phase]:
    if segment.memory_gb is not None:
        return [Phase(start, segment.memory_gb)]
    phases = [Phase(start, None)] if scan > 0 else []
    if ticks > scan:
        phases.append(Phase(start + scan, segment.storage_read_gb, scan > 0))
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
    """Return the seconds that ``baseline`` seconds of one cpu take on ``cpus``."""
    if callable(scaling):
        return float(scaling(cpus, baseline))
    return _sped_up(baseline, named_speedup(scaling, cpus))


def named_speedup(scaling: str, cpus: float) -> float:
    """Return by how much work of a named law is quicker on ``cpus`` than on one cpu.

    The logarithm law has no meaning at or below 1/e cpus: the work then takes for ever.
    """
    match scaling:
        case "const":
            return 1.0
        case "linear3":
            return min(cpus, 3)
        case "linear7":
            return min(cpus, 7)
        case "log":
            return float(np.log(cpus)) + 1
        case "sqrt":
            return float(np.sqrt(cpus))
        case "squared":
            return float(np.power(cpus, 2))
        case "exp":
            return float(np.power(2, cpus)) if cpus < 4 else 16
        case _:
            raise ValueError(f"unknown cpu scaling {scaling!r}, expected a name from SCALINGS")


def _sped_up(baseline: float, speedup: float) -> float:
    return baseline / speedup if speedup > 0 else math.inf
