"""The space that the offline proposer searches: the decisions of a policy, and their source."""

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.domain_host import Render
from simulator.genes import Genes, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Genome:
    """The decisions that make one policy; the defaults are a plain and reasonable platform.

    The *idle times* of a function are those from the end of work in an instance to the next
    invocation that it serves, or would have served if it had been kept.
    """

    keep: str = "break_even"
    """Keep-alive: ``fixed``; ``break_even``, until idling has cost as much as a cold start;
    ``cheapest``, what would have cost least over the idle times seen; ``greedy_dual``, until the
    memory is needed."""
    seconds: float = 1800.0
    """Keep-alive ``fixed``: how long; else: at most so long."""
    factor: float = 1.0
    """Break-even and cheapest: times what a cold start costs."""
    least_share: float = 0.0
    """Cheapest: all are kept for at least this part of the time at which idling breaks even."""
    ahead: bool = False
    """Cheapest: given up at once, and started ahead of the next use, where that would have cost
    less."""
    rare_seconds: float = 0.0
    """Functions with longer gaps than this, on average, are given up at once; 0: none."""
    worth: str = "alike"
    """A second of delay counts the same for all, or by tenant: more if it has few invocations."""
    wait_share: float = 0.0
    """An invocation waits for a busy instance up to this part of a start's duration."""
    placement: str = "spread"
    """The node where an instance is started, among those with fewest packages to pull."""
    evict: str = "lru"
    """Which idle instances make room."""
    turn: str = "arrival"
    """Whose invocation is served first when memory is short."""
    tenant_share: float = 1.0
    """Part of all memory that one tenant's work may hold while others wait."""
    reserve: float = 0.0
    """Part of all memory that only tenants with less than an even share may use."""
    prefetch: bool = False
    """All packages are pulled to all nodes at the beginning, as far as disks hold them."""


CHOICES: Mapping[str, tuple[Value, ...]] = {
    "keep": ("fixed", "break_even", "cheapest", "greedy_dual"),
    "seconds": (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0),
    "factor": (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0),
    "least_share": (0.0, 0.1, 0.25, 0.5),
    "ahead": (False, True),
    "rare_seconds": (0.0, 300.0, 600.0, 1200.0, 2400.0),
    "worth": ("alike", "by_tenant"),
    "wait_share": (0.0, 0.1, 0.25, 0.5, 1.0, 2.0),
    "placement": ("packed", "spread", "home"),
    "evict": ("lru", "largest", "least_value", "tenant_share"),
    "turn": ("arrival", "fair", "light", "worth"),
    "tenant_share": (0.2, 0.35, 0.5, 0.7, 1.0),
    "reserve": (0.0, 0.05, 0.1, 0.2),
    "prefetch": (False, True),
}
"""Every value of every gene. Numbers rise, so that a step to a neighbour is small."""


def settled(genome: Genome) -> Mapping[str, Any]:
    """Return the genes that have no effect, with their defaults."""
    idle = []
    if genome.keep != "cheapest":
        idle += ["least_share", "ahead"]
    if genome.keep in ("fixed", "greedy_dual"):
        idle += ["factor"]
    if genome.keep == "greedy_dual":
        idle += ["seconds", "rare_seconds"]
    if genome.keep in ("fixed", "greedy_dual") and not _weighs(genome):
        idle += ["worth"]
    return GENES.defaults(idle)


def _weighs(genome: Genome) -> bool:
    """Whether anything but the keep-alive asks what a second of delay is worth."""
    return genome.evict == "least_value" or genome.turn == "worth"


GENES = Genes(Genome(), CHOICES, settled)


# A genome's policy, as ordinary Python that an engineer of a platform can read.

TEMPLATE = Path(__file__).with_name("policy.py.j2")
LINE = 96

_KEEPS = {
    "fixed": "Fixed keep-alive",
    "break_even": "Break-even keep-alive",
    "cheapest": "Keep-alive that would have cost least so far",
    "greedy_dual": "Kept until the memory is needed",
}
_PLACEMENTS = {
    "packed": "the node with the least free memory that has room",
    "spread": "the node with the most free memory",
    "home": "the function's home node or the next one in a ring",
}
_EVICTIONS = {
    "lru": "what has been idle longest",
    "largest": "what is largest",
    "least_value": "what is used least for its memory and the time it takes to start",
    "tenant_share": "what belongs to the tenant with most memory for its weight",
}
_TURNS = {
    "arrival": "first come, first served",
    "fair": "first the tenants whose work holds least memory for their weight",
    "light": "first what takes least memory for the shortest time",
    "worth": "first what delays cost most for the memory and time it takes",
}


def emit(genome: Genome, render: Render) -> str:
    """Return the source of the policy; its docstring records the genome."""
    learns = genome.keep == "cheapest"
    weighs = genome.worth == "by_tenant"
    text = render(
        TEMPLATE,
        g=genome,
        headline=f"{_KEEPS[genome.keep]}; {_PLACEMENTS[genome.placement]}.",
        summary=_wrap(" ".join(_sentences(genome))),
        genome_text=_wrap(f"genome: {GENES.to_text(genome)}").removeprefix("genome: "),
        turn=_TURNS[genome.turn],
        learns=learns,
        breaks_even=genome.keep in ("break_even", "cheapest"),
        weighs=weighs,
        counts=genome.rare_seconds > 0 or genome.evict == "least_value",
        times=genome.wait_share > 0 or genome.turn in ("light", "worth"),
        times_starts=genome.keep in ("break_even", "cheapest")
        or genome.wait_share > 0
        or genome.turn in ("light", "worth")
        or genome.evict == "least_value",
        adapts=learns or genome.rare_seconds > 0 or (genome.keep == "break_even" and weighs),
        chooses=genome.evict in ("least_value", "tenant_share"),
        values=genome.evict == "least_value",
        limits=genome.tenant_share < 1 or genome.reserve > 0,
    )
    return re.sub(r"\n{4,}", "\n\n\n", text).rstrip("\n") + "\n"


def title(genome: Genome) -> str:
    """Return a short name for the policy, for tables."""
    words = {
        "fixed": f"fixed {genome.seconds:g} s",
        "break_even": f"break-even x{genome.factor:g}",
        "cheapest": f"cheapest, at most {genome.seconds:g} s",
        "greedy_dual": "greedy-dual",
    }
    parts = [words[genome.keep]]
    if genome.ahead:
        parts.append("starts ahead")
    if genome.worth == "by_tenant":
        parts.append("by tenant")
    if genome.wait_share:
        parts.append(f"waits x{genome.wait_share:g}")
    parts += [genome.placement, f"evicts by {genome.evict}", f"turn by {genome.turn}"]
    if genome.prefetch:
        parts.append("prefetch")
    return ", ".join(parts)


def _sentences(genome: Genome) -> list[str]:
    """Say in words what the genome decides."""
    return [_keep_sentence(genome), *_start_sentences(genome), *_tenant_sentences(genome)]


def _keep_sentence(genome: Genome) -> str:
    most = f"at most {genome.seconds:g} s"
    match genome.keep:
        case "fixed":
            return f"An idle instance is kept for {genome.seconds:g} s."
        case "break_even":
            return (
                f"An idle instance is kept until it has cost {genome.factor:g} times what a cold "
                f"start costs, {most}."
            )
        case "cheapest":
            least = (
                f", at least for {genome.least_share:.0%} of the time at which idling has cost as "
                "much as a cold start"
            )
            return (
                "An idle instance is kept for the time that would have cost least over the "
                f"function's idle times, {most}{least if genome.least_share else ''}."
            )
        case _:
            return "An idle instance is kept until its memory is needed."


def _start_sentences(genome: Genome) -> list[str]:
    said = []
    if genome.ahead:
        said.append(
            "Where idle times are long and alike, it is given up at once and another one is ready "
            "1 s before the next invocation is due."
        )
    if genome.rare_seconds:
        said.append(
            "Functions that are invoked less often than once in "
            f"{genome.rare_seconds:g} s are given up at once."
        )
    said.append("An invocation that finds none takes the first one that is free or ready.")
    if genome.wait_share:
        said.append(
            "None is started while a busy one should be free within "
            f"{genome.wait_share:g} times the duration of a start."
        )
    said.append(
        f"It is started on {_PLACEMENTS[genome.placement]}, which should have its packages; "
        f"{_EVICTIONS[genome.evict]} makes room."
    )
    if genome.prefetch:
        said.append(
            "All packages are pulled to all nodes at the beginning, as far as disks hold them."
        )
    return said


def _tenant_sentences(genome: Genome) -> list[str]:
    said = []
    if genome.worth == "by_tenant":
        said.append("A second of delay counts more for a tenant with few invocations.")
    if genome.turn != "arrival":
        said.append(f"Where memory is short: {_TURNS[genome.turn]}.")
    if genome.tenant_share < 1:
        said.append(
            f"A tenant's work holds at most {genome.tenant_share:.0%} of all memory while others "
            "wait."
        )
    if genome.reserve:
        said.append(f"The last {genome.reserve:.0%} are for tenants with less than an even share.")
    return said


def _wrap(text: str) -> str:
    return textwrap.fill(text, LINE, break_long_words=False, break_on_hyphens=False)
