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
    ``cheapest``, what would have cost least over the idle times seen; ``window``, between two
    percentiles of them; ``greedy_dual``, until the memory is needed."""
    seconds: float = 1800.0
    """Keep-alive ``fixed``: how long; else: at most so long."""
    factor: float = 1.0
    """Break-even: times what idling may cost."""
    head: float = 0.05
    """Part of the idle times that an instance started ahead may be too late for."""
    tail: float = 0.95
    """Keep-alive ``window``: part of the idle times that are bridged."""
    lead_seconds: float = -1.0
    """Starts ahead of need: so long before the head of the idle times; below 0: none."""
    rare: str = "alike"
    """Functions that are invoked rarely: as others; given up at once (``drop``); or kept as long as
    allowed (``hold``)."""
    worth: str = "alike"
    """A second of delay counts the same for all, or by tenant: more if it has few invocations."""
    order: str = "most_recent"
    """Which idle instance serves a warm invocation."""
    bind: bool = False
    """Whether an invocation waits for one instance that starts, or for whichever is free first."""
    wait_share: float = 0.0
    """An invocation waits for a busy instance up to this part of a start's duration."""
    spares: float = 0.0
    """After a miss, instances are started beyond need: this part of those that work."""
    fill: float = 1.0
    """Part of an instance's places that are counted on while it starts."""
    placement: str = "spread"
    affinity: float = 1.0
    """Placement: what a second of pulling packages counts against load."""
    evict: str = "lru"
    turn: str = "arrival"
    """Whose invocation is served first when memory is short."""
    tenant_share: float = 1.0
    """Part of all memory that one tenant's work may hold while others wait."""
    reserve: float = 0.0
    """Part of all memory that only tenants with less than an even share may use."""
    prefetch: str = "none"
    """Packages are pulled to all nodes before they are needed: all at once, or one by one."""


CHOICES: Mapping[str, tuple[Value, ...]] = {
    "keep": ("fixed", "break_even", "cheapest", "window", "greedy_dual"),
    "seconds": (5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0),
    "factor": (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0),
    "head": (0.0, 0.02, 0.05, 0.1, 0.2),
    "tail": (0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0),
    "lead_seconds": (-1.0, 0.0, 0.5, 1.0, 2.0, 5.0),
    "rare": ("alike", "drop", "hold"),
    "worth": ("alike", "by_tenant"),
    "order": ("most_recent", "least_recent"),
    "bind": (False, True),
    "wait_share": (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0),
    "spares": (0.0, 0.1, 0.25, 0.5, 1.0),
    "fill": (0.25, 0.5, 0.75, 1.0),
    "placement": ("first", "packed", "spread", "home"),
    "affinity": (0.0, 0.1, 0.3, 1.0, 3.0),
    "evict": ("lru", "largest", "least_value"),
    "turn": ("arrival", "fair", "light", "worth"),
    "tenant_share": (0.2, 0.35, 0.5, 0.7, 1.0),
    "reserve": (0.0, 0.05, 0.1, 0.2),
    "prefetch": ("none", "at_once", "one_by_one"),
}
"""Every value of every gene. Numbers rise, so that a step to a neighbour is small."""

RULED_BY_IDLE_TIMES = ("cheapest", "window")
"""The rules of keep-alive that learn idle times."""


def settled(genome: Genome) -> Mapping[str, Any]:
    """Return the genes that have no effect, with their defaults."""
    idle = []
    if genome.keep not in RULED_BY_IDLE_TIMES:
        idle += ["lead_seconds"]
    if genome.keep != "window":
        idle += ["tail"]
    if genome.keep in ("fixed", "greedy_dual"):
        idle += ["factor"]
    if genome.keep == "greedy_dual":
        idle += ["seconds", "rare"]
    if genome.lead_seconds < 0 or "lead_seconds" in idle:
        idle += ["head"]
    if genome.bind:
        idle += ["fill"]
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
    "window": "Keep-alive by percentiles of idle times",
    "greedy_dual": "Kept until the memory is needed",
}
_PLACEMENTS = {
    "first": "the first node with room",
    "packed": "the node with the least free memory that has room",
    "spread": "the node with the most free memory",
    "home": "the function's home node or the next one in a ring",
}
_EVICTIONS = {
    "lru": "what has been idle longest",
    "largest": "what is largest",
    "least_value": "what is used least for its memory and the time it takes to start",
}
_TURNS = {
    "arrival": "first come, first served",
    "fair": "first the tenants whose work holds least memory for their weight",
    "light": "first what takes least memory for the shortest time",
    "worth": "first what delays cost most for the memory and time it takes",
}


def emit(genome: Genome, render: Render) -> str:
    """Return the source of the policy; its docstring records the genome."""
    learns = genome.keep in RULED_BY_IDLE_TIMES
    ahead = genome.lead_seconds >= 0
    weighs = genome.worth == "by_tenant"
    text = render(
        TEMPLATE,
        g=genome,
        headline=f"{_KEEPS[genome.keep]}; {_PLACEMENTS[genome.placement]}.",
        summary=_wrap(" ".join(_sentences(genome))),
        genome_text=_wrap(f"genome: {GENES.to_text(genome)}").removeprefix("genome: "),
        turn=_TURNS[genome.turn],
        eviction=_EVICTIONS[genome.evict],
        learns=learns,
        ahead=ahead,
        breaks_even=genome.keep in ("break_even", *RULED_BY_IDLE_TIMES),
        weighs=weighs,
        counts=genome.rare != "alike" or genome.evict == "least_value",
        times=genome.wait_share > 0 or genome.turn in ("light", "worth"),
        adapts=learns or genome.rare != "alike" or (genome.keep == "break_even" and weighs),
        values=genome.evict == "least_value",
        limits=genome.tenant_share < 1 or genome.reserve > 0,
        wakes=ahead or genome.prefetch == "one_by_one",
    )
    return re.sub(r"\n{4,}", "\n\n\n", text).rstrip("\n") + "\n"


def title(genome: Genome) -> str:
    """Return a short name for the policy, for tables."""
    words = {
        "fixed": f"fixed {genome.seconds:g} s",
        "break_even": f"break-even x{genome.factor:g}",
        "cheapest": f"cheapest, at most {genome.seconds:g} s",
        "window": f"to {genome.tail:.0%} of idle times",
        "greedy_dual": "greedy-dual",
    }
    parts = [words[genome.keep]]
    if genome.lead_seconds >= 0:
        parts.append("starts ahead")
    if genome.worth == "by_tenant":
        parts.append("by tenant")
    parts.append("bound" if genome.bind else "first free")
    if genome.wait_share:
        parts.append(f"waits x{genome.wait_share:g}")
    parts.append(genome.placement)
    if genome.prefetch != "none":
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
            return (
                "An idle instance is kept for the time that would have cost least over the "
                f"function's idle times, {most}."
            )
        case "window":
            return (
                f"An idle instance is kept until {genome.tail:.0%} of the function's idle times "
                f"have ended, {most}."
            )
        case _:
            return "An idle instance is kept until its memory is needed."


def _start_sentences(genome: Genome) -> list[str]:
    said = []
    if genome.lead_seconds >= 0:
        said.append(
            "Where idle times are long and alike, it is given up at once and another one is ready "
            f"{genome.lead_seconds:g} s before the next invocation is due."
        )
    said.append(
        "An invocation that finds none is bound to the next one that starts."
        if genome.bind
        else "An invocation that finds none takes the first one that is free or ready."
    )
    if genome.wait_share:
        said.append(
            "None is started while a busy one should be free within "
            f"{genome.wait_share:g} times the duration of a start."
        )
    if genome.spares:
        said.append(f"After a miss {genome.spares:.0%} of those that work are started beyond need.")
    if genome.fill < 1:
        said.append(f"Of an instance that starts {genome.fill:.0%} of its places are counted on.")
    said.append(
        f"It is started on {_PLACEMENTS[genome.placement]}"
        + (", which should have its packages" if genome.affinity else "")
        + f"; {_EVICTIONS[genome.evict]} makes room."
    )
    if genome.prefetch != "none":
        how = "at the beginning" if genome.prefetch == "at_once" else "one by one"
        said.append(f"All packages are pulled to all nodes {how}, as far as disks hold them.")
    return said


def _tenant_sentences(genome: Genome) -> list[str]:
    said = []
    if genome.worth == "by_tenant":
        said.append("A second of delay counts more for a tenant with few invocations.")
    if genome.rare == "drop":
        said.append("Functions that are rarely invoked are given up at once.")
    if genome.rare == "hold":
        said.append("Functions that are rarely invoked are kept as long as allowed.")
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
