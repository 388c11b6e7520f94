"""The figures of a run: exact whole numbers first, and what is divided from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from simulator.domains.faas.bound import lower_bound_us
from simulator.domains.faas.cluster import DONE, FAILED, REJECTED, TIMED_OUT
from simulator.domains.faas.costs import by_tenant, cost_metrics, dearest_start_mb_us
from simulator.domains.faas.engine import Simulation
from simulator.domains.faas.messages import Setup
from simulator.domains.faas.nodes import NEVER
from simulator.domains.faas.world import MB_PER_GB, US

PERCENTS = (50, 95, 99)
LEAST_SERVICE_US = 100_000
"""Slowdown divides by at least this much, so that very short invocations do not rule it."""
SPANS_KEPT = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Fates:
    """How invocations ended, in order of arrival; those of one tenant, or all."""

    counts: tuple[int, int, int, int]
    """Done, failed, timed out, rejected."""
    cold: int
    delays_us: Sequence[int]
    """What each is charged with: its delay if it began, else its patience."""
    slowdowns_milli: Sequence[int]


def percentile(values: Sequence[int], percent: int) -> int | None:
    """Return the nearest-rank percentile: the least value with so many percent at or below."""
    if not values:
        return None
    return sorted(values)[-(-percent * len(values) // 100) - 1]


def compute_stats(simulation: Simulation) -> dict[str, Any]:
    """Return the exact figures of a run that ended: whole numbers, None where there is no data."""
    world, recorder = simulation.world, simulation.recorder
    everyone = range(len(world.times))
    fates = _fates(simulation, everyone)
    begun = [each for each in everyone if simulation.began[each] != NEVER]
    return {
        **_fate_stats(fates),
        "delay_begun_us": sum(simulation.began[each] - world.times[each] for each in begun),
        "run_us": sum(simulation.run_us[each] for each in begun),
        "pull_mb_us": recorder.pull_mb_us,
        "init_mb_us": recorder.init_mb_us,
        "idle_mb_us": recorder.idle_mb_us,
        "busy_mb_us": recorder.busy_mb_us,
        "missed_mb_us": _missed_mb_us(simulation),
        "instances": len(simulation.instances),
        "instances_unused": sum(1 for each in simulation.instances if not each.uses),
        "expired": simulation.expired,
        "evicted": simulation.evicted,
        "stopped": simulation.stopped,
        "packages_cached": recorder.packages_cached,
        "packages_shared": recorder.packages_shared,
        "packages_pulled": recorder.packages_pulled,
        "pulled_mb": recorder.pulled_mb,
        "actions": simulation.decisions,
        "end_us": simulation.end_us,
        "tenants": {
            tenant.name: _fate_stats(_fates(simulation, members))
            for tenant, members in zip(world.setup.tenants, by_tenant(world), strict=True)
        },
    }


def compute_metrics(simulation: Simulation, stats: dict[str, Any]) -> dict[str, Any]:
    """Return what is derived from the exact figures, each the double nearest to the exact value."""
    world = simulation.world
    count = stats["invocations"]
    begun = stats["done"] + stats["failed"]
    needed = sum(stats[f"packages_{each}"] for each in ("cached", "shared", "pulled"))
    on_us = stats["busy_mb_us"] + stats["idle_mb_us"]
    return {
        **cost_metrics(world, stats),
        "lower_bound_seconds": float(lower_bound_us(world) / US),
        "invocations": count,
        "not_served_share": _share(stats["timed_out"] + stats["rejected"], count),
        "failed_share": _share(stats["failed"], count),
        "cold_start_share": _share(stats["cold"], begun),
        "mean_delay_seconds": _share(stats["delay_us"], count * US),
        **_percentile_metrics(stats),
        "max_tenant_slowdown": _max_slowdown(stats),
        "jain_fairness": _jain(stats),
        "idle_gb_seconds": _gb_seconds(stats["idle_mb_us"]),
        "start_gb_seconds": _gb_seconds(stats["pull_mb_us"] + stats["init_mb_us"]),
        "busy_gb_seconds": _gb_seconds(stats["busy_mb_us"]),
        "busy_share": _share(stats["busy_mb_us"], on_us),
        "instances_unused_share": _share(stats["instances_unused"], stats["instances"]),
        "evictions": stats["evicted"],
        "package_hit_share": _share(stats["packages_cached"], needed),
        "pulled_gb": stats["pulled_mb"] / MB_PER_GB,
        "tenants": _tenant_table(world.setup, stats),
        "timeline": _timeline(simulation),
        "instances": {"created": stats["instances"], "spans": _spans(simulation)},
    }


def _fates(simulation: Simulation, members: Sequence[int]) -> Fates:
    world, status = simulation.world, simulation.status
    began, run_us, instances = simulation.began, simulation.run_us, simulation.runs_in
    patience = [each.patience_us for each in world.setup.functions]
    delays, slowdowns, cold = [], [], 0
    for each in members:
        if began[each] != NEVER:
            delay = began[each] - world.times[each]
            instance = instances[each]
            assert instance is not None
            cold += delay > 0 and instance.ready == began[each]
        else:
            delay = patience[world.functions[each]]
        delays.append(delay)
        response, run = delay + run_us[each], run_us[each]
        slowdowns.append(max(1000, 1000 * response // max(run, LEAST_SERVICE_US)))
    states = bytes(status[each] for each in members)
    done, failed, timed_out, rejected = (
        states.count(each) for each in (DONE, FAILED, TIMED_OUT, REJECTED)
    )
    return Fates(
        counts=(done, failed, timed_out, rejected),
        cold=cold,
        delays_us=delays,
        slowdowns_milli=slowdowns,
    )


def _fate_stats(fates: Fates) -> dict[str, int | None]:
    done, failed, timed_out, rejected = fates.counts
    delays, slowdowns = sorted(fates.delays_us), sorted(fates.slowdowns_milli)
    return {
        "invocations": len(delays),
        "done": done,
        "failed": failed,
        "timed_out": timed_out,
        "rejected": rejected,
        "cold": fates.cold,
        "delay_us": sum(delays),
        **{f"delay_p{percent}_us": percentile(delays, percent) for percent in PERCENTS},
        "slowdown_milli": sum(slowdowns),
        **{f"slowdown_p{percent}_milli": percentile(slowdowns, percent) for percent in PERCENTS},
    }


def _missed_mb_us(simulation: Simulation) -> int:
    """Return the memory of the starts that invocations which never began did without."""
    setup = simulation.setup
    dearest = [dearest_start_mb_us(each, setup) for each in setup.functions]
    return sum(
        dearest[function]
        for function, began in zip(simulation.world.functions, simulation.began, strict=True)
        if began == NEVER
    )


def _percentile_metrics(stats: dict[str, Any]) -> dict[str, float | None]:
    figures: dict[str, float | None] = {}
    for percent in PERCENTS:
        delay, slowdown = stats[f"delay_p{percent}_us"], stats[f"slowdown_p{percent}_milli"]
        figures[f"p{percent}_delay_seconds"] = None if delay is None else delay / US
        figures[f"p{percent}_slowdown"] = None if slowdown is None else slowdown / 1000
    return figures


def _slowdowns(stats: dict[str, Any]) -> list[Fraction]:
    """Return the mean slowdown of every tenant that has invocations."""
    return [
        Fraction(row["slowdown_milli"], 1000 * row["invocations"])
        for row in stats["tenants"].values()
        if row["invocations"]
    ]


def _max_slowdown(stats: dict[str, Any]) -> float | None:
    return float(max(_slowdowns(stats))) if stats["invocations"] else None


def _jain(stats: dict[str, Any]) -> float | None:
    """Return Jain's index of 1 / mean slowdown over tenants: 1 where all fare alike."""
    shares = [1 / each for each in _slowdowns(stats)]
    if not shares:
        return None
    squares = sum((each * each for each in shares), Fraction(0))
    return float(sum(shares, Fraction(0)) ** 2 / (len(shares) * squares))


def _tenant_table(setup: Setup, stats: dict[str, Any]) -> dict[str, dict[str, Any]]:
    table = {}
    for tenant in setup.tenants:
        row = stats["tenants"][tenant.name]
        count, begun = row["invocations"], row["done"] + row["failed"]
        table[tenant.name] = {
            "arrived": count,
            "completed": row["done"],
            "failed": row["failed"],
            "timed_out": row["timed_out"],
            "rejected": row["rejected"],
            "cold_start_share": _share(row["cold"], begun),
            "mean": _share(row["delay_us"], count * US),
            **{
                f"p{percent}": None if not count else row[f"delay_p{percent}_us"] / US
                for percent in PERCENTS
            },
            "mean_slowdown": _share(row["slowdown_milli"], 1000 * count),
        }
    return table


def _timeline(simulation: Simulation) -> dict[str, Any]:
    recorder, setup = simulation.recorder, simulation.setup
    whole = sum(node.memory_mb for node in setup.nodes)
    cold = [0] * len(recorder.samples)
    waited = [0] * len(recorder.samples)
    patience = [each.patience_us for each in setup.functions]
    for began, arrived, function in zip(
        simulation.began, simulation.world.times, simulation.world.functions, strict=True
    ):
        if began != arrived:
            _add_wait(
                waited,
                recorder.sample_us,
                arrived,
                arrived + patience[function] if began == NEVER else began,
            )
    for began, arrived, instance in zip(
        simulation.began, simulation.world.times, simulation.runs_in, strict=True
    ):
        if began != NEVER and instance is not None and arrived < began == instance.ready:
            cold[began // recorder.sample_us] += 1
    return {
        "seconds_per_sample": recorder.sample_us / US,
        "starting_mb": [row[0] for row in recorder.samples],
        "idle_mb": [row[1] for row in recorder.samples],
        "busy_mb": [row[2] for row in recorder.samples],
        "free_mb": [whole - sum(row[:3]) for row in recorder.samples],
        "waiting": [row[3] for row in recorder.samples],
        "waiting_mean": [round(each / recorder.sample_us, 4) for each in waited],
        "cold_starts": cold,
    }


def _add_wait(waited: list[int], sample_us: int, start: int, end: int) -> None:
    """Add the time from one moment to another to the samples in whose stretches it falls."""
    for sample in range(start // sample_us, min(end // sample_us, len(waited) - 1) + 1):
        waited[sample] += min(end, (sample + 1) * sample_us) - max(start, sample * sample_us)


def _spans(simulation: Simulation) -> list[list[Any]]:
    """Return start, end, node, MB, function, tenant and end of the first instances.

    Ends are expired, stopped, evicted, and kept for what is there at the end.
    """
    setup, end_us = simulation.setup, simulation.end_us
    return [
        [
            each.created / US,
            min(each.gone, end_us) / US,
            each.node,
            each.memory_mb,
            setup.functions[each.function].name,
            setup.tenants[setup.functions[each.function].tenant].name,
            each.how_gone or "kept",
        ]
        for each in simulation.instances[:SPANS_KEPT]
    ]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _gb_seconds(mb_us: int) -> float:
    return mb_us / (MB_PER_GB * US)
