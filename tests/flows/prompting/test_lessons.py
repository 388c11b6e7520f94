"""What the record shows: which changes are told, how often by chance, and in which words."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.attempt import SeenAttempt
from flows.prompting.lessons import (
    MOST_LINES,
    NAME_CHARS,
    Tried,
    record_of,
    seen,
    traits_of,
    wider,
)
from flows.prompting.prompts import render_prompt
from flows.settings.search import SearchConfig
from simulator.domain import find_domain
from simulator.domains.pipelines.offline.space import GENES, Genome
from tests.flows.prompting.test_prompts import WIDE
from tests.support.attempts import attempt, baseline, evaluation, failure
from tests.support.examples import at_night
from tests.support.offline import emit

FAMILIES = {"one": "wide", "two": "deep"}


def tried(number: int, source: str, parent: int | None, one: float, **changes: Any) -> Tried:
    """Return a policy with its score on the scenario ``one``, the same on ``two``."""
    plain: dict[str, Any] = {
        "key": (number, 0),
        "candidate": str(number),
        "parents": () if parent is None else (str(parent),),
        "origin": "model",
        "source": source,
        "scores": {"one": one, "two": one},
    }
    return Tried(**{**plain, **changes})


def chain(sources: Sequence[str], scores: Sequence[float]) -> list[Tried]:
    """Return policies of which each is the child of the one before."""
    places = range(len(sources))
    return [tried(n, sources[n], n - 1 if n else None, scores[n]) for n in places]


def lines(policies: Sequence[Tried]) -> tuple[str, ...]:
    return record_of(policies, FAMILIES, None).lines()


GROWING = chain([f"GB = {n}\n" for n in range(8)], [1.1**n for n in range(8)])


def test_a_change_that_always_helped_is_told_with_its_gain_and_its_pairs() -> None:
    assert lines(GROWING) == ("larger `GB`: +10 % (10 to 10), 7 pairs",)


def test_a_change_that_always_harmed_is_told_the_other_way_round() -> None:
    shrinking = [replace(each, scores={"one": 0.5**n}) for n, each in enumerate(GROWING)]

    assert lines(shrinking) == ("smaller `GB`: +100 % (100 to 100), 7 pairs",)


def test_fewer_than_six_pairs_say_nothing() -> None:
    assert lines(GROWING[:6]) == ()
    assert lines(GROWING[:7]) != ()


def test_a_family_in_which_the_effect_turns_around_stands_in_the_same_line() -> None:
    turned = [
        replace(each, scores={"one": 1.3**n, "two": 0.95**n}) for n, each in enumerate(GROWING)
    ]

    assert lines(turned) == ("larger `GB`: +11 % (11 to 11), 7 pairs; but -5 % on deep",)


def test_a_child_that_failed_is_counted_and_no_pair() -> None:
    failed = tried(8, "GB = 20\n", 7, 9.0, scores={}, failed=True)

    assert lines([*GROWING, failed])[0].endswith("7 pairs; 1 more failed")


def test_what_made_no_difference_three_times_is_told_at_the_end() -> None:
    idle = chain([f"GB = {n}\nLOOK = 4\n" for n in range(8)], [1.1**n for n in range(8)])
    idle += [tried(10 + n, f"GB = 7\nLOOK = {5 + n}\n", 7, 1.1**7) for n in range(3)]

    assert lines(idle)[1:] == ("no effect in any pair: `LOOK` (3)",)


def test_changes_that_were_always_made_together_share_a_line() -> None:
    both = chain([f"GB = {n}\nCPUS = {9 - n}\n" for n in range(8)], [1.1**n for n in range(8)])

    assert lines(both) == ("smaller `CPUS` and larger `GB`: +10 % (10 to 10), 7 pairs",)


@pytest.mark.parametrize(
    ("source", "roles"),
    [
        ("f(a, growth=2)", {"`growth=`": (2,)}),
        ("def f(x=3, *, y=4): pass", {"`x`": (3,), "`y`": (4,)}),
        ("if pool.free < 8: pass", {"limit of `free`": (8,)}),
        ("s.gb = old.ram * 1.5 + 4", {"factor on `ram`": (1.5,), "offset of `ram`": (4,)}),
        ("x = -1 if y else 2", {"`x`": (2, -1)}),
        ("W = {'query': 10}", {"entry `query`": (10,)}),
        ("x = min(need, 16)", {"min with `need`": (16,)}),
        ("x = True", {}),
        ("x = (", {}),
    ],
)
def test_a_number_is_called_by_what_it_stands_beside(source: str, roles: dict[str, Any]) -> None:
    found = traits_of(source).numbers

    assert found == roles


def test_members_calls_orders_and_branches_are_things_but_not_what_a_policy_names_itself() -> None:
    source = (
        "def mine(x): return x.cost\n"
        "def step(s, results):\n"
        "    s.own = sorted(results, key=lambda job: (job.rank, job.id))\n"
        "    if results[0].error and s.own: return mine(Suspend(results))\n"
    )

    found = {change.more for change in traits_of(source).things}

    assert found == {
        "uses `.cost`", "calls `sorted`", "sorts by `(_.rank, _.id)`", "uses `.rank`", "uses `.id`",
        "uses `.error`", "branches on `.error`", "calls `Suspend`",
    }  # fmt: skip


def test_policies_of_the_offline_proposer_are_compared_by_their_genes() -> None:
    genomes = [
        GENES.with_values(Genome(), {"cpus": n, "least_cpus": 1}) for n in (1, 2, 3, 4, 5, 6, 8)
    ]
    found = [
        replace(each, source=emit(genome), origin="offline")
        for each, genome in zip(GROWING, genomes, strict=False)
    ]

    told = record_of(found, FAMILIES, find_domain("pipelines").hosted("space")).lines()

    assert told == ("larger `cpus`: +10 % (10 to 10), 6 pairs",)


@settings(max_examples=at_night(20))
@given(st.permutations(GROWING), st.integers(0, 2**32))
def test_the_order_in_which_attempts_are_given_changes_nothing(
    order: list[Tried], seed: int
) -> None:
    rng = random.Random(seed)
    noise = {each.key: math.exp(rng.gauss(0.1, 0.1)) for each in GROWING}

    def noisy(policies: Sequence[Tried]) -> list[Tried]:
        return [
            replace(each, scores={k: v * noise[each.key] for k, v in each.scores.items()})
            for each in policies
        ]

    assert record_of(noisy(order), FAMILIES, None) == record_of(noisy(GROWING), FAMILIES, None)


@settings(max_examples=5)
@given(st.integers(0, 2**32))
def test_an_effect_that_is_not_there_is_told_no_more_often_than_the_level_allows(seed: int) -> None:
    """Of 200 changes without an effect 10 are expected; 22 are as rare as one in 3 000 runs."""
    rng = random.Random(seed)
    policies: list[Tried] = []
    for change in range(200):
        first = len(policies)
        policies.append(tried(first, f"X{change} = 0\n", None, 1.0))
        for _ in range(rng.choice((6, 8, 12, 20))):
            score = math.exp(rng.gauss(0.0, 0.2))
            source = f"X{change} = {rng.choice((-1, 1))}\n"
            policies.append(tried(len(policies), source, first, score))

    told = record_of(policies, FAMILIES, None).lessons

    assert len(told) < 22


TEXTS = st.text(min_size=1, max_size=80)


@settings(max_examples=at_night(30))
@given(TEXTS, TEXTS, TEXTS)
def test_no_name_that_a_policy_chose_leaves_its_place_in_a_line(
    key: str, entry: str, name: str
) -> None:
    sources = [
        f"def a{n}(s):\n    s.x = sorted(s, key=lambda y: y[{key!r}])\n    W = {{{entry!r}: {n}}}\n"
        + (f"{name} = {n}\n" if name.isidentifier() else "")
        + ("z.y\n" * (n % 2))
        for n in range(9)
    ]

    for line in lines(chain(sources, [1.1**n for n in range(9)])):
        assert line.isprintable() or " " not in line
        assert "\n" not in line and line.count("`") % 2 == 0 and "```" not in line
        outside = line.split("`")[::2]
        assert all(len(inside) < NAME_CHARS + 60 for inside in line.split("`")[1::2])
        assert not any(word in "".join(outside) for word in ("#", "<", ">"))


def test_sources_that_cannot_be_read_or_are_too_large_have_no_traits() -> None:
    for source in ("x = " + "(" * 3000, "x = 1\0", "x = 1\n" * 20_000, "x = " + "-" * 5000 + "1"):
        assert traits_of(source).numbers == {}


def test_no_more_lines_are_told_than_a_prompt_has_room_for() -> None:
    policies: list[Tried] = []
    for change in range(30):
        for n in range(8):
            at = len(policies)
            policies.append(tried(at, f"X{change} = {n}\n", at - 1 if n else None, 1.1**n))

    assert len(lines(policies)) == MOST_LINES


def test_the_level_is_that_of_students_t() -> None:
    """Student's t at 97.5 % with 5 and 29 degrees of freedom is 2.571 and 2.045."""
    for count, t in ((6, 2.571), (30, 2.045)):
        expected = math.erf(t * math.sqrt(count / (count - 1)) / math.sqrt(2))
        assert wider(0.95, count) == pytest.approx(expected, abs=2e-4)


SECTION = """\
# What the record shows

How a change moved a policy's score against its parent's: the mean and its 95 % interval.

- larger `GB`: +10 % (10 to 10), 7 pairs; 1 more failed

# Your turn
"""


def past() -> tuple[SeenAttempt, ...]:
    good = [
        attempt(
            n,
            source=f"GB = {n}\n",
            score=1.1**n,
            parents=(f"{n - 1:064d}",),
            evaluations=(evaluation("wide-1", weighted_latency_seconds=800 / 1.1**n),),
        )
        for n in range(1, 9)
    ]
    broken = failure("wide-1", good[0].evaluations[0].outcome, "no")
    failed = attempt(
        9, source="GB = 10\n", parents=(f"{8:064d}",), outcome="policy_error", evaluations=(broken,)
    )
    return (baseline(), *good, failed)


def told_in(prompt: str) -> str:
    return prompt[prompt.index("# What the record shows") :]


def test_the_section_of_a_prompt_is_as_written_here() -> None:
    config = SearchConfig.model_validate({"feedback": {"lessons": True}})

    prompt = render_prompt(config=config, scenarios=(WIDE,), attempts=past())

    assert told_in(prompt.user).startswith(SECTION)


@pytest.mark.parametrize("feedback", [{"lessons": False}, {"lessons": True, "show": "diagnoses"}])
def test_the_section_is_shown_only_where_it_is_asked_for_with_the_history(
    feedback: dict[str, Any],
) -> None:
    config = SearchConfig.model_validate({"feedback": feedback})

    prompt = render_prompt(config=config, scenarios=(WIDE,), attempts=past())

    assert "# What the record shows" not in prompt.user


def test_a_barred_attempt_teaches_nothing() -> None:
    barred = [replace(each, standing="barred") for each in past()]

    assert seen(barred, find_domain("pipelines").spec.objective()) == []
