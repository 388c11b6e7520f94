"""The space that the offline proposer searches for functions as a service, and its policies."""

import ast
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.judging.scoring import normalised_sha256
from flows.prompting.templates import render_text
from sandbox.screen import screen
from simulator.domains.faas import offline
from simulator.domains.faas.contract import local_policy
from simulator.domains.faas.engine import Simulation
from simulator.domains.faas.messages import Image, Node, Package, Tenant
from simulator.domains.faas.offline.space import CHOICES, GENES, Genome
from simulator.domains.faas.offline.vary import NEAREST, advice
from tests.domains.faas.support import figures, function, world
from tests.support.examples import at_night

NAMES = GENES.names
canonical = GENES.canonical
is_ladder = GENES.is_ladder
step = GENES.step
with_values = GENES.with_values

genomes = st.builds(lambda seed: offline.random_genome(random.Random(seed)), st.integers(0, 2**32))
MOSTLY_IDLE = {"cost_seconds": 1.0, "memory_cost_seconds": 0.9, "cold_start_share": 0.01}
MOSTLY_COLD = {"cost_seconds": 1.0, "memory_cost_seconds": 0.1, "cold_start_share": 0.3}


def emit(genome: Genome) -> str:
    return offline.emit(genome, render_text)


def test_every_default_is_one_of_the_choices_and_numbers_rise() -> None:
    assert set(NAMES) == set(CHOICES)
    assert all(getattr(Genome(), name) in CHOICES[name] for name in NAMES)
    for name in filter(is_ladder, NAMES):
        assert list(CHOICES[name]) == sorted(CHOICES[name], key=float)


@given(genomes)
def test_a_genome_is_read_back_from_the_policy_it_makes(genome: Genome) -> None:
    assert offline.from_source(emit(genome)) == genome


@settings(max_examples=at_night(40))
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
    genome = canonical(
        Genome(keep="fixed", factor=2.0, least_share=0.5, ahead=True, worth="by_tenant")
    )

    assert genome == Genome(keep="fixed")


def test_a_source_without_a_whole_genome_has_none() -> None:
    sources = ["", "x = 1", '"""genome: keep=fixed"""', "genome: keep=rm -rf\n"]
    sources.append(emit(Genome()).replace(" factor=1.0", " factor=1.1"))

    assert not [source for source in sources if offline.from_source(source) is not None]


@given(genomes, genomes, st.integers(0, 1000))
def test_mutants_differ_and_children_have_the_genes_of_their_parents(
    mother: Genome, father: Genome, seed: int
) -> None:
    child = offline.crossover(random.Random(seed), mother, father)

    assert offline.mutate(random.Random(seed), mother) != mother
    for name in NAMES:
        assert getattr(child, name) in {getattr(each, name) for each in (mother, father, Genome())}


def test_seeds_and_likenesses_of_library_policies_differ_and_so_do_samples() -> None:
    seeds = {offline.seed_genome(number) for number in range(len(offline.SEEDS))}
    likenesses = {offline.nearest_genome(name) for name in NEAREST}
    samples = {offline.sample(random.Random(seed)) for seed in range(50)}

    assert (len(seeds), len(likenesses), len(samples)) == (len(offline.SEEDS), len(NEAREST), 50)
    assert offline.nearest_genome("always-warm") is None


SHORT_OF_MEMORY = world(
    [
        (50 * number + 7 * each, each, 1 + each)
        for number in range(8)
        for each in range(4)
        for _ in range(2)
    ],
    functions=[
        function("a", image=1, memory_mb=512),
        function("b", image=1, memory_mb=1024, concurrency=4),
        function("c", tenant=1, memory_mb=768, init_us=3_000_000),
        function("d", tenant=1, image=1, memory_mb=256),
    ],
    nodes=[Node("m", 1536, 400, 100), Node("n", 1024, 0, 50)],
    tenants=[Tenant("one", 1, 3, 2048), Tenant("two", 2, 0, 0)],
    packages=[Package("python", 200), Package("numpy", 100)],
    images=[Image("", ()), Image("py", (0, 1))],
    duration=500,
)
"""Two nodes that cannot hold one instance of each function, with quotas, images and a disk."""


def test_policies_pass_the_screen_and_serve_everything_where_memory_is_short() -> None:
    rng = random.Random(1)
    every_choice = [
        with_values(Genome(), {name: choice}) for name in NAMES for choice in CHOICES[name]
    ]
    for genome in {*every_choice, *(offline.random_genome(rng) for _ in range(40))}:
        source = emit(genome)
        simulation = Simulation(SHORT_OF_MEMORY, local_policy(source))
        simulation.run()
        stats, _ = figures(simulation)

        assert not screen(source, ["faas"]), offline.title(genome)
        assert stats["done"] >= 0.9 * stats["invocations"], offline.title(genome)


def test_policies_are_readable_python_with_one_pair_of_registrations() -> None:
    for seed in range(60):
        source = emit(offline.random_genome(random.Random(seed)))
        tree = ast.parse(source)
        functions = [each for each in tree.body if isinstance(each, ast.FunctionDef)]
        constants = {
            node.targets[0].id
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        loaded, kept, read = set[str](), set[str](), set[str]()
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                loaded.add(node.id)
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "p":
                (read if isinstance(node.ctx, ast.Load) else kept).add(node.attr)

        assert [each.name for each in functions if each.decorator_list] == ["init", "step"]
        assert all(ast.get_docstring(each) for each in functions)
        assert constants <= loaded
        assert kept <= read
        assert {each.name for each in functions} - {"init", "step"} <= loaded
        assert max(map(len, source.splitlines())) <= 100


def test_policies_are_formatted_and_linted_like_the_project(tmp_path: Path) -> None:
    for seed in range(60):
        source = emit(offline.random_genome(random.Random(seed)))
        (tmp_path / f"p{seed}.py").write_text(source, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    quiet = ["--isolated", "--line-length=100", "--no-cache"]

    formatted = subprocess.run([*ruff, "format", "--diff", *quiet, str(tmp_path)])
    names = ["--select=E,F,W,I,B,C4,SIM,RET,UP", "--ignore=F821"]
    linted = subprocess.run([*ruff, "check", *names, *quiet, str(tmp_path)])

    assert (formatted.returncode, linted.returncode) == (0, 0)


@settings(max_examples=at_night(30))
@given(genomes)
def test_advice_is_of_the_space_and_differs(genome: Genome) -> None:
    for measured in (MOSTLY_IDLE, MOSTLY_COLD):
        advised = advice(genome, [measured])

        assert genome not in advised
        assert all(canonical(each) == each for each in advised)


@pytest.mark.parametrize(
    ("measured", "gene", "better"),
    [
        (MOSTLY_IDLE, "factor", {0.75}),
        (MOSTLY_COLD, "factor", {1.5, 2.0}),
        (MOSTLY_COLD, "worth", {"by_tenant"}),
        ({"package_hit_share": 0.2}, "prefetch", {True}),
        ({"instances_unused_share": 0.5}, "wait_share", {0.1}),
        ({"not_served_share": 0.1}, "turn", {"worth", "light", "fair"}),
        (
            {"evictions": 9, "invocations": 10, "cold_start_share": 1.0},
            "evict",
            {"least_value", "tenant_share"},
        ),
    ],
)
def test_tuning_follows_from_the_measurements(
    measured: dict[str, float], gene: str, better: set[object]
) -> None:
    advised = {getattr(genome, gene) for genome in advice(Genome(), [measured])}

    assert advised - {getattr(Genome(), gene)} == better


def test_nothing_is_advised_to_a_policy_without_weaknesses() -> None:
    balanced = {"cost_seconds": 1.0, "memory_cost_seconds": 0.5, "package_hit_share": 1.0}

    assert advice(Genome(), [balanced]) == []


def test_a_title_says_what_the_policy_does() -> None:
    genome = with_values(Genome(), {"keep": "cheapest", "worth": "by_tenant", "wait_share": 0.5})

    assert offline.title(Genome()) == "break-even x1, spread, evicts by lru, turn by arrival"
    assert offline.title(genome) == (
        "cheapest, at most 1800 s, by tenant, waits x0.5, spread, evicts by lru, turn by arrival"
    )
