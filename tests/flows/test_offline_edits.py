"""Edits of a library's syntax trees: what the offline proposer searches without a space."""

import ast
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.attempt import ProposalRequest, ProposerRefused, SeenAttempt
from flows.history.records import LlmCallRow
from flows.judging.scoring import normalised_sha256
from flows.prompting.templates import render_text
from flows.proposers.offline.edits import EditSpace, crossed, edited, scaled
from flows.proposers.offline.proposer import OfflineProposer
from simulator.domain import find_domain
from simulator.domains.pipelines.contract import local_policy
from tests.support.attempts import attempt
from tests.support.examples import at_night

SPACE = EditSpace(find_domain("pipelines"))
POLICY = '''\
"""Takes turns: the oldest goes first.

More words about it.
"""

LIMIT = 4


@register_scheduler_init(key="turns")
def init(s):
    s.left = 10 if LIMIT > 3 else 2


@register_scheduler(key="turns")
def step(s, results, pipelines):
    if s.left >= 1 and not pipelines:
        s.left = min(s.left + 0.5, 8)
    return [], []
'''
seeds = st.integers(0, 2**32)
numbers = st.integers(0, len(SPACE.SEEDS) - 1)


def no_call(_: LlmCallRow) -> None:
    raise AssertionError("the offline proposer calls nobody")


def code(source: str) -> str:
    return normalised_sha256(source)


@settings(max_examples=at_night(30), deadline=None)
@given(seeds, numbers)
def test_whatever_is_made_of_the_library_parses_and_can_be_changed_again(
    seed: int, number: int
) -> None:
    rng = random.Random(seed)
    first, other = SPACE.seed_genome(number), SPACE.sample(rng)
    for made in (SPACE.mutate(rng, first), SPACE.crossover(rng, first, other), other):
        again = SPACE.mutate(rng, made)

        assert SPACE.from_source(again) == again
        assert ast.get_docstring(ast.parse(again))
        assert local_policy(again)  # both functions are registered still


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_equal_seeds_make_equal_policies(seed: int) -> None:
    made = [SPACE.crossover(r, SPACE.sample(r), SPACE.sample(r)) for r in _two(seed)]
    far = [SPACE.random_genome(r) for r in _two(seed)]

    assert made[0] == made[1]
    assert far[0] == far[1]


def test_every_kind_of_place_is_changed_sooner_or_later() -> None:
    made = " ".join(edited(random.Random(seed), POLICY, 1) for seed in range(300))

    for changed in (
        "LIMIT = 8", "LIMIT = 2", "LIMIT >= 3", "LIMIT < 3", "s.left > 1", "1 or not pipelines",
        "s.left - 0.5", "0.625", "max(s.left", "if not (s.left",
    ):  # fmt: skip
        assert changed in made


def test_the_title_names_the_policy_and_what_was_changed() -> None:
    made = edited(random.Random(2), POLICY, 1)
    again = edited(random.Random(3), made, 1)

    assert SPACE.title(POLICY) == "Takes turns: the oldest goes first"
    assert SPACE.title(made).startswith("Takes turns, ") and " becomes " in SPACE.title(made)
    assert SPACE.title(again).startswith("Takes turns, ") and SPACE.title(again).count(",") == 1


def test_a_child_has_a_statement_or_a_constant_of_its_father() -> None:
    father = POLICY.replace("LIMIT = 4", "LIMIT = 9").replace("return [], []", "s.done = True")
    children = {crossed(random.Random(seed), POLICY, father) for seed in range(40)}

    assert len({code(child) for child in children}) > 10
    assert any("s.done = True" in child for child in children)
    assert any("LIMIT = 9" in child for child in children)


def test_whole_numbers_stay_whole_and_every_number_changes() -> None:
    for number in (0, 1, 2, 3, 100, 0.0, 0.5, 1e300, 10**400):
        for factor in (0.5, 0.8, 1.25, 2.0):
            found = scaled(number, factor)

            assert found != number and type(found) is type(number)


def test_what_cannot_be_parsed_written_or_is_too_large_has_no_descendants() -> None:
    deep, large = "x = " + "-" * 5000 + "1", "x = 1\n" * 20_000

    assert [SPACE.from_source(source) for source in ("x = (", "\0", deep, large)] == [None] * 4


def proposals(count: int) -> list[SeenAttempt]:
    """Return the attempts of a search over edits; every policy works, later ones better."""
    proposer = OfflineProposer(SPACE, SPACE.domain.spec.objective())
    seen: list[SeenAttempt] = []
    for n in range(1, count + 1):
        request = ProposalRequest(
            experiment_id="e", seed=1, iteration=n, slot=0, prompt=None, attempts=tuple(seen),
            best=None, record_call=no_call,
        )  # fmt: skip
        made = proposer.propose(request)
        fields = {"origin": "offline", "operator": made.operator, "source": made.source}
        seen.append(attempt(n, parents=made.parents, title=made.title, **fields))
    return seen


def test_a_search_over_edits_repeats_itself_and_never_a_policy() -> None:
    seen = proposals(24)

    assert seen == proposals(24)
    assert len({code(each.source or "") for each in seen}) == 24
    begun = len(SPACE.SEEDS)
    assert {each.operator for each in seen[:begun]} == {"seed"}
    assert {each.operator for each in seen[begun:]} == {"mutate", "crossover"}


def test_a_space_with_nothing_new_ends_the_search_and_says_so() -> None:
    class Empty(EditSpace):
        """A space of one policy."""

        SEEDS = ("naive",)

        def mutate(self, rng: random.Random, genome: str) -> str:
            return genome

        def random_genome(self, rng: random.Random) -> str:
            return self.seed_genome(0)

    space = Empty(SPACE.domain)
    request = ProposalRequest(
        experiment_id="e", seed=1, iteration=1, slot=0, prompt=None, best=None,
        attempts=(attempt(source=space.emit(space.seed_genome(0), render_text)),),
        record_call=no_call,
    )  # fmt: skip

    with pytest.raises(ProposerRefused, match="exhausted"):
        OfflineProposer(space, SPACE.domain.spec.objective()).propose(request)


def _two(seed: int) -> tuple[random.Random, random.Random]:
    return random.Random(seed), random.Random(seed)
