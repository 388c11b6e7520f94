"""Every attack on the broker in a real cell: who is charged for it, and that it tells nothing.

By day attacks that reach no limit of time share cells, two sealed workers for each of them; at
night each has a cell to itself.
"""

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sandbox.image import image_tag
from sandbox.image_build import build_image
from sandbox.outcome import Evaluation, Outcome
from sandbox.trial import Sandbox
from simulator.cell.frames import TIME_LIMITS
from simulator.domain import Domain, open_domain
from simulator.sealed.scenarios import Scenario, make_scenario
from simulator.sealed.shapes import MOST_ACCEPTED, SealedSpec
from tests.attacks.test_attacks import QUICK
from tests.sealed.attacks import ATTACKS, FIFO, GOOD, STALLING, Attack, bad_simulator, one_of
from tests.support.cells import ROOT
from tests.support.sealed import accepted, payload, queue_spec

pytestmark = pytest.mark.slow

OUTSIDE = [attack for attack in ATTACKS if attack.outside]
FINDER = bad_simulator("what-it-was-given", "in_memory(int('7654' + '321'))")
EVERY = [GOOD, *(attack.simulator for attack in (*OUTSIDE, *ATTACKS, FINDER))]
SIMULATORS = list(dict.fromkeys(EVERY))
FOLDERS = [SIMULATORS[n : n + MOST_ACCEPTED] for n in range(0, len(SIMULATORS), MOST_ACCEPTED)]
"""The simulators, as many in a folder as can be accepted for one domain; those that a container
also stops are all in the first one, so that one image holds them."""


def attacked(spec: SealedSpec, simulator: int, estimate: int = 5) -> Scenario:
    """Return three jobs whose hidden times, later arrivals and seed are rare numbers."""
    jobs = [[0, 7_654_321, estimate], [1_000_000, 7_654_321, 5], [50_000_001, 7_654_321, 5]]
    values = {"horizon": 60_000_000, "servers": 1}
    name, seed = f"attacked-{simulator}-{estimate}", 987_654_321
    return make_scenario(
        spec, values, {"jobs": jobs}, where=name, name=name, seed=seed, simulator=simulator
    )


def place_of(simulator: str) -> tuple[int, int]:
    """Return the number of the folder with a simulator, and its place there."""
    return divmod(SIMULATORS.index(simulator), MOST_ACCEPTED)


def folder_of(attack: Attack) -> int:
    """Return the number of the folder with the simulator of an attack."""
    return place_of(attack.simulator)[0]


BY_FOLDER = sorted(ATTACKS, key=folder_of)
"""All attacks; those of one folder share a sandbox."""
SHARING = [
    attack
    for attack in BY_FOLDER
    if attack not in STALLING and attack.outcomes.isdisjoint(TIME_LIMITS)
]
"""Attacks that may be made in one cell; a trial has so much time to sleep in all its scenarios."""
TOGETHER = 16


class Cells:
    """Sandboxes on the folders of simulators, opened when they are needed, one at a time."""

    def __init__(self, home: Path, cell: str, sharing: Sequence[Attack] = SHARING) -> None:
        self.home = home
        self._cell = cell
        self._sharing = sharing
        self._spec = queue_spec()
        self._opened: tuple[int, Sandbox] | None = None
        self._shared: dict[str, Evaluation] = {}

    def try_attack(self, simulator: str, policy: str) -> Evaluation:
        """Return how the two do in a cell that is theirs alone."""
        folder, place = place_of(simulator)
        box = self._box(folder)
        scenario = payload(box.domain, attacked(self._spec, place))
        (ended,) = box.try_unscreened(policy, [scenario]).evaluations
        return ended

    def beside_others(self, attack: Attack) -> Evaluation:
        """Return how an attack ends in a cell with others of its folder."""
        if attack.name not in self._shared:
            folder = folder_of(attack)
            others = [each for each in self._sharing if folder_of(each) == folder]
            first = others.index(attack) // TOGETHER * TOGETHER
            self._try_together(folder, others[first : first + TOGETHER])
        return self._shared[attack.name]

    def _try_together(self, folder: int, attacks: Sequence[Attack]) -> None:
        policy = one_of([each.body for each in attacks])
        with Sandbox(QUICK, ready=False, cell=self._cell, domain=self._domain(folder)) as box:
            scenarios = [
                payload(box.domain, attacked(self._spec, place_of(each.simulator)[1], number))
                for number, each in enumerate(attacks, start=1)
            ]
            ended = box.try_unscreened(policy, scenarios).evaluations
        self._shared |= zip([each.name for each in attacks], ended, strict=True)

    def _box(self, folder: int) -> Sandbox:
        if self._opened is None or self._opened[0] != folder:
            self.close()
            box = Sandbox(QUICK, cell=self._cell, domain=self._domain(folder))
            self._opened = (folder, box.__enter__())
        return self._opened[1]

    def _domain(self, folder: int) -> Domain:
        where = self.home / str(folder)
        return open_domain(where) if where.exists() else accepted(where, *FOLDERS[folder])

    def close(self) -> None:
        if self._opened is not None:
            self._opened[1].close()
        self._opened = None


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cells]:
    found = Cells(tmp_path_factory.mktemp("attacked"), "process")
    yield found
    found.close()


@pytest.fixture(scope="module")
def honest(cells: Cells) -> Evaluation:
    ended = cells.try_attack(GOOD, FIFO)
    assert ended.outcome is Outcome.OK, ended
    assert ended.metrics is not None
    assert ended.metrics["finished"] == 3
    return ended


@pytest.mark.parametrize(
    "attack",
    [
        pytest.param(each, marks=pytest.mark.nightly if each in SHARING else ())
        for each in BY_FOLDER
    ],
    ids=lambda attack: attack.name,
)
def test_an_attack_is_contained_and_charged_to_whom_it_is_due(
    cells: Cells, honest: Evaluation, attack: Attack
) -> None:
    assert_contained(attack, cells.try_attack(attack.simulator, attack.policy), honest)


@pytest.mark.parametrize("attack", SHARING, ids=lambda attack: attack.name)
def test_an_attack_in_a_cell_with_others_is_contained(
    cells: Cells, honest: Evaluation, attack: Attack
) -> None:
    assert_contained(attack, cells.beside_others(attack), honest)


@pytest.fixture(scope="module")
def contained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cells]:
    """Cells in containers, of an image that is removed after the tests."""
    sharing = [attack for attack in OUTSIDE if attack in SHARING]
    found = Cells(tmp_path_factory.mktemp("contained"), "docker", sharing)
    domain = accepted(found.home / "0", *FOLDERS[0])
    base = subprocess.run(
        [ROOT / "scripts/base-image.sh", "--name"], capture_output=True, text=True
    )
    work = ROOT / ".assay-setup" / "image"
    build_image(base.stdout.strip(), work, domain=domain, latest=False)
    yield found
    found.close()
    subprocess.run(["docker", "image", "rm", image_tag(domain=domain)], capture_output=True)


@pytest.mark.docker
@pytest.mark.parametrize("attack", OUTSIDE, ids=lambda attack: attack.name)
def test_a_container_stops_in_its_own_way_what_it_can(
    contained: Cells, honest: Evaluation, attack: Attack
) -> None:
    if attack in SHARING:
        ended = contained.beside_others(attack)
    else:
        ended = contained.try_attack(attack.simulator, attack.policy)

    assert_contained(attack, ended, honest)


def test_what_an_attack_looks_for_can_be_found_where_it_is(cells: Cells) -> None:
    ended = cells.try_attack(FINDER.simulator, FIFO)

    assert ended.problem is not None
    assert "found 7654321" in ended.problem.message


def test_after_all_attacks_an_honest_pair_has_the_figures_that_it_has_alone(
    cells: Cells, honest: Evaluation
) -> None:
    again = cells.try_attack(GOOD, FIFO)

    assert (again.metrics, again.stats) == (honest.metrics, honest.stats)


def test_there_are_many_attacks_and_their_names_are_unique() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 80


def assert_contained(attack: Attack, ended: Evaluation, honest: Evaluation) -> None:
    message = ended.problem.message if ended.problem else ""
    assert ended.outcome in attack.outcomes, ended
    assert attack.says in message, message
    assert len(message) <= QUICK.failure_text_chars + 100
    if ended.outcome is not Outcome.OK:
        assert (ended.stats, ended.metrics, ended.decision_sha256) == (None, None, None)
    elif attack.honest:
        assert (ended.metrics, ended.stats) == (honest.metrics, honest.stats)
        assert ended.decision_sha256 == honest.decision_sha256
        assert ended.policy_calls == honest.policy_calls
        assert "told" not in ended.prints
