"""Simulators put together from parts: the space of a template, and the search for a right one."""

import random
from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.screen import screen
from simulator.bootstrap.assembly import FIRST, Assemblies
from simulator.bootstrap.host import BootstrapHost
from simulator.domain_host import TriedGenome
from simulator.errors import InputError
from tests.support.systems import NAMES, SYSTEMS, system, verdict

SLOTS = {f"slot{number}": {name: name for name in "abc"} for number in range(12)}
SPACE = Assemblies(SLOTS, "\n".join(f"{{{slot}}}" for slot in SLOTS))
"""Of each slot the part b is right, unless told otherwise."""
SHOWN, HIDDEN = [f"slot{number}" for number in range(9)], [f"slot{n}" for n in range(9, 12)]
MOST = 200
RIGHT = {
    "queue": {
        "length": "both",
        "order": "ends",
        "ties": "lowest_number",
        "refuse": "refused",
        "turns": "once",
        "end": "inclusive",
    },
    "small-faas": {
        "choice": "freed_last",
        "quota": "below",
        "cancel": "on_use",
        "victim": "oldest",
        "timeout": "failed",
        "patience": "arrival",
        "serving": "all",
        "ties": "instance",
        "end": "cut",
    },
    "pipelines-core": {
        "first_law": "three",
        "second_law": "seven",
        "third_law": "square",
        "fourth_law": "sixteen",
        "length": "rounded_down",
        "least": "one",
        "killed": "more",
        "kill": "at_once",
        "order": "completions",
        "ties": "started_first",
        "end": "cut",
    },
}
"""What the specifications say; no search knows it."""
QUICK = ("worked", "random")


def wrong_slots(genome: object) -> list[str]:
    return [slot for slot in SLOTS if getattr(genome, slot) != "b"]


def reached(genome: object) -> Mapping[str, float]:
    """Return how far two checks get: most wrong parts show at a moment of their own."""
    wrong = [slot for slot in wrong_slots(genome) if slot in SHOWN]
    places = [
        SHOWN.index(slot) + 0.5 * (getattr(genome, slot) == "a" and SHOWN.index(slot) % 3 > 0)
        for slot in wrong
    ]
    moments = {
        "first": [0.05 + 0.1 * place for place in places],
        "second": [0.9 - 0.1 * place for place in places],
    }
    return {check: min(found, default=1.0) for check, found in moments.items()}


@pytest.mark.parametrize("seed", range(5))
def test_a_search_finds_what_shown_checks_reveal_step_by_step_and_held_ones_only_promote(
    seed: int,
) -> None:
    tried: list[TriedGenome[object]] = []
    known: set[object] = set()
    fewest = len(SLOTS) + 1
    while len(tried) < MOST and fewest:
        rng = random.Random(f"{seed}/{len(tried)}")
        genome = SPACE.next_genome(rng, tried, lambda each: each not in known)
        if genome is None:
            genome = SPACE.sample(rng)
        found = reached(genome)
        wrong = len(wrong_slots(genome))
        promoted = min(found.values()) == 1.0 and wrong < fewest
        fewest = wrong if promoted else fewest
        tried.append(TriedGenome(genome=genome, reached=found, promoted=promoted))
        known.add(genome)

    assert fewest == 0, f"none in {MOST}"


def test_a_part_is_only_changed_where_it_may_be_what_is_wrong() -> None:
    right = SPACE.assembly(**dict.fromkeys(SLOTS, "b"))
    best, worse = (SPACE.genes.with_values(right, {"slot3": part}) for part in "ca")
    drawn = [SPACE.random_genome(random.Random(number)) for number in range(FIRST)]
    tried = [
        *(TriedGenome(genome=each, reached={"run": 0.0}, promoted=False) for each in drawn),
        TriedGenome(genome=worse, reached={"run": 0.5}, promoted=False),
        TriedGenome(genome=best, reached={"run": 0.9}, promoted=False),
    ]

    known = {each.genome for each in tried}
    found: Any = SPACE.next_genome(random.Random(1), tried, lambda each: each not in known)

    changed = [slot for slot in SLOTS if getattr(found, slot) != getattr(best, slot)]
    assert len(changed) == 1
    assert found.slot3 in "bc"  # with a it got less far


def test_parts_fill_their_places_and_are_read_back() -> None:
    space = Assemblies(
        {"rule": {"short": "pass", "long": "a = 1\nb = 2"}}, "def f():\n    {rule}\n    return\n"
    )
    source = space.emit(space.assembly(rule="long"))

    assert "def f():\n    a = 1\n    b = 2\n    return\n" in source
    assert space.from_source(source) == space.assembly(rule="long")
    assert (space.title(space.assembly()), space.title(space.assembly(rule="long"))) == (
        "the first parts",
        "rule long",
    )


@pytest.mark.parametrize(
    ("slots", "words"),
    [({"rule": {"only": "pass"}}, "1 parts"), ({"other": {"a": "1", "b": "2"}}, "no place")],
)
def test_a_slot_without_choice_or_place_is_refused(
    slots: dict[str, dict[str, str]], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        Assemblies(slots, "{rule}")


@pytest.mark.parametrize("name", NAMES)
def test_the_right_parts_of_an_example_pass_and_the_first_ones_do_not(name: str) -> None:
    space, example = BootstrapHost(SYSTEMS / name).space, system(name)
    right, first = space.emit(space.assembly(**RIGHT[name])), space.emit(space.assembly())
    quick = [each for each in example.checks if each.kind in QUICK]

    assert not screen(right)
    assert {verdict(example, each, right) for each in quick} == {"pass"}
    assert "fail" in {verdict(example, each, first) for each in quick}
