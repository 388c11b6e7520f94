"""Where the cost of an attempt arises, beside the best rival in a scenario."""

from typing import Any

from flows.attempt import SeenAttempt
from flows.history.records import EvaluationRow
from flows.prompting.excess import excess_lines, find_excess
from flows.search.ledger import without_drawings
from simulator.domain import find_domain
from simulator.domain_spec import figure
from simulator.domains.faas.contract import local_policy as faas_policy
from simulator.domains.pipelines.contract import local_policy as pipelines_policy
from simulator.suites import load_suite
from tests.support.attempts import attempt, evaluation
from tests.support.history_rows import evaluation as evaluation_row

SPEC = find_domain("pipelines").spec
SHIPPED = (
    ("pipelines", "smoke", "priority", pipelines_policy),
    ("faas", "faas-smoke", "no-keep-alive", faas_policy),
)


def figures(batch: list[float], late: float = 0.0, **curves: list[float]) -> dict[str, Any]:
    """Return metrics of which a batch of jobs makes the cost: one second for each in the system."""
    none = [0.0] * len(batch)
    parts = {"query": 0.0, "interactive": 0.0, "batch": sum(batch), "unfinished_batch": late}
    curves = {"unfinished_query": none, "unfinished_interactive": none, **curves}
    return {
        "weighted_latency_seconds": sum(batch) + late,
        "charged_seconds": {**parts, "unfinished_query": 0.0, "unfinished_interactive": 0.0},
        "timeline": {"seconds_per_sample": 2.0, "unfinished_batch": batch, **curves},
    }


def tried(iteration: int, metrics: dict[str, Any]) -> SeenAttempt:
    return attempt(iteration, evaluations=(evaluation("one", **metrics),))


def test_a_line_says_when_what_and_beside_whom() -> None:
    quiet, busy = [1.0] * 20, [1.0] * 6 + [41.0] * 10 + [1.0] * 4
    memory = {"allocated_ram_gb": [100.0] * 6 + [600.0] * 10 + [100.0] * 4}
    own = tried(7, figures(busy, late=80.0, **memory))
    rival = tried(3, figures(quiet, allocated_ram_gb=[100.0] * 20))
    worse = tried(4, figures([99.0] * 20))

    assert excess_lines(own, [worse, rival, own], SPEC) == [
        "one (weighted latency 25.00 times that of the best rival, 3/0), 12 to 30 s: 41 batch "
        "pipelines in the system (rival 1); memory allocated 600 GB (rival 100 GB): 75 % of the "
        "excess",
        "one: batch pipelines that do not finish cost 80 s (rival 0 s): 17 % of the excess",
    ]


def test_nothing_is_said_of_the_best_or_without_curves() -> None:
    own, rival = tried(7, figures([1.0] * 20)), tried(3, figures([2.0] * 20))

    assert excess_lines(own, [rival, own], SPEC) == []
    assert excess_lines(rival, [own], SPEC, "goodput") == []
    assert excess_lines(attempt(1, evaluations=(evaluation(),)), [own], SPEC) == []


def test_what_a_search_remembers_says_the_same_as_the_whole_record() -> None:
    def seen(iteration: int, batch: list[float], thin: bool) -> SeenAttempt:
        row = evaluation_row(metrics=figures(batch, allocated_cpu=[float(n) for n in range(300)]))
        kept = without_drawings(row) if thin else row
        assert isinstance(kept, EvaluationRow) and kept.metrics is not None
        return attempt(iteration, evaluations=(evaluation("one", **kept.metrics),))

    busy = [float(n % 7) for n in range(250)] + [40.0] * 50
    lines = [
        excess_lines(seen(7, busy, thin), [seen(3, [1.0] * 300, thin)], SPEC)
        for thin in (False, True)
    ]

    assert lines[0] == lines[1] != []


def test_the_parts_of_each_shipped_objective_add_up_to_its_figure() -> None:
    for name, suite, policy, local in SHIPPED:
        domain = find_domain(name)
        scenario = load_suite(suite, domain).scenarios[0]
        metrics = domain.cell.simulate(scenario, local(domain.policy_source(policy))).metrics
        for objective in {each.objective for each in domain.spec.costs}:
            parts = [each for each in domain.spec.costs if each.objective == objective]
            whole = figure(domain.spec.objective(objective).figure, metrics)
            assert abs(sum(figure(each.figure, metrics) for each in parts) - whole) < 1e-9


def test_functions_as_a_service_have_their_costs_over_time() -> None:
    domain = find_domain("faas")
    scenario = load_suite("faas-smoke", domain).scenarios[0]
    own, rival = (
        domain.cell.simulate(scenario, faas_policy(domain.policy_source(name))).metrics
        for name in ("no-keep-alive", "keep-alive-10min")
    )
    by = domain.spec.objective()
    if own[by.figure] < rival[by.figure]:
        own, rival = rival, own

    found = find_excess(own, rival, domain.spec, by)

    assert found is not None
    assert abs(found.net - (own[by.figure] - rival[by.figure])) < 1e-9
    assert 0.3 < found.explained <= 1.0
