"""How good the library's policies are: ``python -m benchmarks.bench_policies [SUITE ...]``.

Prints one table per suite; ``--write`` puts the tables into docs/policies.md instead.
"""

import argparse
import math
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import LEAST, sized
from simulator.domains.pipelines.contract import local_policy
from simulator.domains.pipelines.engine import simulate
from simulator.domains.pipelines.library import load_suite, policy_names, policy_source
from simulator.domains.pipelines.scenario import Scenario
from simulator.errors import InputError, PolicyFailure
from simulator.suites import SPLITS
from simulator.whole_files import write_text

SUITES = sized(("smoke", "mixed"), ("smoke",))
REFERENCE = "naive"
PAGE = Path(__file__).resolve().parent.parent / "docs" / "policies.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a policy did in a scenario; a failure is charged the scenario's whole duration."""

    scenario: Scenario
    weighted_latency_seconds: float
    finished: int = 0
    arrived: int = 0
    kills: int = 0
    failed: bool = False


Table = dict[str, list[Result]]


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables of the suites, or write them into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", default=SUITES)
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.name}")
    options = parser.parse_args(arguments)
    if options.write and LEAST:
        parser.error("figures of the least size are not for the page; unset BENCH_LEAST")
    for suite in options.suites:
        text = "\n".join(suite_lines(suite))
        if options.write:
            page = with_table(PAGE.read_text(encoding="utf-8"), suite, text)
            write_text(PAGE, page, InputError)
        else:
            print(f"{suite}\n\n{text}\n", flush=True)


def suite_lines(suite: str) -> list[str]:
    """Run every policy on a suite and return its tables as lines of Markdown."""
    scenarios = load_suite(suite).scenarios
    table = {name: [run(name, scenario) for scenario in scenarios] for name in _policies()}
    ranked = sorted(table, key=lambda name: -score(table, name))
    return [*split_lines(table, ranked), "", *family_lines(table, ranked)]


def _policies() -> list[str]:
    return sized(policy_names(), [REFERENCE, "fifo-one"])


def with_table(page: str, suite: str, text: str) -> str:
    """Return the page with what stands between the marks of a suite replaced."""
    first, last = f"<!-- figures: {suite} -->", f"<!-- end of figures: {suite} -->"
    if first not in page or last not in page:
        raise ValueError(f"{PAGE.name} has no marks {first} and {last} to write between")
    between = re.compile(re.escape(first) + ".*" + re.escape(last), re.DOTALL)
    return between.sub(lambda _: f"{first}\n\n{text}\n\n{last}", page)


def run(name: str, scenario: Scenario) -> Result:
    """Return what a policy did in a scenario."""
    try:
        done = simulate(scenario.workload, scenario.params, local_policy(policy_source(name)))
    except PolicyFailure:
        charge = float(scenario.params.duration)
        return Result(scenario=scenario, weighted_latency_seconds=charge, failed=True)
    return Result(
        scenario=scenario,
        weighted_latency_seconds=done.metrics["weighted_latency_seconds"],
        finished=done.metrics["pipelines_completed"],
        arrived=done.metrics["pipelines_arrived"],
        kills=done.metrics["oom_kills"],
    )


def split_lines(table: Table, ranked: Iterable[str]) -> list[str]:
    """Return the score in every split and how much was finished, killed and failed."""
    lines = [
        f"| policy | {' | '.join(SPLITS)} | finished | OOM kills | failed scenarios |",
        f"|---|{'---:|' * (len(SPLITS) + 3)}",
    ]
    for name in ranked:
        scores = [f"{score(table, name, split=split):.2f}" for split in SPLITS]
        arrived = sum(len(result.scenario.workload.pipelines) for result in table[name])
        finished = sum(result.finished for result in table[name]) / arrived
        kills = sum(result.kills for result in table[name])
        failed = sum(result.failed for result in table[name])
        lines.append(f"| {name} | {' | '.join(scores)} | {finished:.0%} | {kills} | {failed} |")
    return lines


def family_lines(table: Table, ranked: Sequence[str]) -> list[str]:
    """Return the score of every policy in every family."""
    families = dict.fromkeys(result.scenario.family for result in table[REFERENCE])
    lines = [f"| family | {' | '.join(ranked)} |", f"|---|{'---:|' * len(ranked)}"]
    for family in families:
        scores = [f"{score(table, name, family=family):.2f}" for name in ranked]
        lines.append(f"| {family} | {' | '.join(scores)} |")
    return lines


def score(table: Table, name: str, *, split: str = "", family: str = "") -> float:
    """Return the geometric mean of naive's weighted latency over the policy's own."""
    logs = [
        math.log(naive.weighted_latency_seconds / own.weighted_latency_seconds)
        for naive, own in zip(table[REFERENCE], table[name], strict=True)
        if split in ("", own.scenario.split) and family in ("", own.scenario.family)
    ]
    return math.exp(sum(logs) / len(logs))


if __name__ == "__main__":
    main(sys.argv[1:])
