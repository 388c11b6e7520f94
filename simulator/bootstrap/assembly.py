"""Simulators put together from parts, where no model writes them: a space, and how it is searched.

``assembler.py`` of a folder declares slots, the parts that each may take, and a template with a
place for every slot. Which parts are right, only the checks can tell: of each check a search sees
how far it got before something went wrong.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import make_dataclass
from itertools import combinations
from random import Random
from typing import Any

from simulator.domain_host import Metrics, TriedGenome
from simulator.errors import InputError
from simulator.genes import Genes

FIRST = 8
"""Assemblies that are drawn before anything is learned from them."""
CHANCE = 0.5
"""How likely it is that two parts of one slot fail a check at the same moment."""
WORDS_IN_TITLE = 6
"""Parts that a title names; how many more there are it only counts."""

Assembly = Any
"""A frozen dataclass with the name of a part for each slot."""
Part = tuple[str, str]
"""A slot, and what is in it."""

HEAD = '"""Put together from parts.\n\ngenome: {genome}\n"""\n\n'


class Assemblies:
    """The space of all assemblies: see ``simulator.domain_host.Space``.

    ``slots`` has the source of each part by slot and name; the first part of a slot is what the
    first proposal has. ``template`` has ``{slot}`` where a part goes; further lines of a part are
    indented like the place. Raise ``InputError`` for a slot without a place or without a choice.
    """

    SEEDS = (0,)

    def __init__(self, slots: Mapping[str, Mapping[str, str]], template: str) -> None:
        for slot, parts in slots.items():
            if len(parts) < 2:
                raise InputError(f"slot {slot} has {len(parts)} parts, expected at least 2")
            if "{" + slot + "}" not in template:
                raise InputError(f"slot {slot} has no place: {{{slot}}} is not in the template")
        self.slots, self.template = slots, template
        fields = [(slot, str, next(iter(parts))) for slot, parts in slots.items()]
        kind = make_dataclass("Assembly", fields, frozen=True, kw_only=True)
        choices = {slot: tuple(parts) for slot, parts in slots.items()}
        self.genes: Genes[Any] = Genes(kind(), choices, lambda _: {})
        self.from_source = self.genes.from_source
        self.random_genome = self.sample = self.genes.random_genome
        self.mutate = self.genes.mutate
        self.crossover = self.genes.crossover

    def assembly(self, **parts: str) -> Assembly:
        """Return the assembly of these parts, and of the first one in every other slot."""
        return self.genes.with_values(self.genes.plain, parts)

    def seed_genome(self, _number: int) -> Assembly:
        return self.genes.plain

    def nearest_genome(self, _simulator: str) -> None:
        """No simulator of the library is known to be like an assembly."""

    def advice(self, _genome: Assembly, _metrics: Sequence[Metrics]) -> Sequence[Assembly]:
        """Return nothing: what checks say is used by :meth:`next_genome`."""
        return ()

    def next_genome(
        self,
        rng: Random,
        tried: Sequence[TriedGenome[Assembly]],
        is_new: Callable[[Assembly], bool],
    ) -> Assembly | None:
        """Return what to try next, None where an assembly should be drawn.

        It is the best assembly so far with one part changed, or two where no single change is left.
        What differs from it is chosen by what all tries say of the parts.
        """
        if len(tried) < FIRST:
            return None
        here = _best(tried)
        evidence = _Evidence(self.slots, tried, here)
        single = list(self._moves(evidence))
        telling = self._telling(here, tried, single)
        for changes in (1, 2):
            best: tuple[int, float, float, Assembly] | None = None
            for moves in combinations(single, changes):
                if len({slot for slot, _, _ in moves}) < changes:
                    continue
                told = sum((slot, name) in telling for slot, name, _ in moves)
                rank = told, sum(hope for _, _, hope in moves), rng.random()
                if best is None or rank > best[:3]:
                    parts = {slot: name for slot, name, _ in moves}
                    other = self.genes.with_values(here.genome, parts)
                    if is_new(other):
                        best = *rank, other
            if best is not None:
                return best[3]
        return None

    def _telling(
        self,
        here: TriedGenome[Assembly],
        tried: Sequence[TriedGenome[Assembly]],
        single: Sequence[tuple[str, str, float]],
    ) -> set[Part]:
        """Return the parts that are the first to be changed together with another one.

        Where a check fails, those that alone changed how far it gets; where all pass, those that
        alone kept it so.
        """
        known = {each.genome: each.reached for each in tried}
        fails = any(share < 1.0 for share in here.reached.values())
        return {
            (slot, name)
            for slot, name, _ in single
            if (found := known.get(self.genes.with_values(here.genome, {slot: name}))) is not None
            and (found != here.reached) == fails
        }

    def _moves(self, evidence: "_Evidence") -> Iterator[tuple[str, str, float]]:
        """Yield slot, other part and hope of each change that may help."""
        for slot, parts in self.slots.items():
            for name in parts:
                if name != evidence.part_in(slot):
                    yield slot, name, evidence.hope(slot, name)

    def emit(self, genome: Assembly, _render: Any = None) -> str:
        """Return the source of the simulator."""
        source = self.template
        for slot, parts in self.slots.items():
            source = _filled(source, slot, parts[getattr(genome, slot)])
        return HEAD.format(genome=self.genes.to_text(genome)) + source.lstrip("\n")

    def title(self, genome: Assembly) -> str:
        """Return which parts are not the first ones of their slots."""
        names = self.genes.names
        other = [
            f"{name} {getattr(genome, name)}"
            for name in names
            if getattr(genome, name) != getattr(self.genes.plain, name)
        ]
        more = len(other) - WORDS_IN_TITLE
        words = [*other[:WORDS_IN_TITLE], *([f"{more} more"] if more > 0 else [])]
        return ", ".join(words) or "the first parts"


class _Evidence:
    """What all tries say of parts, for a search that stands at one of them.

    Taken as if every wrong part broke each check at a moment of its own, so that an assembly gets
    as far as the first of those. So a part is no suspect in a failure if an assembly with it got
    further in that check, and is hardly one if an assembly with another part in its slot got just
    as far. A lone suspect is wrong.

    What does too little breaks no law. So in a check whose outcome is not known, only assemblies
    count as having got further that are no worse in those where it is.
    """

    def __init__(
        self,
        slots: Mapping[str, Mapping[str, str]],
        tried: Sequence[TriedGenome[Assembly]],
        here: TriedGenome[Any],
    ) -> None:
        self._slots, self._here = slots, here
        self._furthest: dict[tuple[Part, str], float] = {}
        self._failed_at: dict[tuple[str, str, float], set[str]] = {}
        """The parts that were in a slot when a check failed at that share of its way."""
        for each in tried:
            believed = _height(each)[0] >= _height(here)[0]
            for check, share in each.reached.items():
                for part in self._parts(each):
                    key = part, check
                    if believed or share < 1.0 or check in each.exact:
                        self._furthest[key] = max(share, self._furthest.get(key, 0.0))
                    if share < 1.0:
                        slot, name = part
                        self._failed_at.setdefault((slot, check, share), set()).add(name)
        self._guilt: dict[Part, float] = {}
        for each in tried:
            for check, share in each.reached.items():
                if share < 1.0 and share <= here.reached.get(check, 0.0):
                    for part, doubt in self._suspects(each, check).items():
                        self._guilt[part] = max(doubt, self._guilt.get(part, 0.0))
        self._doubts = {
            check: self._suspects(here, check)
            for check, share in here.reached.items()
            if share < 1.0
        }

    def part_in(self, slot: str) -> str:
        """Return the part that is in a slot now."""
        return str(getattr(self._here.genome, slot))

    def hope(self, slot: str, name: str) -> float:
        """Return how much is hoped of a part in place of the one that is there."""
        old, new = (slot, self.part_in(slot)), (slot, name)
        hope = -self._guilt.get(new, 0.0)
        for check, suspects in self._doubts.items():
            share = self._here.reached[check]
            same = self._failed_at[slot, check, share]
            if name not in same:
                seen_further = self._furthest.get((new, check), 0.0) > share
                left = len(self._slots[slot]) - len(same)
                hope += suspects.get(old, 0.0) * (2.0 if seen_further else 1.0) / left
        return hope

    def _suspects(self, tried: TriedGenome[Any], check: str) -> dict[Part, float]:
        """Return the parts that may have failed a check, with the share of doubt in each."""
        share = tried.reached[check]
        weights: dict[Part, float] = {}
        for part in self._parts(tried):
            same = len(self._failed_at[part[0], check, share])
            if self._furthest.get((part, check), 0.0) <= share and same < len(self._slots[part[0]]):
                weights[part] = CHANCE ** (same - 1)
        whole = sum(weights.values())
        return {part: weight / whole for part, weight in weights.items()}

    def _parts(self, tried: TriedGenome[Any]) -> list[Part]:
        return [(name, getattr(tried.genome, name)) for name in self._slots]


def _best(tried: Sequence[TriedGenome[Any]]) -> TriedGenome[Any]:
    """Return the best: the last one that was promoted, or the first of those that are as good."""
    places = range(len(tried))
    last = max(places, key=lambda at: (_height(tried[at]), at if tried[at].promoted else -at))
    return tried[last]


def _height(tried: TriedGenome[Any]) -> tuple[float, float, bool]:
    """Return how good an assembly is: by the checks whose outcome is known, then by the others."""
    exact = sum(share for check, share in tried.reached.items() if check in tried.exact)
    return exact, sum(tried.reached.values()) - exact, tried.promoted


def _filled(template: str, slot: str, part: str) -> str:
    """Return the template with a part in the places of a slot, indented like the place."""
    place = "{" + slot + "}"
    lines = []
    for line in template.split("\n"):
        if place in line:
            indent = (re.match(r"\s*", line) or [""])[0]
            line = line.replace(place, part.replace("\n", f"\n{indent}"))
        lines.append(line)
    return "\n".join(lines)
