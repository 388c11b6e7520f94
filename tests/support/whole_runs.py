"""Whole runs in embedded cells, small enough to be repeated: three searches and a folder."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from flows.experiment import run_experiment
from flows.orchestration.folder import evaluate_folder
from flows.settings.search import load_config
from flows.settings.sections import FolderConfig
from simulator.domains.pipelines.library import policy_source
from tests.support import model_server as behaves
from tests.support.cells_of_no_wall import tried_in_this_process
from tests.support.command import assay
from tests.support.model_server import Behaviour, ModelServer, Received, Sent
from tests.support.small_suite import write_suite

Cell = str
"""docker, process, or this process itself, where nothing holds a policy back."""
DOCKER, PROCESS, HERE = "docker", "process", "here"
SPLITS = {"train": (1, 2, 3), "validation": (4, 5, 6), "test": (7, 8)}
FRAME = """
@register_scheduler_init(key="odd")
def init(s):
    s.calls = 0

@register_scheduler(key="odd")
def step(s, results, pipelines):
    s.calls += 1
    {}
    return [], []
"""
ODD = {
    "quiet": FRAME.format("pass"),
    "imports": "import os\n" + FRAME.format("pass"),
    "syntax": "def (:\n",
    "registers-nothing": "# soon\n",
    "fails-at-load": FRAME.format("pass") + "1 / 0\n",
    "fails-later": FRAME.format("s.calls == 3 and [][1]"),
    "nonsense": FRAME.format("return {'a': 1}"),
    "unknown-pool": FRAME.format(
        "return [], [Assignment(list(p.values)[:1], 1, 1, p.priority, 9, p.pipeline_id) "
        "for p in pipelines]"
    ),
    "endless": FRAME.format("while True: pass"),
    "hungry": FRAME.format("s.kept = bytearray(10**10)"),
    "prints": FRAME.format("print('x' * 300, s.calls)"),
    "recursive": FRAME.format("step(s, results, pipelines)"),
}
"""Policies that go wrong, each in its own way, or do next to nothing."""
CUT = policy_source("priority")[:600]
FENCE = "```"
REPLIES: tuple[Behaviour, ...] = (
    behaves.policy(policy_source("shortest-first")),
    behaves.prose(),
    behaves.rate_limited(retry_after=0),
    *(behaves.policy(source) for source in ODD.values()),
    behaves.server_error(),
    behaves.policy(policy_source("naive")),
    behaves.policy("# the same once more\n" + policy_source("shortest-first")),
    behaves.says(policy_source("backfill")),
    behaves.says(f"{FENCE}\n{policy_source('priority')}{FENCE}\n{FENCE}text\nthat is all\n{FENCE}"),
    behaves.says(""),
    behaves.says("```python\n```"),
    behaves.cut_off(f"```python\n{CUT}"),
    behaves.filtered(),
    behaves.refuses(),
    behaves.broken_json(),
    behaves.empty_choices(),
    behaves.raw(b"<html>Bad gateway</html>"),
    behaves.raw(b"<html>Bad gateway</html>", status=502),
    behaves.breaks(),
    behaves.breaks(unsent=9),
    behaves.fails(400, "the prompt is too strange"),
    behaves.hangs(),
    behaves.policy(policy_source("right-size")),
    behaves.policy(policy_source("right-size").replace("2.0", "1.5")),
)
"""Every kind of reply, good and bad; the last is given again and again."""
LIMITS = {"call_cpu_seconds": 0.5, "policy_cpu_seconds": 1.0, "memory_mb": 64}
MODEL = {
    "proposer.kind": "openai",
    "proposer.model": "any",
    "proposer.api": "chat",
    "proposer.timeout_seconds": 2,
    "proposer.tries": 2,
    "budget.candidates": 32,
    "baselines": ["naive", "priority"],
    **{f"limits.{name}": value for name, value in LIMITS.items()},
}


def smoke(folder: Path, home: Path, cell: Cell) -> None:
    """Search offline on the suite ``smoke``, 24 candidates, one after another."""
    _search(home, cell, {"suite": "smoke", "budget.candidates": 24})


def evolve(folder: Path, home: Path, cell: Cell) -> None:
    """Search offline with a population, three candidates side by side."""
    strategy = {"strategy": "evolve", "evolve.population": 4, "slots": 3, "seed": 5}
    _search(
        home, cell, {"suite": str(write_suite(folder, SPLITS)), "budget.candidates": 18, **strategy}
    )


def model(folder: Path, home: Path, cell: Cell) -> None:
    """Search with a model whose server gives every kind of reply."""
    suite = str(write_suite(folder, SPLITS))
    with ModelServer(*map(_counting, REPLIES)) as server:
        _search(home, cell, {"suite": suite, "proposer.base_url": server.url, **MODEL})


def policies(folder: Path, home: Path, cell: Cell) -> None:
    """Try a folder of policies, good and odd, and run it again when one more is there."""
    named = folder / "policies"
    named.mkdir()
    for name in ("priority", "backfill", "right-size"):
        (named / f"{name}.py").write_text(policy_source(name), encoding="utf-8")
    for name, source in ODD.items():
        (named / f"odd-{name}.py").write_text(source, encoding="utf-8")
    (named / "same.py").write_text(policy_source("backfill"), encoding="utf-8")
    (named / "empty.py").touch()
    (named / "latin.py").write_bytes("# Größe\n".encode("latin-1"))
    (named / "away.py").symlink_to(folder / "nothing")
    (named / "folder.py").mkdir()
    config = FolderConfig.model_validate(
        {
            "folder": named,
            "suite": str(write_suite(folder, SPLITS)),
            "cell": cell,
            "baselines": ("naive", "priority"),
            "limits": LIMITS,
        }
    )
    evaluate_folder(config, home)
    (named / "late.py").write_text(policy_source("overbook"), encoding="utf-8")
    evaluate_folder(config, home)


RUNS: Mapping[str, Callable[[Path, Path, Cell], None]] = {
    each.__name__: each for each in (smoke, evolve, model, policies)
}


def _counting(behaviour: Behaviour) -> Behaviour:
    """Return the behaviour with a count of the prompt's tokens that goes with its length."""

    def answer(received: Received) -> Sent:
        sent = behaviour(received)
        told = b'"prompt_tokens": %d' % (len(json.dumps(received.body["messages"])) // 4)
        return replace(sent, body=sent.body.replace(b'"prompt_tokens": 900', told))

    return answer


def _search(home: Path, cell: Cell, settings: Mapping[str, Any]) -> None:
    settings = {"name": "recorded", **settings}
    if cell == HERE:
        home.mkdir()
        run_experiment(
            load_config(None, settings), home, lambda _: None, open_trials=tried_in_this_process
        )
        return
    chosen = [f"--set={key}={_toml(value)}" for key, value in {**settings, "cell": cell}.items()]
    done = assay("run", "--direct", "--quiet", *chosen, home=home, OPENAI_API_KEY="key-of-none")
    assert done.returncode == 0, done.stderr


def _toml(value: Any) -> str:
    return json.dumps(value) if isinstance(value, list) else str(value)
