"""Names of candidates, and the sentence that says how each differs from its parent."""

from dataclasses import replace
from hashlib import sha256
from itertools import count

from flows.history.records import CandidateRow
from flows.names import ADJECTIVES, ANIMALS, NAMELESS, name_of, spoken
from flows.prompting.differences import difference, differences
from flows.prompting.templates import render_text
from flows.search.ledger import Ledger
from simulator.domain import find_domain
from tests.support.history_rows import candidate

SPACE = find_domain("pipelines").hosted("space")


def offline(number: int, parents: tuple[CandidateRow, ...] = (), **genes: object) -> CandidateRow:
    """An attempt of the offline proposer: its first starting point, with other genes."""
    source = SPACE.emit(replace(SPACE.seed_genome(0), **genes), render_text)
    return candidate(
        iteration=number,
        slot=0,
        candidate=sha256(source.encode()).hexdigest(),
        source=source,
        origin="offline",
        operator="mutate" if parents else "seed",
        parents=[each.candidate or "" for each in parents],
    )


def test_a_name_follows_from_the_source_alone_and_hardly_any_two_are_equal() -> None:
    names = [spoken(sha256(str(number).encode()).hexdigest()) for number in range(200)]

    assert spoken("a" * 64) == "strong-pigeon", "names that people noted stay what they are"
    assert len(set(names)) >= 199
    assert max(map(len, names)) <= 17 and all(len(each.split("-")) == 2 for each in names)
    assert len(set(ADJECTIVES)) == len(ADJECTIVES) and len(set(ANIMALS)) == len(ANIMALS)


def test_a_third_word_comes_only_before_a_name_that_another_candidate_of_the_search_has() -> None:
    first, second = (
        "a" * 64,
        next(each for each in map(str, count()) if spoken(each) == spoken("a" * 64)),
    )
    ledger = Ledger()
    named = []
    for number, key in enumerate((first, second, first, second)):
        row = ledger.named(candidate(iteration=number + 1, candidate=key))
        ledger.absorb(row)
        named.append(name_of(row))

    assert named[0] == named[2] == "strong-pigeon"
    assert named[1] == named[3] and named[1].endswith("-strong-pigeon")
    assert Ledger(ledger.candidates.values()).named(candidate(candidate=second)).name == named[1]


def test_what_has_a_name_of_its_own_keeps_it() -> None:
    assert name_of(candidate(origin="baseline", title="naive")) == "naive"
    assert name_of(candidate(origin="folder", title="mine.py")) == "mine.py"
    assert name_of(candidate(origin="model", candidate="1" * 64)) == spoken("1" * 64)
    assert name_of(candidate(origin="model", candidate=None)) == NAMELESS


def test_genes_that_changed_are_named_with_both_values() -> None:
    first = offline(1)
    child = offline(2, (first,), cpus=3, least_cpus=3, watch=False, probe_gb=2)

    said = differences([first, child], SPACE)

    assert said[1, 0] == f"A starting point of the offline proposer: {first.title}."
    assert said[2, 0] == (
        f"As {name_of(first)} (1/0), but CPUs 3 instead of 4, least CPUs 3 instead of 4 "
        "and probe GB 2 instead of 0."
    )


def test_a_cross_names_both_parents_and_counts_what_does_not_fit() -> None:
    first, second = offline(1), offline(2, cpus=6)
    child = offline(
        3, (first, second), cpus=6, growth=3.0, quick_growth=3.0, start_gb=8, look_ahead=64
    )

    said = difference(child, [first, second], SPACE)

    assert said.startswith(
        f"A cross of {name_of(first)} (1/0) and {name_of(second)} (2/0); against "
    )
    assert said.endswith(" instead of 32 and 2 more changes.")


def test_what_a_model_wrote_is_compared_by_its_syntax_tree() -> None:
    first = candidate(source="def step(s):\n    limit = 3\n", origin="model")
    other = "def step(s):\n    limit = 5\n    return sorted(s.waiting, key=lambda j: j.size)\n"
    child = candidate(
        iteration=2, candidate="2" * 64, source=other, origin="model", parents=[first.candidate]
    )

    said = difference(child, [first], None)

    assert said.startswith(f"As {name_of(first)} (1/0), but ")
    assert "larger limit" in said and "sorts by _.size" in said


def test_repeats_and_replies_without_a_policy_say_what_they_are() -> None:
    repeat = candidate(duplicate_of="1/0")
    nothing = candidate(candidate=None, source=None, origin="model")

    assert difference(repeat, [], SPACE) == "The same policy as 1/0."
    assert difference(nothing, [], SPACE) == "The reply held no policy."
