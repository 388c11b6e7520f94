"""A search with a model, killed again and again: no recorded reply is ever paid for twice."""

import hashlib
import itertools
import json
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.history.store import query
from simulator.domains.pipelines.library import policy_source
from tests.support.killing import Search
from tests.support.model_server import ModelServer, Received, Sent, policy, prose
from tests.support.same_history import assert_same_history
from tests.support.small_suite import write_suite
from tests.support.warm import MODULES
from tests.support.zygote import Zygote

SEED, CANDIDATES, SLOTS = 20260301, 3, 2
IDEAS = ("shortest-first", "priority", "fifo-one", "right-size", "backfill", "overbook")
SETTINGS = """
suite = "{suite}"
cell = "process"
baselines = ["naive"]
budget.candidates = 3
guards.resamples = 1000
guards.test = false
[proposer]
kind = "openai"
model = "any"
base_url = "{url}"
"""


def answer(received: Received) -> Sent:
    """Answer the same to the same request, whenever and how often it comes."""
    digest = hashlib.sha256(json.dumps(received.body, sort_keys=True).encode()).digest()
    chosen = digest[0] % (len(IDEAS) + 1)
    behaviour = policy(policy_source(IDEAS[chosen])) if chosen < len(IDEAS) else prose()
    return behaviour(received)


@pytest.fixture
def zygote() -> Iterator[Zygote]:
    with Zygote(*MODULES) as started:
        yield started


@pytest.mark.nightly
@pytest.mark.parametrize("enough", [1, 5])
def test_a_reply_that_was_recorded_is_never_asked_for_again(
    zygote: Zygote, tmp_path: Path, enough: int
) -> None:
    suite = write_suite(tmp_path, {"train": [1], "validation": [3]})
    moments, kills, settings = random.Random(SEED), 0, tmp_path / "search.toml"
    arguments = ("--config", settings, "--slots", SLOTS)
    with ModelServer(answer) as server:
        settings.write_text(SETTINGS.format(suite=suite, url=server.url), encoding="utf-8")
        calm = Search(zygote, tmp_path / "calm", *arguments)
        calm.finish()
        assert len(server.requests) == CANDIDATES

        for number in itertools.count():
            server.requests.clear()
            search = Search(zygote, tmp_path / str(number), *arguments)
            more, lost = kill_again_and_again(search, server, moments, enough - kills)
            search.finish()
            kills += more

            assert recorded(search.home) == CANDIDATES
            assert len(server.requests) == CANDIDATES + lost
            assert_same_history(search.home, calm.home)
            if kills >= enough:
                break


def kill_again_and_again(
    search: Search, server: ModelServer, moments: random.Random, most: int
) -> tuple[int, int]:
    """Return how often a search was killed before it ended, and how many replies that lost."""
    kills = lost = 0
    while kills < most:
        search.start()
        ended = search.ends_within(moments.choice([1, 1, 2, 4]), moments.uniform(0, 0.2))
        search.zygote.kill()
        code = search.zygote.wait()
        server.settle()
        open_ones = len(server.requests) - recorded(search.home) - lost
        assert 0 <= open_ones <= (0 if ended else SLOTS)
        lost += open_ones
        if ended:
            assert code == 0
            break
        kills += code == -signal.SIGKILL
    return kills, lost


def recorded(home: Path) -> int:
    """How many replies the journals hold, each request once."""
    found = query(home, "SELECT count(*), count(DISTINCT (iteration, slot)) FROM llm_calls").rows
    assert found[0][0] == found[0][1]
    return int(found[0][0])
