"""The limits that all clients of a server have together hold over trials in parallel."""

import threading
from collections.abc import Callable
from itertools import count

import pytest

from flows.agents.limits import SessionLimits, UsedUp
from sandbox.errors import CellFailed, TrialStopped
from sandbox.trial import Stop


def in_threads(run: Callable[[], None], threads: int) -> list[BaseException]:
    """Run it in so many threads; return what was raised."""
    raised: list[BaseException] = []

    def kept() -> None:
        try:
            run()
        except BaseException as error:
            raised.append(error)

    started = [threading.Thread(target=kept) for _ in range(threads)]
    for each in started:
        each.start()
    for each in started:
        each.join()
    return raised


def test_trials_in_parallel_are_counted_one_by_one() -> None:
    limits, made, inside, most = SessionLimits(5, 3600, 2), count(), [0], [0]
    lock = threading.Lock()

    def one() -> None:
        with limits.trial(Stop()):
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            next(made)
            with lock:
                inside[0] -= 1

    refused = in_threads(one, 12)

    assert next(made) == 5
    assert most[0] <= 2
    assert [type(each) for each in refused] == [UsedUp] * 7
    assert "all 5 trials of this session are used" in str(refused[0])
    assert limits.used.words().startswith("5 of 5 trials and 0.0 of 3600 cell seconds")


def test_trials_side_by_side_have_their_shares_of_the_seconds() -> None:
    limits, first, second = SessionLimits(5, 0.2, 2), Stop(), Stop()

    with pytest.raises(UsedUp, match=r"ended after 0\.1 s"), limits.trial(first):
        with pytest.raises(UsedUp, match=r"ended after 0\.1 s"), limits.trial(second):
            wait_for(second)
        wait_for(first)

    used = r"the 0\.2 cell seconds of this session are used"
    with pytest.raises(UsedUp, match=used), limits.trial(Stop()):
        pass
    assert limits.used.trials == 2


def wait_for(stop: Stop) -> None:
    """Do what a trial does that never ends by itself."""
    while True:
        threading.Event().wait(0.01)
        stop.check()


def test_a_trial_that_takes_all_seconds_is_ended() -> None:
    limits, stop = SessionLimits(5, 0.05, 1), Stop()

    with pytest.raises(UsedUp, match=r"all .* is not recorded"), limits.trial(stop):
        wait_for(stop)

    assert limits.used.trials == 1
    assert limits.used.cell_seconds >= 0.05


def test_a_failure_that_is_not_the_policys_gives_the_trial_back() -> None:
    limits, stopped = SessionLimits(5, 100, 1), Stop()

    with pytest.raises(CellFailed), limits.trial(Stop()):
        raise CellFailed("the engine is away")
    assert limits.used.trials == 0

    with pytest.raises(TrialStopped), limits.trial(stopped):
        stopped.now()
        stopped.check()
    assert limits.used.trials == 1


def test_a_call_that_is_stopped_while_it_waits_has_used_nothing() -> None:
    limits, stop = SessionLimits(5, 100, 1), Stop()
    stop.now()

    with limits.trial(Stop()), pytest.raises(TrialStopped), limits.trial(stop):
        pass

    assert limits.used.trials == 1
