"""Runs the cases through other simulators and records what they found.

``python -m tests.domains.faas.differential.record`` writes ``tests/data/differential/*.json``.
Each simulator runs in the virtual environment that ``make simulators`` made for it.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.domains.faas.differential.cases import (
    CACHES,
    EXAMPLE_RUNS,
    EXAMPLE_SECONDS,
    INIT_US,
    KEEP_ALIVES,
    QUEUES,
    RATE,
    SAME_TRACE_KEEP_ALIVES,
    WARM_SECONDS,
    cached,
    digest,
    same_trace_requests,
)

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
ENVIRONMENTS = ROOT / ".assay-setup" / "simulators"
RECORDED = ROOT / "tests" / "data" / "differential"
OTHERS = ("ciw", "libcachesim", "simfaas")
SAME_TRACE = "same trace, by keep-alive in seconds"
EXAMPLE = f"example of {EXAMPLE_SECONDS} s, {EXAMPLE_RUNS} seeds, by keep-alive in seconds"


def main() -> None:
    """Run every other simulator and write what it found."""
    for other in OTHERS:
        path = RECORDED / f"{other}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(record(other), indent=1) + "\n", encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")


def record(other: str) -> dict[str, Any]:
    """Return what another simulator finds now: its version, the command, and figures by case."""
    figures: dict[str, Any] = {
        "ciw": _ciw,
        "libcachesim": _libcachesim,
        "simfaas": _simfaas,
    }[other]()
    return {
        "package": f"{other} {version(other)}",
        "command": "python -m tests.domains.faas.differential.record",
        **figures,
    }


def recorded(other: str) -> dict[str, Any]:
    """Return what was recorded of one."""
    found: dict[str, Any] = json.loads((RECORDED / f"{other}.json").read_text(encoding="utf-8"))
    return found


def python_of(other: str) -> Path:
    """Return another simulator's Python; raise FileNotFoundError before ``make simulators``."""
    python = ENVIRONMENTS / other / "bin" / "python"
    if not python.exists():
        raise FileNotFoundError(
            f"{python} is not there, expected {other} in it; run: make simulators"
        )
    return python


def ask(other: str, *arguments: str, given: Any = None) -> Any:
    """Run the side of another simulator in its environment and return the JSON that it prints."""
    done = subprocess.run(
        [python_of(other), "-m", f"{other}_side", *arguments],
        input=json.dumps(given),
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{other} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def version(other: str) -> str:
    """Return which version of one is in its environment."""
    program = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
    done = subprocess.run(
        [python_of(other), "-c", program, other], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _ciw() -> dict[str, Any]:
    given = {}
    for name, queue in QUEUES.items():
        requests = queue.requests()
        given[name] = {
            "servers": queue.servers,
            "loses": queue.loses,
            "patience_seconds": queue.patience_seconds,
            "gaps_us": requests.gaps,
            "services_us": requests.services,
        }
    return {"queues": {name: summary(waits) for name, waits in ask("ciw", given=given).items()}}


def summary(waits: list[int | None]) -> dict[str, Any]:
    """Return how many waited, left and for how long in all, and the digest of all waits."""
    served = [each for each in waits if each is not None]
    return {
        "requests": len(waits),
        "left": len(waits) - len(served),
        "waited": sum(each > 0 for each in served),
        "wait_us": sum(served),
        "waits_sha256": digest(waits),
    }


def _libcachesim() -> dict[str, Any]:
    given = {name: vars(cached(name)) | {"algorithms": CACHES[name]} for name in CACHES}
    found = ask("libcachesim", given=given)
    return {
        "caches": {
            name: {
                algorithm: {"hits": hits.count("h"), "hits_sha256": digest(hits)}
                for algorithm, hits in algorithms.items()
            }
            for name, algorithms in found.items()
        }
    }


def _simfaas() -> dict[str, Any]:
    requests = same_trace_requests()
    common = {"gaps_us": requests.gaps, "services_us": requests.services, "init_us": INIT_US}
    example = {"seconds": EXAMPLE_SECONDS, "init_us": INIT_US, "rate": RATE,
               "warm_seconds": WARM_SECONDS, "seeds": EXAMPLE_RUNS}  # fmt: skip
    found = ask(
        "simfaas",
        given={
            "traces": {
                keep: {**common, "keep_alive_seconds": keep} for keep in SAME_TRACE_KEEP_ALIVES
            },
            "examples": {keep: {**example, "keep_alive_seconds": keep} for keep in KEEP_ALIVES},
        },
    )
    return {
        SAME_TRACE: {
            keep: {
                "cold": each["cold"],
                "instances": len(each["lives"]),
                "lives_sha256": digest(map(tuple, each["lives"])),
            }
            for keep, each in found["traces"].items()
        },
        EXAMPLE: {
            keep: {name: [run[name] for run in runs] for name in runs[0]}
            for keep, runs in found["examples"].items()
        },
    }


if __name__ == "__main__":
    main()
