"""Writes the policy of a genome as ordinary Python that a scheduler engineer can read."""

import textwrap
from pathlib import Path

from flows.prompting.templates import render_text
from flows.proposers.offline.space import Genome, tells_kills_apart, to_text

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


def emit(genome: Genome) -> str:
    """Return the source of the policy; its docstring records the genome."""
    order = _ORDERS[genome.order]
    tells = tells_kills_apart(genome)
    return render_text(
        TEMPLATE,
        g=genome,
        headline=f"{order[0].upper()}{order[1:]}.",
        summary=_wrap(" ".join(_sentences(genome))),
        genome_text=_wrap(f"genome: {to_text(genome)}").removeprefix("genome: "),
        rank_doc=f"Smaller is served earlier: {order}.",
        placement_doc=_PLACEMENTS[genome.placement],
        whole=genome.grouping == "pipeline",
        tells=tells,
        learns=genome.kinds != "none",
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
        memory += f", learns by {genome.kinds}"
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
        said.append(f"Requests are learned from what was enough for {_KINDS[genome.kinds]}.")
    if genome.idle_share:
        said.append(
            f"When hardly anything waits, a container gets {genome.idle_share:.0%} of the memory "
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
