"""A real Docker engine that is killed, stopped, emptied and filled up during trials."""

import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from sandbox.daemon import Daemon
from sandbox.errors import CellFailed, ImageMissing, SandboxError, SandboxUnavailable
from sandbox.image import image_tag
from sandbox.outcome import Outcome, Trial
from sandbox.reaper import reap
from sandbox.trial import Sandbox
from tests.sandbox.callers import until
from tests.sandbox.own_engine import OwnEngine
from tests.support.cells import HONEST, TIGHT, small_scenario

SMALL = small_scenario()
ENDLESS = {"call_cpu_seconds": 900.0, "policy_cpu_seconds": 900.0, "wall_seconds": 900.0}
LONG = TIGHT.model_copy(update=ENDLESS)
SPIN = "while True: pass\n"
DISK_MB = 400

pytestmark = [
    pytest.mark.docker,
    # The client library leaves a socket open for each connection that it cannot make.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnEngine]:
    with OwnEngine(tmp_path_factory.mktemp("engine"), DISK_MB) as own:
        own.load(image_tag())
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOCKER_HOST", own.address)
            yield own
            gc.collect()


@pytest.fixture
def box(engine: OwnEngine) -> Iterator[Sandbox]:
    with Sandbox(LONG) as opened:
        yield opened
    assert engine.containers() == []


class Background:
    """A trial in a thread of its own, and what came of it."""

    def __init__(self, box: Sandbox, source: str) -> None:
        self.trial: Trial | None = None
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._try, args=(box, source))
        self._thread.start()

    def wait(self) -> None:
        self._thread.join()

    def _try(self, box: Sandbox, source: str) -> None:
        try:
            self.trial = box.try_unscreened(source, [SMALL])
        except SandboxError as error:
            self.error = error


@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.nightly)],
    ids=lambda number: number.name,
)
def test_an_engine_that_ends_in_the_middle_of_a_trial_is_our_error_and_the_next_trial_counts(
    engine: OwnEngine, box: Sandbox, number: signal.Signals
) -> None:
    before = box.try_policy(HONEST, [SMALL])
    box.settle()
    doomed = Background(box, SPIN)
    assert until(lambda: working_cells(engine) == 2)  # the one at work and the next, which is ready

    engine.stop(number)
    doomed.wait()
    engine.restart()
    again = box.try_policy(HONEST, [SMALL])

    assert doomed.trial is None
    assert isinstance(doomed.error, CellFailed | SandboxUnavailable)
    assert again.evaluations[0].metrics == before.evaluations[0].metrics
    assert again.evaluations[0].decision_sha256 == before.evaluations[0].decision_sha256


def test_a_restarted_engine_keeps_no_waiting_cell(engine: OwnEngine) -> None:
    with Sandbox(TIGHT, slots=2) as box:
        box.prepare(1)
        box.settle()
        assert working_cells(engine) == 2

        engine.stop(signal.SIGKILL)
        engine.restart()
        reap()

        assert until(lambda: engine.containers() == [])
        assert box.try_policy(HONEST, [SMALL]).outcome is Outcome.OK
    assert engine.containers() == []


def test_an_image_that_is_removed_is_missing_and_works_again_when_it_is_back(
    engine: OwnEngine,
) -> None:
    with Sandbox(TIGHT, ready=False) as box:
        assert box.try_policy(HONEST, [SMALL]).outcome is Outcome.OK
        box.settle()
        engine.docker("image", "rm", "--force", image_tag())

        with pytest.raises(ImageMissing, match="was removed: run `make image`"):
            box.try_policy(HONEST, [SMALL])

        engine.load(image_tag())
        assert box.try_policy(HONEST, [SMALL]).outcome is Outcome.OK


def test_a_full_disk_is_our_error_until_there_is_room(engine: OwnEngine) -> None:
    filler = "/var/lib/docker/filler"
    with Sandbox(TIGHT, ready=False) as box:
        engine.run("sh", "-c", f"cat /dev/zero >{filler} 2>/dev/null; true")

        with pytest.raises(CellFailed, match="no space left on device"):
            box.try_policy(HONEST, [SMALL])

        engine.run("rm", filler)
        assert box.try_policy(HONEST, [SMALL]).outcome is Outcome.OK
    assert engine.containers() == []


def test_an_engine_that_is_down_is_named_with_what_to_do(engine: OwnEngine) -> None:
    engine.stop(signal.SIGTERM)
    try:
        with pytest.raises(SandboxUnavailable, match="start the engine"), Sandbox(TIGHT):
            pass
    finally:
        engine.restart()


def working_cells(engine: OwnEngine) -> int:
    """Return how many containers run, as the engine sees it."""
    with closing(Daemon()) as daemon:
        return sum(one.running for one in daemon.containers_with("assay"))
