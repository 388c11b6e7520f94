"""What checks are made of: theory, rankings, relations between runs, mutants, calibration."""

import ast
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from simulator.bootstrap.calibration import error_with_interval, fit, halves, wasserstein
from simulator.bootstrap.mutants import mutants_of
from simulator.bootstrap.ranking import kendall_tau, tau_with_interval
from simulator.bootstrap.relations import (
    disguised,
    duplicated,
    first_difference,
    relabelled,
    scaled,
    shifted,
)
from simulator.bootstrap.shrink import shrink, without_rows
from simulator.bootstrap.theory import (
    md1_wait,
    mg1_wait,
    mm1_wait,
    mmc_wait,
    mmcc_loss,
    student_t,
    tolerance,
    ttl_cold,
)
from simulator.errors import InputError


def column(high: int = 1000, unit: str = "", refers: str | None = None, **more: Any) -> Any:
    return SimpleNamespace(
        **({"low": 0, "high": high, "unit": unit, "refers": refers, "hidden": False} | more)
    )


SPEC: Any = SimpleNamespace(
    values={"horizon": column(unit="us"), "servers": column(8)},
    parameters={"overhead": column(unit="us")},
    tables={
        "tenants": SimpleNamespace(columns={"weight": column()}, sorted_by=None, revealed_by=None),
        "jobs": SimpleNamespace(
            columns={
                "arrival": column(unit="us"),
                "service": column(unit="us", hidden=True),
                "tenant": column(refers="tenants"),
            },
            sorted_by="arrival",
            revealed_by="arrived",
        ),
    },
    events={
        "arrived": SimpleNamespace(fields={"job": "jobs"}, times=[]),
        "finished": SimpleNamespace(fields={"job": "jobs", "left": "int"}, times=["left"]),
    },
    decisions={},
    gauges={},
    lifecycles={},
)


@dataclass(frozen=True)
class Scenario:
    values: dict[str, int] = field(default_factory=lambda: {"horizon": 100, "servers": 2})
    parameters: dict[str, int] = field(default_factory=lambda: {"overhead": 1})
    tables: dict[str, list[list[int]]] = field(
        default_factory=lambda: {
            "tenants": [[5], [7]],
            "jobs": [[0, 10, 1], [0, 20, 0], [30, 5, 1]],
        }
    )


LOG = [("arrived", 0, (0,)), ("arrived", 0, (1,)), ("finished", 10, (0, 3)), ("arrived", 30, (2,))]


def test_theory_agrees_with_the_special_cases_that_everybody_knows() -> None:
    assert mm1_wait(2.0, 1.0) == pytest.approx(1.0)
    assert mg1_wait(2.0, 1.0, 1.0) == pytest.approx(mm1_wait(2.0, 1.0))
    assert md1_wait(2.0, 1.0) == pytest.approx(mm1_wait(2.0, 1.0) / 2.0)
    assert mmc_wait(1.0, 1.5, 2) == pytest.approx(27 / 14)
    assert mmcc_loss(1.0, 2.0, 3) == pytest.approx(4 / 19)
    assert ttl_cold(1.0, 0.0) == 1.0
    with pytest.raises(InputError, match="queues only grow"):
        mm1_wait(1.0, 1.0)


def test_the_tolerance_is_that_of_student() -> None:
    known = {(0.975, 1): 12.7062, (0.975, 2): 4.3027, (0.975, 10): 2.2281, (0.9995, 4): 8.6103}
    for (share, freedom), value in known.items():
        assert student_t(share, freedom) == pytest.approx(value, abs=1e-4)

    assert tolerance([1.0, 2.0, 3.0]) == pytest.approx(student_t(0.9995, 2) / 3**0.5)


def test_a_ranking_is_compared_in_pairs_and_its_interval_tells_luck() -> None:
    assert kendall_tau([1, 2, 3], [10, 20, 30]) == 1.0
    assert kendall_tau([1, 2, 3], [3, 2, 1]) == -1.0
    assert kendall_tau([1, 1], [2, 2]) == 1.0

    sure = tau_with_interval([[1, 1, 1], [2, 2, 2]], [[5, 5, 5], [6, 6, 6]], seed=1)
    lucky = tau_with_interval([[1, 9, 1], [2, 2, 2]], [[5, 5, 5], [6, 6, 6]], seed=1)
    assert sure == (1.0, 1.0, 1.0)
    assert lucky.low == -1.0


def test_relations_change_scenario_and_log_alike() -> None:
    longer, later = scaled(SPEC, Scenario(), 3)
    assert longer.tables["jobs"][2] == [90, 15, 1] and longer.values["servers"] == 2
    assert longer.parameters["overhead"] == 3 and later(LOG)[2] == ("finished", 30, (0, 9))

    begun, after = shifted(SPEC, Scenario(), 7, [])
    assert begun.tables["jobs"][0] == [7, 10, 1] and begun.values["horizon"] == 107
    assert after(LOG)[0] == ("arrived", 7, (0,))

    other, renumber = relabelled(SPEC, Scenario(), "tenants", 1)
    assert sorted(other.tables["tenants"]) == [[5], [7]] and renumber(LOG) == LOG
    owners = [other.tables["tenants"][row[2]] for row in other.tables["jobs"]]
    assert owners == [[7], [5], [7]]

    twice, halves_of = duplicated(SPEC, Scenario(), ["tenants", "jobs"], ["servers"])
    assert [row[0] for row in twice.tables["jobs"]] == [0, 0, 0, 0, 30, 30]
    assert twice.values["servers"] == 4
    logs = [change(LOG) for change, _ in halves_of]
    assert all(
        is_own(event) for (_, is_own), log in zip(halves_of, logs, strict=True) for event in log
    )
    assert {event[2][0] for log in logs for event in log} == set(range(6))
    with pytest.raises(InputError, match="name both"):
        duplicated(SPEC, Scenario(), ["tenants"], [])


def test_a_disguise_changes_nothing_that_can_have_shown() -> None:
    found = disguised(SPEC, Scenario(), LOG, 5, [], seed=3)
    first, second, third = found.tables["jobs"]

    assert first[0] == 0 and first[1] > 10  # still running at 5, so it may take longer
    assert second[0] == 0 and second[1] > 20  # nothing but its arrival is known
    assert third[0] == 30 and third[1] != 5  # nobody knows of it yet
    assert first_difference(LOG, LOG[:3]) == (LOG[3], None)


def test_a_disguise_changes_hidden_numbers_that_nothing_has_read() -> None:
    cycle = SimpleNamespace(
        begin="coming",
        moves={"arrived": ["coming", "waiting"], "finished": ["waiting", "done"]},
    )
    jobs = SimpleNamespace(
        columns={
            "arrival": column(unit="us"),
            "service": column(unit="us", hidden=True),
            "kind": column(hidden=True),
        },
        sorted_by="arrival",
        revealed_by="arrived",
    )
    spec = SimpleNamespace(**vars(SPEC) | {"tables": {"jobs": jobs}, "lifecycles": {"jobs": cycle}})
    scenario = Scenario(tables={"jobs": [[0, 10, 400], [0, 90, 400]]})
    law = SimpleNamespace(event="arrived", time="job.arrival", where="job.kind > 3")

    ((_, ended, kind), (_, waits, other)) = disguised(
        spec, scenario, LOG[:3], 20, [], seed=3
    ).tables["jobs"]
    assert (ended, kind) == (10, 400)  # it has finished
    assert waits > 90 and other != 400  # it waits to the end, and nothing has read of it
    found = disguised(spec, scenario, LOG[:3], 20, [], seed=3, laws=[law]).tables["jobs"][1]
    assert found[1] > 90 and found[2] == 400  # a law has read its kind


def test_a_scenario_becomes_small_and_still_goes_wrong() -> None:
    many = Scenario(
        tables={
            "tenants": [[0] for _ in range(8)],
            "jobs": [[at, 40 + at, at % 8] for at in range(60)],
        }
    )
    tries = []

    def fails(scenario: Any) -> bool:
        tries.append(scenario)
        return any(row[1] >= 70 for row in scenario.tables["jobs"])

    small = shrink(SPEC, many, fails, 200)

    assert len(tries) <= 200
    assert [len(rows) for rows in small.tables.values()] == [1, 1]
    assert 70 <= small.tables["jobs"][0][1] < 100 and small.values["horizon"] < 10


def test_rows_that_refer_to_what_goes_go_too() -> None:
    less = without_rows(SPEC, Scenario(), "tenants", [0])

    assert less.tables == {"tenants": [[7]], "jobs": [[0, 10, 0], [30, 5, 0]]}


def test_mutants_differ_by_one_mistake_and_are_drawn_alike() -> None:
    source = '"""Words."""\nASSUMPTIONS = [1]\n\ndef f(a, b):\n    if a < b and g(a, b):\n'
    source += "        return a + 1\n    return 0\n"
    made = mutants_of(source, 50, seed=1)

    assert made == mutants_of(source, 50, seed=1)
    assert len({each.source for each in made}) == len(made) >= 10
    assert {"Lt is LtE", "Add is Sub", "the condition is turned"} <= {each.change for each in made}
    for each in made:
        ast.parse(each.source)
        assert each.line >= 4  # neither the docstring nor what was assumed


def test_calibration_finds_parameters_and_tells_its_error() -> None:
    declared: Any = {"a": column(1_000_000), "b": column(100)}

    def loss(children: Any) -> list[float]:
        return [abs(c["a"] - 123_456) / 1e6 + abs(c["b"] - 77) / 100 for c in children]

    best, distance = fit(declared, {"a": 0, "b": 0}, loss, seed=3)
    assert distance < 0.1 and fit(declared, {"a": 0, "b": 0}, loss, seed=3) == (best, distance)
    assert wasserstein([1, 2, 3], [2, 3, 4]) == pytest.approx(1.0)
    one, other = halves(5, seed=1)
    assert sorted(one + other) == [0, 1, 2, 3, 4]
    low, middle, high = error_with_interval({"x": [(1.0, 1.1), (2.0, 2.2), (3.0, 2.9)]}, seed=1)
    assert 0.0 < low <= middle <= high


def test_a_source_as_deep_as_a_cell_loads_has_mutants() -> None:
    branches = "".join(f"    elif x == {n}:\n        y = {n}\n" for n in range(1, 300))
    source = f"def f(x):\n    if x == 0:\n        y = 0\n{branches}    return y\n"

    assert len(mutants_of(source, 5, 0)) == 5


def test_a_source_that_cannot_be_written_anew_is_refused_in_words() -> None:
    with pytest.raises(InputError, match="it cannot be written anew: Exceeds the limit"):
        mutants_of(f"x = 0x{'f' * 5000}\nif x > 3:\n    x = 1\n", 5, 0)
