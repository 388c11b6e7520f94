"""Every attack in a real cell: its outcome, with nothing forged, left or passed on.

Each is made in an embedded cell. Those that a container or its users stop in their own way are made
in a container too. By day attacks that reach no limit of time share cells, with a worker for each,
and an honest policy comes after them there. At night each has a cell to itself, in every set-up.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from sandbox.outcome import Evaluation, Outcome
from sandbox.trial import Sandbox
from simulator.cell.frames import TIME_LIMITS
from tests.attacks.attack import Attack, behind_honest_by_name
from tests.attacks.confusing import CONFUSING
from tests.attacks.escaping import ESCAPING
from tests.attacks.exhausting import EXHAUSTING
from tests.attacks.forging import FORGING
from tests.attacks.peeking import PEEKING
from tests.sandbox.callers import ATTACKED, Caller, cells_of
from tests.support.cells import HONEST, TIGHT, small_scenario

ATTACKS = (*FORGING, *PEEKING, *EXHAUSTING, *ESCAPING, *CONFUSING)
ON_THE_MACHINE = [
    attack
    for attack in EXHAUSTING
    if attack.honest or attack.outcomes == frozenset({Outcome.MEMORY_LIMIT})
]
"""Attacks on memory, processes and files; the others use time, which a container does not limit."""
ON_THE_CONTAINER = (*PEEKING, *ESCAPING, *ON_THE_MACHINE)
SHARING = [each for each in ATTACKS if each.body and each.outcomes.isdisjoint(TIME_LIMITS)]
"""After one that reaches a limit of time a cell tries nothing more."""
TOGETHER = 12
BATCH = 24
SMALL = small_scenario()
NINE_SECONDS, EVERY_TICK = "duration'] == 9", "policy_calls'] == 'every_tick'"
"""What a policy knows the odd one of three scenarios by."""
QUICK = TIGHT.model_copy(
    update={
        "call_cpu_seconds": 0.25,
        "policy_cpu_seconds": 0.75,
        "blocked_seconds": 1.0,
        "wall_seconds": 180.0,
    }
)

SETUPS: dict[str, dict[str, Any]] = {
    "docker-full": {"cell": "docker"},
    "docker-one-uid": {"cell": "docker", "isolation": "one-uid"},
    "process": {"cell": "process"},
}
"""The embedded cell is attacked behind all walls that this machine grants, never behind fewer."""


def is_by_day(setup: str, attack: Attack) -> bool:
    """Return whether an attack is always made in this set-up."""
    return setup == "process" or (setup == "docker-full" and attack in ON_THE_CONTAINER)


def sharing(setup: str) -> list[Attack]:
    """Return the attacks that are made several to a cell in this set-up."""
    return [attack for attack in SHARING if is_by_day(setup, attack)]


def marks(setup: str, by_day: bool) -> list[pytest.MarkDecorator]:
    """Return what a test of this set-up needs; without ``by_day`` it is one for the night."""
    needs = pytest.mark.slow if setup == "process" else pytest.mark.docker
    return [needs] if by_day else [needs, pytest.mark.nightly]


in_every_setup = pytest.mark.parametrize(
    "setup", [pytest.param(name, marks=marks(name, name == "process")) for name in SETUPS]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """The one sandbox of a set-up in which all attacks are made, and what an honest policy gets."""

    sandbox: Sandbox
    honest: Evaluation
    attempts: list[str] = field(default_factory=list)
    """Names of the attacks made so far, to look at the honest policy after each batch."""


@pytest.fixture(scope="module")
def stands() -> Iterator[Callable[[str], Stand]]:
    """Return what gives each set-up its stand; all are taken down after the last test."""
    with ExitStack() as opened:

        @cache
        def stand(setup: str) -> Stand:
            sandbox = opened.enter_context(Sandbox(QUICK, **SETUPS[setup]))
            (honest,) = sandbox.try_policy(HONEST, [SMALL]).evaluations
            assert honest.outcome is Outcome.OK, honest
            return Stand(sandbox=sandbox, honest=honest)

        yield stand


@pytest.fixture
def stand(stands: Callable[[str], Stand], setup: str) -> Stand:
    # A parametrised fixture of the module would be made anew for every attack.
    return stands(setup)


@pytest.mark.parametrize(
    ("setup", "attack"),
    [
        pytest.param(
            setup,
            attack,
            marks=marks(setup, is_by_day(setup, attack) and attack not in SHARING),
            id=f"{setup}-{attack.name}",
        )
        for setup in SETUPS
        for attack in ATTACKS
    ],
)
def test_attack_is_contained(stand: Stand, attack: Attack) -> None:
    trial = stand.sandbox.try_unscreened(attack.source, [SMALL])

    (ended,) = trial.evaluations
    assert_contained(attack, ended, stand.honest)
    stand.attempts.append(attack.name)
    if len(stand.attempts) % BATCH == 0:
        again = stand.sandbox.try_policy(HONEST, [SMALL]).evaluations[0]
        assert_same_figures(again, stand.honest)


@pytest.fixture(scope="module")
def shared(stands: Callable[[str], Stand]) -> Callable[[str, int], Sequence[Evaluation]]:
    """Return what makes a batch of attacks in one cell, each in a scenario, and then none."""

    @cache
    def tried(setup: str, batch: int) -> Sequence[Evaluation]:
        attacks = sharing(setup)[batch * TOGETHER :][:TOGETHER]
        scenarios = [small_scenario(each.name, ids=f"{each.name} p") for each in attacks]
        with Sandbox(QUICK, ready=False, **SETUPS[setup]) as own:
            *ended, honest = own.try_unscreened(
                behind_honest_by_name(attacks), [*scenarios, SMALL]
            ).evaluations
        assert_same_figures(honest, stands(setup).honest)
        return ended

    return tried


@pytest.mark.parametrize(
    ("setup", "attack"),
    [
        pytest.param(setup, attack, marks=marks(setup, True), id=f"{setup}-{attack.name}")
        for setup in SETUPS
        for attack in sharing(setup)
    ],
)
def test_attack_beside_others_is_contained(
    stand: Stand,
    shared: Callable[[str, int], Sequence[Evaluation]],
    setup: str,
    attack: Attack,
) -> None:
    batch, place = divmod(sharing(setup).index(attack), TOGETHER)

    ended = shared(setup, batch)[place]

    assert ended.scenario == attack.name
    assert_contained(attack, ended, stand.honest)


@in_every_setup
def test_after_all_attacks_an_honest_policy_scores_what_it_scores_alone(stand: Stand) -> None:
    (again,) = stand.sandbox.try_policy(HONEST, [SMALL]).evaluations

    assert_same_figures(again, stand.honest)


@in_every_setup
def test_a_scenario_finds_nothing_of_the_one_before(setup: str) -> None:
    (attack,) = [one for one in PEEKING if one.name == "find-what-an-earlier-scenario-left"]
    scenarios = [small_scenario("first"), small_scenario("second"), small_scenario("third")]

    with Sandbox(QUICK, ready=False, **SETUPS[setup]) as own:
        ended = own.try_unscreened(attack.source, scenarios).evaluations

    assert [one.prints.strip() for one in ended] == ["left None"] * 3


@in_every_setup
@pytest.mark.parametrize(
    ("trigger", "change", "outcome"),
    [
        (NINE_SECONDS, "enum.sys.modules['os']._exit(0)", Outcome.WORKER_DIED),
        (EVERY_TICK, "enum.sys.modules['os'].write(3, b'x' * 40)", Outcome.PROTOCOL_ERROR),
        (NINE_SECONDS, "while True: pass", Outcome.CALL_TIMEOUT),
        (EVERY_TICK, "return [], [1]", Outcome.INVALID_DECISION),
    ],
)
def test_a_failure_in_one_scenario_changes_no_other_result(
    stand: Stand, trigger: str, change: str, outcome: Outcome
) -> None:
    turn = f"    if s.params['{trigger}:\n        {change}\n    pool, assignments"
    source = "import enum\n" + HONEST.replace("    pool, assignments", turn)
    odd = small_scenario("odd", duration=9, policy_calls="every_tick")

    trial = stand.sandbox.try_unscreened(source, [SMALL, odd, SMALL])
    first, second, third = trial.evaluations

    assert (second.outcome, second.metrics) == (outcome, None)
    assert_same_figures(first, stand.honest)
    if outcome is Outcome.CALL_TIMEOUT:  # what reaches a limit of time is tried no further
        assert (third.outcome, third.metrics) == (Outcome.NOT_TRIED, None)
    else:
        assert_same_figures(third, stand.honest)


@pytest.mark.docker
def test_no_container_is_left() -> None:
    with Caller(ATTACKED) as caller:  # a process of its own, whose cells are known by its number
        caller.wait_until_ready()
        started = cells_of(caller.pid)

        caller.go_on()

    assert started
    assert cells_of(caller.pid) == set()


def test_there_are_many_attacks_and_their_names_are_unique() -> None:
    names = [attack.name for attack in ATTACKS]

    assert len(names) == len(set(names))
    assert len(names) >= 180


def assert_contained(attack: Attack, ended: Evaluation, honest: Evaluation) -> None:
    assert ended.outcome in attack.outcomes, ended
    assert_told(attack, ended)
    assert_bounded(ended)
    if ended.outcome is not Outcome.OK:
        assert (ended.stats, ended.metrics, ended.decision_sha256) == (None, None, None)
    elif attack.honest:
        assert_same_figures(ended, honest)


def assert_told(attack: Attack, ended: Evaluation) -> None:
    message = ended.problem.message if ended.problem else ""
    told = f"{message}\n{ended.prints}"
    assert attack.says in told, told[:500]
    assert not attack.never_says or attack.never_says not in told


def assert_bounded(ended: Evaluation) -> None:
    assert len(ended.prints) <= QUICK.print_bytes + 200
    assert ended.problem is None or len(ended.problem.message) <= QUICK.failure_text_chars + 100
    assert ended.policy_cpu_seconds <= QUICK.policy_cpu_seconds + 1.0


def assert_same_figures(ended: Evaluation, honest: Evaluation) -> None:
    assert ended.metrics == honest.metrics
    assert ended.stats == honest.stats
    assert ended.decision_sha256 == honest.decision_sha256
