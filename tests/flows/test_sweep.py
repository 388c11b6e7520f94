"""A sweep over four models of different quality and price, which a local server plays."""

import hashlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flows.experiment import run_experiment
from flows.search.progress import Watch, ignore
from flows.settings.sweep import Member, load_sweep
from flows.sweep import run_sweep
from simulator.domain import find_domain
from tests.support import model_server as behaves
from tests.support.cells_of_no_wall import tried_in_this_process
from tests.support.in_process import Done, command_at
from tests.support.model_server import Behaviour, ModelServer, Received, Sent
from tests.support.same_history import assert_same_history
from tests.support.small_suite import write_suite

ROOT = Path(__file__).resolve().parents[2]
SPLITS = {"train": (1,), "validation": (3,), "test": (5, 6)}
SWEEP = """
name = "four"
suite = "{suite}"
cell = "process"
baselines = ["naive"]
guards.resamples = 1000
feedback.prompt_tokens = 4000
budget.candidates = 2
[proposer]
base_url = "{url}"
max_output_tokens = 1000
tries = 1
[sweep]
offline = true
[sweep.budget]
{budget}
"""
MODEL = """
[[sweep.models]]
model = "{name}"
prices = {{ input_per_million = {price}, output_per_million = {price}0 }}
"""
PRICES = {"strong": 100, "good": 20, "weak": 5, "silent": 1}
"""A reply of 900 tokens in and 100 out costs 0.0019 of these; at most 0.0153 are reserved."""


def one_of(*names: str) -> Behaviour:
    """Answer with one of these policies; the same prompt has the same answer."""

    def answer(received: Received) -> Sent:
        digest = hashlib.sha256(json.dumps(received.body["messages"]).encode()).digest()
        source = find_domain().policy_source(names[digest[0] % len(names)])
        return behaves.policy(f"# {digest.hex()}\n{source}")(received)

    return answer


QUALITIES: dict[str, Behaviour] = {
    "strong": one_of("right-size", "shortest-first"),
    "good": one_of("priority"),
    "weak": one_of("naive"),
    "silent": behaves.prose(),
}


@dataclass
class Bench:
    """A file of a sweep, and what ``assay sweep`` does with it."""

    folder: Path
    suite: Path
    run: Callable[..., Done]
    home: Path
    asked: list[str] = field(default_factory=list)
    """The models, in the order in which they were asked."""

    def write(self, url: str, models: dict[str, int] | None = None, budget: str = "") -> Path:
        text = SWEEP.format(suite=self.suite, url=url, budget=budget)
        tables = [
            MODEL.format(name=n, price=p) for n, p in (PRICES if models is None else models).items()
        ]
        path = self.folder / "sweep.toml"
        path.write_text(text + "".join(tables), encoding="utf-8")
        return path

    def noted(self, models: dict[str, Behaviour]) -> Behaviour:
        answer = behaves.by_model(models)

        def note(received: Received) -> Sent:
            self.asked.append(received.body["model"])
            return answer(received)

        return note


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_suite(tmp_path_factory.mktemp("suite"), SPLITS)


@pytest.fixture
def bench(
    tmp_path: Path, suite: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Bench:
    home = tmp_path / "home"
    return Bench(tmp_path, suite, command_at(home, monkeypatch, capsys), home)


def swept(file: Path, home: Path, **flags: Any) -> list[str]:
    """Run the sweep in this process, without walls; return the models of what was begun."""
    begun: list[str] = []

    @contextmanager
    def watching(member: Member) -> Iterator[Watch]:
        begun.append(member.model)
        yield ignore

    run = partial(run_experiment, open_trials=tried_in_this_process)
    run_sweep(load_sweep(file, flags), home, run, watching)
    return begun


KILLED = """
import sys
from pathlib import Path
from tests.flows.test_sweep import swept
swept(*map(Path, sys.argv[1:]))
"""


def killed_while_asking(file: Path, home: Path, asked: threading.Event) -> None:
    """Run the sweep in a process of its own and kill it when the server says so."""
    process = subprocess.Popen([sys.executable, "-c", KILLED, file, home], cwd=ROOT)
    assert asked.wait(240), "the model was never asked"
    process.kill()
    process.wait()


def test_a_killed_sweep_goes_on_and_ranks_four_models_like_an_undisturbed_one(
    bench: Bench, tmp_path: Path
) -> None:
    asked, dead = threading.Event(), threading.Event()

    def at_last(received: Received) -> Sent:
        if dead.is_set():
            return QUALITIES["weak"](received)
        asked.set()
        dead.wait()
        return Sent(hangs=True)

    home, calm = tmp_path / "home", tmp_path / "calm"
    with ModelServer(bench.noted({**QUALITIES, "weak": at_last})) as server:
        file = bench.write(server.url)
        killed_while_asking(file, home, asked)
        dead.set()
        before = list(bench.asked)
        begun = swept(file, home), swept(file, home)
        resumed = list(bench.asked)
        swept(file, calm, **{"sweep.at_once": 3})
        told = json.loads(bench.run("sweep", file, "--report", "--json").out)

    assert before == ["strong", "strong", "good", "good", "weak"]
    assert begun == (["weak", "silent", "offline"], [])
    assert resumed[5:] == ["weak", "weak", "silent", "silent"]
    assert_same_history(home, calm)
    assert_ranked(told)
    assert told["rows"][-1]["failures"] == {"malformed": 2}
    assert Path(told["page"]).stat().st_size > 10_000


def assert_ranked(told: dict[str, Any]) -> None:
    """The four models stand in the order of their quality, each with what it cost."""
    rows = {row["model"]: row for row in told["rows"]}
    gains = {name: row["gains"]["weighted_latency"]["gain_percent"] for name, row in rows.items()}
    spends = {name: row["spend"] for name, row in rows.items()}
    assert {row["split"] for row in told["rows"]} == {"test"}
    assert gains["strong"] > gains["good"] > gains["weak"] == gains["silent"] == 0.0
    assert {name: round(each["dollars"], 4) for name, each in spends.items()} == {
        **{name: round(2 * 0.0019 * price, 4) for name, price in PRICES.items()},
        "offline": 0.0,
    }
    assert [(each["calls"], each["candidates"]) for each in spends.values()].count((2, 2)) == 4
    found = {(pair["row"], pair["against"]): pair for pair in told["pairs"]}
    [pair] = [pair for names, pair in found.items() if names == ("strong, refine", "weak, refine")]
    assert pair["gain_percent"] == pytest.approx(gains["strong"])
    assert len(found) == 5 * 4


def test_all_share_one_budget_and_what_it_has_no_room_for_is_not_begun(bench: Bench) -> None:
    """Three calls at 0.19 dollars leave 1.43 of 2, and 1.53 are reserved for one more."""
    prices = dict.fromkeys(PRICES, 100)
    with ModelServer(bench.noted(QUALITIES)) as server:
        file = bench.write(server.url, prices, "dollars = 2.0")
        plan = bench.run("sweep", file, "--dry-run")
        swept(file, bench.home)
        first, asked = bench.run("sweep", file, "--report"), list(bench.asked)
        begun = swept(file, bench.home, **{"sweep.budget.dollars": 2.2})

    assert plan.code == first.code == 0, plan.err
    assert "sweep four: 5 searches" in plan.out and "limits on all together: dollars 2" in plan.out
    assert "together about $2.00, at most $2.00" in plan.out  # and no more than the limit on all
    assert asked == ["strong", "strong", "good"]
    assert "weak, refine, seed 0: not begun: $0.0000 of $1.43 are used" in first.out
    assert begun == ["weak"] and bench.asked[3:] == ["weak"]  # what is new comes first


def test_a_model_that_is_refused_ends_as_such_and_the_others_go_on(bench: Bench) -> None:
    no_credit = behaves.fails(429, "You exceeded your quota", code="insufficient_quota")
    answers = {"strong": no_credit, "good": QUALITIES["good"]}
    with ModelServer(bench.noted(answers)) as server:
        file = bench.write(server.url, {name: PRICES[name] for name in answers})
        first = swept(file, bench.home)
        refused = bench.run("sweep", file, "--report")
        answers["strong"] = QUALITIES["strong"]
        again = swept(file, bench.home)
        ended = bench.run("sweep", file, "--report")

    assert (first, again) == (["strong", "good", "offline"], ["strong"])
    assert bench.asked == ["strong", "good", "good", "strong", "strong"]
    assert "strong, refine, seed 0: failed: ProposerRefused" in refused.out
    assert ", refine leads on test: against naive" in refused.out
    assert re.search(r"strong .* validation *\n", refused.out)
    assert (refused.code, ended.code) == (0, 0) and "failed" not in ended.out


def test_what_no_search_could_do_is_refused_before_any_begins(bench: Bench) -> None:
    file = bench.write("http://127.0.0.1:9/v1", {}, "dollars = 1")
    unpriced = bench.run("sweep", file, "--direct", "--model", "any")
    file.write_text('[sweep]\nmodels = ["gpt-5"]\n', encoding="utf-8")
    keyless = bench.run("sweep", file, "--direct")
    nothing = bench.run("sweep", file, "--report")

    assert (unpriced.code, keyless.code, nothing.code) == (2, 2, 2)
    assert f"{file}: sweep.budget.dollars is 1, but the price of model 'any' at" in unpriced.err
    assert f"{file}: gpt-5, refine: the environment variable OPENAI_API_KEY holds" in keyless.err
    assert "has begun: type the command without --report" in nothing.err
