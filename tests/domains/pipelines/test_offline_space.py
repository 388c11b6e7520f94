"""The space of the offline proposer and the policies it emits."""

import ast
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.judging.scoring import normalised_sha256
from simulator.domains.pipelines.contract import local_policy
from simulator.domains.pipelines.engine import simulate
from simulator.domains.pipelines.offline.space import (
    CHOICES,
    GENES,
    Genome,
    tells_kills_apart,
    title,
)
from simulator.domains.pipelines.offline.vary import (
    NEAREST,
    SEEDS,
    Measured,
    measure,
    nearest_genome,
    remedies,
    sample,
    seed_genome,
)
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.workload import Workload
from simulator.genes import Value
from tests.support.attempts import metrics
from tests.support.engine_cases import pipeline, work
from tests.support.offline import emit

NAMES = GENES.names
canonical = GENES.canonical
from_source = GENES.from_source
is_ladder = GENES.is_ladder
random_genome = GENES.random_genome
step = GENES.step
with_values = GENES.with_values
crossover = GENES.crossover
mutate = GENES.mutate

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
    genome = canonical(
        Genome(
            order="weighted", ageing_seconds=10.0, quantile=0.9, preempt=True, least_cpus=12,
            use_estimate=False, estimate_margin=1.5, scan_cpus=4,
        )
    )  # fmt: skip

    assert genome == Genome(order="weighted", use_estimate=False)


def test_kills_are_told_apart_only_where_something_follows_from_it() -> None:
    telling: list[dict[str, Value]] = [{"quick_growth": 1.25}, {"probe_gb": 2}, {"scan_cpus": 1}]

    assert not tells_kills_apart(Genome())
    assert "s.grows" not in emit(Genome(kinds="all"))
    for genes in telling:
        genome = with_values(Genome(), genes)
        assert tells_kills_apart(genome)
        assert "s.grows" in emit(genome)


@pytest.mark.parametrize(
    "source",
    ["", "x = 1", '"""genome: order=priority"""', "genome: order=rm -rf\n", "genome: a=b\n" * 3],
)
def test_a_source_without_a_whole_genome_has_none(source: str) -> None:
    assert from_source(source) is None


def test_a_genome_with_a_value_out_of_the_space_is_not_read() -> None:
    assert from_source(emit(Genome()).replace(" cpus=4", " cpus=7")) is None


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
        capped = child.cpus if name == "least_cpus" else None
        assert getattr(child, name) in known | {capped}


def test_the_first_seeds_are_far_apart() -> None:
    seeds = [seed_genome(number) for number in range(len(SEEDS))]

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


def test_no_name_is_set_and_never_read() -> None:
    for seed in range(60):
        source = emit(random_genome(random.Random(seed)))
        constants = {
            node.targets[0].id
            for node in ast.parse(source).body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        loaded, kept, read = set[str](), set[str](), set[str]()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                loaded.add(node.id)
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "s":
                (read if isinstance(node.ctx, ast.Load) else kept).add(node.attr)
        defined = {n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)}

        assert constants <= loaded
        assert kept <= read
        assert defined - {"init", "step"} <= loaded


def test_every_way_to_order_and_place_is_found_in_the_source() -> None:
    for name in ("order", "placement", "kinds", "grouping"):
        sources = [emit(with_values(Genome(), {name: value})) for value in CHOICES[name]]

        assert len({normalised_sha256(source) for source in sources}) == len(CHOICES[name])


def test_who_watches_containers_asks_for_no_more_than_they_hold() -> None:
    jobs = [pipeline(f"p{n}", work(cpu=2.0, read=30.0), at=5 * n) for n in range(60)]
    params = Params.from_mapping({"duration": 60, "ticks_per_second": 10, "ram_gb_per_pool": 100})
    asked = {}
    for watch in (False, True):
        genes = {"kinds": "all", "watch": watch, "start_gb": 16, "quantile": 0.8}
        policy = local_policy(emit(with_values(Genome(), genes)))
        spans = simulate(Workload(pipelines=tuple(jobs)), params, policy).metrics["containers"]
        asked[watch] = spans["spans"][-1][4]

    assert asked[True] == 30 < asked[False]


def test_library_policies_that_have_a_likeness_are_told_apart() -> None:
    likenesses = {nearest_genome(name) for name in NEAREST}

    assert len(likenesses) == len(NEAREST)
    assert nearest_genome("naive") is None


def test_samples_differ_from_one_another() -> None:
    samples = {sample(random.Random(seed)) for seed in range(50)}

    assert len(samples) == 50


def test_a_title_says_what_the_policy_does() -> None:
    assert title(Genome()) == "priority, single operators, 4 cpus, 32 GB x2/2, best fit"
    assert title(with_values(Genome(), {"spread": 2, "probe_gb": 2, "kinds": "all"})) == (
        "priority, single operators, 4-8 cpus, probe 2 GB x2/2, learns by all, best fit"
    )


def measured(**changed: float) -> Measured:
    calm = {
        "kills_per_completed": 0.0, "kill_cost": 0.0, "cpu_allocated": 0.65, "waiting": 0.25,
        "memory_allocated": 0.5, "memory_used": 0.8, "query_wait": 0.2, "starved": 0.0,
    }  # fmt: skip
    return Measured(**{**calm, **changed})


@pytest.mark.parametrize(
    ("figure", "gene", "better"),
    [
        ({"kill_cost": 0.4}, "start_gb", {40, 64}),
        ({"kill_cost": 0.4}, "probe_gb", {2}),
        ({"kills_per_completed": 9.0}, "quick_growth", {1.5}),
        ({"memory_used": 0.3}, "start_gb", {28}),
        ({"memory_used": 0.3}, "kinds", {"all", "priority"}),
        ({"memory_used": 0.3}, "watch", {True}),
        ({"cpu_allocated": 0.95}, "cpus", {2, 3}),
        ({"cpu_allocated": 0.3}, "spread", {2}),
        ({"memory_allocated": 0.1}, "idle_share", {0.25}),
        ({"query_wait": 0.9}, "query_reserve", {0.05}),
        ({"starved": 0.3}, "order", {"shortest", "smallest", "weighted"}),
        ({"waiting": 0.7}, "look_ahead", {64}),
    ],
)
def test_tuning_follows_from_the_measurements(
    figure: dict[str, float], gene: str, better: set[object]
) -> None:
    calm = {getattr(genome, gene) for genome in remedies(Genome(), measured())}
    advised = {getattr(genome, gene) for genome in remedies(Genome(), measured(**figure))}

    assert advised - calm - {getattr(Genome(), gene)} == better


def test_nothing_is_advised_to_a_policy_without_weaknesses() -> None:
    assert remedies(with_values(Genome(), {"use_estimate": True}), measured()) == []


def test_the_cost_of_kills_is_measured_and_not_only_their_number() -> None:
    cheap = measure([metrics(oom_kills=90, oom_wasted_cpu_seconds=1.0)])
    dear = measure([metrics(oom_kills=90, oom_wasted_cpu_seconds=540.0)])

    assert cheap.kills_per_completed == dear.kills_per_completed == 5.0
    assert (round(cheap.kill_cost, 3), dear.kill_cost) == (0.009, 5.0)
