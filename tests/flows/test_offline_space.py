"""The space of the offline proposer and the policies it emits."""

import ast
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.offline.emit import emit, title
from flows.offline.space import (
    CHOICES,
    NAMES,
    Genome,
    canonical,
    from_source,
    is_ladder,
    random_genome,
    step,
    with_values,
)
from flows.offline.vary import SEEDS, crossover, mutate, seed_genome
from flows.scoring import normalised_sha256

genomes = st.builds(lambda seed: random_genome(random.Random(seed)), st.integers(0, 2**32))


def test_every_default_is_one_of_the_choices() -> None:
    assert set(NAMES) == set(CHOICES)
    assert all(getattr(Genome(), name) in CHOICES[name] for name in NAMES)


def test_numbers_rise_along_their_ladders() -> None:
    for name in filter(is_ladder, NAMES):
        assert list(CHOICES[name]) == sorted(CHOICES[name], key=float)


@given(genomes)
def test_a_genome_is_read_back_from_the_policy_it_makes(genome: Genome) -> None:
    assert from_source(emit(genome)) == genome


@given(genomes)
def test_a_policy_is_ordinary_python_with_one_pair_of_registrations(genome: Genome) -> None:
    source = emit(genome)
    functions = [n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)]

    registered = [f.name for f in functions if f.decorator_list]
    assert registered == ["init", "step"]
    assert all(ast.get_docstring(function) for function in functions)
    assert max(map(len, source.splitlines())) <= 100


@given(genomes, st.sampled_from(NAMES), st.integers(-3, 3))
def test_a_change_of_a_gene_changes_the_policy_or_nothing(
    genome: Genome, name: str, rungs: int
) -> None:
    if is_ladder(name):
        changed = step(genome, name, rungs)
    else:
        choices = CHOICES[name]
        changed = with_values(genome, {name: choices[rungs % len(choices)]})

    same_source = normalised_sha256(emit(changed)) == normalised_sha256(emit(genome))
    assert same_source == (changed == genome)


def test_genes_without_effect_are_set_to_their_defaults() -> None:
    genome = canonical(Genome(order="weighted", begun_first=True, ageing_seconds=10.0, decay=0.9))

    assert genome == Genome(order="weighted")


@pytest.mark.parametrize(
    "source",
    ["", "x = 1", '"""genome: order=priority"""', "genome: order=rm -rf\n", "genome: a=b\n" * 3],
)
def test_a_source_without_a_whole_genome_has_none(source: str) -> None:
    assert from_source(source) is None


def test_a_genome_with_a_value_out_of_the_space_is_not_read() -> None:
    assert from_source(emit(Genome()).replace(" cpus=4", " cpus=5")) is None


@given(genomes, st.integers(0, 1000))
def test_a_mutant_differs(genome: Genome, seed: int) -> None:
    assert mutate(random.Random(seed), genome) != genome


@given(genomes, genomes, st.integers(0, 1000))
def test_a_child_has_no_gene_that_neither_parent_nor_the_canonical_form_has(
    mother: Genome, father: Genome, seed: int
) -> None:
    child = crossover(random.Random(seed), mother, father)

    for name in NAMES:
        known = {getattr(genome, name) for genome in (mother, father, Genome())}
        assert getattr(child, name) in known


def test_the_first_seeds_are_far_apart() -> None:
    seeds = [seed_genome(random.Random(0), number) for number in range(len(SEEDS))]

    for one in seeds:
        for other in seeds:
            differing = [n for n in NAMES if getattr(one, n) != getattr(other, n)]
            assert one is other or len(differing) >= 2


@settings(max_examples=5, deadline=None)
@given(st.lists(genomes, min_size=10, max_size=10))
def test_policies_are_formatted_and_linted_like_the_project(
    tmp_path_factory: pytest.TempPathFactory, many: list[Genome]
) -> None:
    folder: Path = tmp_path_factory.mktemp("policies")
    for number, genome in enumerate(many):
        (folder / f"p{number}.py").write_text(emit(genome), encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    quiet = ["--isolated", "--line-length=100", "--no-cache"]

    formatted = subprocess.run([*ruff, "format", "--check", *quiet, str(folder)])
    names = ["--select=E,F,W,I,B,C4,SIM,RET,UP", "--ignore=F821"]
    linted = subprocess.run([*ruff, "check", *names, *quiet, str(folder)])

    assert (formatted.returncode, linted.returncode) == (0, 0)


def test_a_title_says_what_the_policy_does() -> None:
    assert title(Genome()) == (
        "priority, single operators, 4 cpus, 32 GB x2 per operator, best fit"
    )
