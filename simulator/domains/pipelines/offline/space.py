"""The space that the offline proposer searches: the decisions of a policy, and their source."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.domain_host import Render
from simulator.genes import Genes, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Genome:
    """The decisions that make one policy; the defaults are a plain and reasonable scheduler.

    An operator that is killed in its first moments needs its memory *at once*; one that is killed
    later *grows* into it. A policy may treat the two differently after a kill.
    """

    order: str = "priority"
    """Who is served first."""
    ageing_seconds: float = 60.0
    """Order ``ageing``: waiting this long is worth one class of priority."""
    grouping: str = "operator"
    """One operator per container, or all that is left of a pipeline in one."""
    look_ahead: int = 16
    """Admission: requests that do not fit and may be passed over; 0: the first one waits."""
    query_reserve: float = 0.0
    """Admission: part of each pool that only queries may use."""
    batch_share: float = 1.0
    """Admission: part of all CPUs that batch pipelines may hold together."""
    cpus: int = 4
    spread: int = 1
    """Containers get up to so many times ``cpus`` when not all would be used."""
    least_cpus: int = 4
    """A container starts with fewer CPUs than it should have, but not with fewer than these."""
    query_boost: int = 1
    """Factor on the CPUs of queries."""
    scan_cpus: int = 0
    """CPUs for operators that are known to grow; 0: as for the others."""
    start_gb: int = 32
    probe_gb: int = 0
    """A first request so small that a kill tells cheaply how memory is needed; 0: none."""
    idle_share: float = 0.0
    """Part of a pool's free memory that a container gets when next to nothing waits or runs."""
    use_estimate: bool = True
    estimate_margin: float = 1.25
    growth: float = 2.0
    """Retry: factor on the request after a kill."""
    quick_growth: float = 2.0
    """Retry: the same for operators that need their memory at once."""
    kinds: str = "none"
    """Whose successes teach the requests of whom: nobody's, all operators', those at the same place
    of their DAG, or those at the same place and of the same priority."""
    quantile: float = 0.5
    """How many of a kind's latest operators a learned request should have held."""
    quick_quantile: float = 0.2
    """The same for operators that need their memory at once, where kills cost little."""
    watch: bool = False
    """Learned sizes are what running containers were seen to hold, not guessed from requests."""
    placement: str = "best_fit"
    preempt: bool = False
    """Grouping ``pipeline``: suspend batch work at an operator's end while a query waits."""


CHOICES: Mapping[str, tuple[Value, ...]] = {
    "order": ("arrival", "priority", "shortest", "smallest", "weighted", "ageing"),
    "ageing_seconds": (10.0, 30.0, 60.0, 120.0, 300.0),
    "grouping": ("operator", "pipeline"),
    "look_ahead": (0, 4, 16, 64),
    "query_reserve": (0.0, 0.05, 0.1, 0.2),
    "batch_share": (0.5, 0.7, 0.85, 1.0),
    "cpus": (1, 2, 3, 4, 5, 6, 8, 12),
    "spread": (1, 2, 3, 4),
    "least_cpus": (1, 2, 3, 4, 5, 6, 8, 12),
    "query_boost": (1, 2, 3),
    "scan_cpus": (0, 1, 2, 3, 4),
    "start_gb": (4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 64, 96, 128),
    "probe_gb": (0, 1, 2, 4, 8),
    "idle_share": (0.0, 0.25, 0.5, 0.75),
    "use_estimate": (False, True),
    "estimate_margin": (0.6, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5),
    "growth": (1.25, 1.5, 1.75, 2.0, 2.5, 3.0),
    "quick_growth": (1.25, 1.35, 1.5, 2.0, 3.0),
    "kinds": ("none", "all", "place", "priority"),
    "quantile": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    "quick_quantile": (0.0, 0.1, 0.2, 0.3, 0.5, 0.7),
    "watch": (False, True),
    "placement": ("first_fit", "best_fit", "most_free", "balanced"),
    "preempt": (False, True),
}
"""Every value of every gene. Numbers rise, so that a step to a neighbour is small."""


def tells_kills_apart(genome: Genome) -> bool:
    """Whether the policy notes if a killed operator needs its memory at once or grows into it."""
    return bool(genome.quick_growth != genome.growth or genome.probe_gb or genome.scan_cpus)


def settled(genome: Genome) -> Mapping[str, Any]:
    """Return the genes that have no effect, with their defaults, and those that others bound."""
    idle = []
    if genome.order != "ageing":
        idle.append("ageing_seconds")
    if not genome.use_estimate:
        idle.append("estimate_margin")
    if genome.kinds == "none":
        idle += ["quantile", "quick_quantile", "watch"]
    if not tells_kills_apart(genome):
        idle.append("quick_quantile")
    if genome.grouping != "pipeline":
        idle.append("preempt")
    most = genome.cpus * genome.spread
    return {
        **GENES.defaults(idle),
        "least_cpus": min(genome.least_cpus, genome.cpus),
        "scan_cpus": genome.scan_cpus if genome.scan_cpus < most else 0,
    }


GENES = Genes(Genome(), CHOICES, settled)


# A genome's policy, as ordinary Python that a scheduler engineer can read.

TEMPLATE = Path(__file__).with_name("policy.py.j2")
LINE = 96

_ORDERS = {
    "arrival": "first come, first served",
    "priority": "queries first, then interactive, then batch",
    "shortest": "by priority, and within one the fewest operators left first",
    "smallest": "by priority, and within one the least memory first",
    "weighted": "fewest operators left per unit of weight first",
    "ageing": "by priority, which rises with waiting time",
}
_PLACEMENTS = {
    "first_fit": "The first pool with room, or None.",
    "best_fit": "The pool with room and the least memory left, or None.",
    "most_free": "The pool with room and the most memory left, or None.",
    "balanced": "The pool with room where CPUs and memory would be used most evenly, or None.",
}
_KINDS = {
    "all": "all operators that were killed alike",
    "place": "operators at the same place of their DAG",
    "priority": "operators of the same priority at the same place of their DAG",
}


def emit(genome: Genome, render: Render) -> str:
    """Return the source of the policy; its docstring records the genome."""
    order = _ORDERS[genome.order]
    tells = tells_kills_apart(genome)
    return render(
        TEMPLATE,
        g=genome,
        headline=f"{order[0].upper()}{order[1:]}.",
        summary=_wrap(" ".join(_sentences(genome))),
        genome_text=_wrap(f"genome: {GENES.to_text(genome)}").removeprefix("genome: "),
        rank_doc=f"Smaller is served earlier: {order}.",
        placement_doc=_PLACEMENTS[genome.placement],
        whole=genome.grouping == "pipeline",
        tells=tells,
        learns=genome.kinds != "none",
        watches=genome.watch,
        shares=genome.spread > 1,
        squeezes=genome.least_cpus < genome.cpus * genome.spread * genome.query_boost,
        notes_starts=bool(tells or genome.spread > 1 or genome.idle_share),
    )


def title(genome: Genome) -> str:
    """Return a short name for the policy, for tables."""
    whole = "whole pipelines" if genome.grouping == "pipeline" else "single operators"
    cpus = f"{genome.cpus}-{genome.cpus * genome.spread}" if genome.spread > 1 else f"{genome.cpus}"
    first = f"probe {genome.probe_gb} GB" if genome.probe_gb else f"{genome.start_gb} GB"
    memory = f"{first} x{genome.quick_growth:g}/{genome.growth:g}"
    if genome.kinds != "none":
        memory += f", {'watches' if genome.watch else 'learns'} by {genome.kinds}"
    return f"{genome.order}, {whole}, {cpus} cpus, {memory}, {genome.placement.replace('_', ' ')}"


def _sentences(genome: Genome) -> list[str]:
    """Say in words what the genome decides."""
    return [
        "All that is left of a pipeline shares one container."
        if genome.grouping == "pipeline"
        else "Each operator has a container of its own.",
        _cpu_sentence(genome),
        *_memory_sentences(genome),
        *_queue_sentences(genome),
    ]


def _cpu_sentence(genome: Genome) -> str:
    said = f"A container gets {genome.cpus} CPUs"
    if genome.spread > 1:
        said += f", up to {genome.spread} times that when some would idle"
    if genome.query_boost > 1:
        said += f", {genome.query_boost} times as many for a query"
    if genome.scan_cpus:
        said += f", at most {genome.scan_cpus} when its operator grows into its memory"
    if genome.least_cpus < genome.cpus * genome.spread * genome.query_boost:
        said += f", and starts with {genome.least_cpus} when no more are free"
    return f"{said}."


def _memory_sentences(genome: Genome) -> list[str]:
    first = genome.probe_gb or genome.start_gb
    said = [
        f"It asks for {first} GB to begin with"
        + (", or for its estimate with a margin." if genome.use_estimate else ".")
    ]
    if genome.growth != genome.quick_growth:
        said.append(
            f"A kill in the first ticks multiplies the request by {genome.quick_growth:g}, a later "
            f"one by {genome.growth:g}."
        )
    else:
        said.append(f"An out-of-memory kill multiplies the request by {genome.growth:g}.")
    if genome.probe_gb:
        said.append(f"An operator that grows asks for {genome.start_gb} GB after its first kill.")
    if genome.kinds != "none":
        seen = "what was held by" if genome.watch else "what was enough for"
        said.append(f"Requests are learned from {seen} {_KINDS[genome.kinds]}.")
    if genome.idle_share:
        said.append(
            f"When almost nothing waits, a container gets {genome.idle_share:.0%} of the memory "
            "that is free."
        )
    return said


def _queue_sentences(genome: Genome) -> list[str]:
    said = []
    if genome.query_reserve:
        said.append(f"Queries have {genome.query_reserve:.0%} of each pool to themselves.")
    if genome.batch_share < 1:
        said.append(f"Batch work holds at most {genome.batch_share:.0%} of the CPUs.")
    if genome.look_ahead == 0:
        said.append("Nothing overtakes a pipeline of which something does not fit.")
    if genome.preempt:
        said.append("While a query waits, batch containers are suspended between operators.")
    return said


def _wrap(text: str) -> str:
    return textwrap.fill(text, LINE, break_long_words=False, break_on_hyphens=False)
