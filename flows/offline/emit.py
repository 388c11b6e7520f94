"""Writes the policy of a genome as ordinary Python that a scheduler engineer can read."""

import textwrap
from pathlib import Path

from flows.offline.space import Genome, to_text
from flows.templates import render_text

TEMPLATE = Path(__file__).with_name("policy.py.j2")
LINE = 96

_ORDERS = {
    "arrival": "first come, first served",
    "priority": "queries first, then interactive, then batch",
    "priority_shortest": "by priority, and within one the fewest operators left first",
    "shortest": "fewest operators left first",
    "weighted": "fewest operators left per unit of weight first",
    "ageing": "by priority, which rises with waiting time",
}
_PLACEMENTS = {
    "first_fit": "The first pool with room, or None.",
    "best_fit": "The pool with room and the least memory left, or None.",
    "most_free": "The pool with room and the most memory left, or None.",
}
_LESSONS = {
    "operator": "that operator",
    "pipeline": "all of its pipeline",
    "priority": "that operator and, in part, all new work of its priority",
    "kind": "that operator",
}


def emit(genome: Genome) -> str:
    """Return the source of the policy; its docstring records the genome."""
    order = _ORDERS[genome.order]
    begun = "name not in s.begun, " if genome.begun_first else ""
    return render_text(
        TEMPLATE,
        g=genome,
        headline=f"{order[0].upper()}{order[1:]}.",
        summary=_wrap(" ".join(_sentences(genome))),
        genome_text=_wrap(f"genome: {to_text(genome)}").removeprefix("genome: "),
        rank_doc=f"Smaller is served earlier: {order}.",
        placement_doc=_PLACEMENTS[genome.placement],
        need_key="pipeline id" if genome.memory_scope == "pipeline" else "operator",
        begun=begun,
        granted="granted" if genome.squeeze else "cpus",
        weighs=genome.order == "weighted",
        uses_left=genome.order in ("priority_shortest", "shortest", "weighted"),
        learns_class=genome.memory_scope == "priority",
        learns_kind=genome.memory_scope == "kind",
        most_cpus=genome.cpus * genome.spread,
    )


def title(genome: Genome) -> str:
    """Return a short name for the policy, for tables."""
    whole = "whole pipelines" if genome.grouping == "pipeline" else "single operators"
    cpus = str(genome.cpus)
    if genome.spread > 1:
        cpus += f"-{genome.cpus * genome.spread}"
    if genome.query_cpus != genome.cpus:
        cpus += f"/{genome.query_cpus}"
    memory = f"{genome.start_gb} GB x{genome.growth:g} per {genome.memory_scope}"
    words = f"{genome.order}, {whole}, {cpus} cpus, {memory}, {genome.placement}"
    return words.replace("_", " ")


def _sentences(genome: Genome) -> list[str]:
    """Say in words what the genome decides."""
    whole = genome.grouping == "pipeline"
    said = [
        "All that is left of a pipeline shares one container."
        if whole
        else "Each operator has a container of its own."
    ]
    said.append(
        f"A container gets {genome.cpus} CPUs"
        + (f" ({genome.query_cpus} for a query)" if genome.query_cpus != genome.cpus else "")
        + (f", up to {genome.spread} times that when some would idle" if genome.spread > 1 else "")
        + (", fewer when no more are free" if genome.squeeze else "")
        + f" and {genome.start_gb} GB to begin with"
        + (", or its estimate with a margin." if genome.use_estimate else ".")
    )
    said.append(
        f"An out-of-memory kill multiplies the request by {genome.growth:g} "
        f"for {_LESSONS[genome.memory_scope]}."
    )
    if genome.memory_scope == "kind":
        said.append(
            "First requests are learned from what was enough for operators of the same priority at "
            "the same place of their DAG."
        )
    if genome.begun_first:
        said.append("Pipelines that have begun go first.")
    if genome.query_reserve:
        said.append(f"Queries have {genome.query_reserve:.0%} of each pool to themselves.")
    if genome.batch_share < 1:
        said.append(f"Batch work holds at most {genome.batch_share:.0%} of the CPUs.")
    if genome.look_ahead == 0:
        said.append("What is first in line waits until it fits; nothing overtakes it.")
    if genome.preempt:
        said.append("While a query waits, batch containers are suspended between operators.")
    return said


def _wrap(text: str) -> str:
    return textwrap.fill(text, LINE, break_long_words=False, break_on_hyphens=False)
