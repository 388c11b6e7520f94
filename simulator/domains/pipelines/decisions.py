"""Checks of a policy's decision against the engine's own state; nothing in it is taken on trust."""

from collections.abc import Sequence
from typing import Never

from simulator.domains.pipelines.containers import Pool
from simulator.domains.pipelines.jobs import Jobs
from simulator.domains.pipelines.messages import Decision, NewAssignment, Number
from simulator.domains.pipelines.states import FAILED, PENDING, STATE_NAMES
from simulator.errors import Failure, PolicyFailure

Suspension = tuple[str, int]
Placed = tuple[int, NewAssignment]
"""An assignment and its place in the decision."""

ASSIGNABLE = (PENDING, FAILED)

LEAST_CPUS = 0.01
"""The smallest container, in CPUs; in a pool that has less, all of it."""
MOST = 10**12
"""The largest container, in CPUs and in GB, and the most GB that a pool may have given away."""


def refuse(tick: int, message: str) -> Never:
    """End the simulation: what the policy decided at ``tick`` cannot be carried out."""
    raise PolicyFailure(Failure(kind="invalid_decision", message=message, step=tick))


def by_pool(decision: Decision, num_pools: int) -> dict[int, tuple[list[Suspension], list[Placed]]]:
    """Return suspensions and assignments by pool; refuse pools that do not exist."""
    grouped: dict[int, tuple[list[Suspension], list[Placed]]] = {}
    for suspension in decision.suspensions:
        pool = suspension[1]
        if not 0 <= pool < num_pools:
            _refuse_pool(decision.tick, "suspension", pool, num_pools)
        grouped.setdefault(pool, ([], []))[0].append(suspension)
    for placed in enumerate(decision.assignments):
        pool = placed[1].pool
        if not 0 <= pool < num_pools:
            _refuse_pool(decision.tick, "assignment", pool, num_pools)
        grouped.setdefault(pool, ([], []))[1].append(placed)
    return grouped


def take_operators(
    decision: Decision, jobs: Jobs, cpus_per_pool: Number, multi_operator_containers: bool
) -> None:
    """Check the assignments of a decision one by one and move their operators to ASSIGNED."""
    tick, least = decision.tick, min(LEAST_CPUS, cpus_per_pool)
    for assignment in decision.assignments:
        if not least <= assignment.cpu <= MOST:
            _refuse_size(tick, assignment, f"cpu={assignment.cpu!r}", f"from {least:g}")
        if not 0 < assignment.ram <= MOST:
            _refuse_size(tick, assignment, f"ram={assignment.ram!r}", "above 0")
        if len(assignment.operators) != 1:
            _check_count(tick, assignment, multi_operator_containers)
        if assignment.priority not in (1, 2, 3):
            refuse(tick, f"assignment has priority {assignment.priority!r}, expected 1, 2 or 3")
        for operator in assignment.operators:
            if not 0 <= operator < len(jobs.states) or jobs.states[operator] not in ASSIGNABLE:
                _refuse_operator(tick, operator, jobs)
            jobs.assign(operator)


def check_free(tick: int, pool: Pool, assignments: Sequence[Placed], overcommit: bool) -> None:
    """Refuse assignments to one pool that ask for more than is free in it."""
    cpu: Number = 0
    ram: Number = 0
    for _, assignment in assignments:
        cpu += assignment.cpu
        ram += assignment.ram
    if cpu > pool.free_cpu:
        refuse(
            tick,
            f"overallocated CPU: the assignments to pool {pool.index} ask for {cpu} cpus, "
            f"{pool.free_cpu} are free",
        )
    if ram > pool.free_ram and not overcommit:
        refuse(
            tick,
            f"overallocated RAM: the assignments to pool {pool.index} ask for {ram} GB, "
            f"{pool.free_ram} are free and memory must not be overcommitted",
        )
    if ram > MOST + pool.free_ram - pool.ram_gb:
        refuse(
            tick,
            f"overallocated RAM: the containers of pool {pool.index} would hold more than "
            f"{MOST:g} GB together, the most even where memory may be overcommitted",
        )


def _refuse_pool(tick: int, what: str, pool: int, num_pools: int) -> Never:
    refuse(tick, f"{what} names pool {pool!r}, expected 0 to {num_pools - 1}")


def _refuse_size(tick: int, assignment: NewAssignment, what: str, least: str) -> Never:
    told = f"assignment to pool {assignment.pool} has {what}, expected a number {least} to {MOST:g}"
    refuse(tick, told)


def _check_count(tick: int, assignment: NewAssignment, multi_operator_containers: bool) -> None:
    count = len(assignment.operators)
    if count == 0:
        refuse(tick, f"assignment to pool {assignment.pool} has no operators, needs at least 1")
    if count > 1 and not multi_operator_containers:
        refuse(
            tick,
            f"assignment to pool {assignment.pool} has {count} operators, must have exactly 1 "
            "as multi_operator_containers is false",
        )


def _refuse_operator(tick: int, operator: int, jobs: Jobs) -> Never:
    if not 0 <= operator < len(jobs.states):
        refuse(tick, f"assignment names operator number {operator}, which has not arrived")
    refuse(
        tick,
        f"cannot assign operator {jobs.name(operator)}: it is "
        f"{STATE_NAMES[jobs.states[operator]]}, expected pending or failed",
    )
