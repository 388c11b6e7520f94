"""How good the library of functions as a service is: ``python -m benchmarks faas-policies``.

Prints the tables of a suite; ``python -m benchmarks.bench_faas_policies --write`` puts them into
docs/faas-suites.md instead.
"""

import argparse
import math
import re
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import LEAST, sized
from simulator.domain import Scenario, find_domain
from simulator.domains.faas.contract import local_policy
from simulator.errors import InputError
from simulator.suites import SPLITS, load_suite
from simulator.whole_files import write_text

FAAS = find_domain("faas")
SUITE = sized("faas-mixed", "faas-smoke")
REFERENCE = "keep-alive-10min"
PAGE = Path(__file__).resolve().parent.parent / "docs" / "faas-suites.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a policy did in a scenario."""

    scenario: Scenario
    cost_seconds: float
    bound_seconds: float
    p99_delay_seconds: float
    cold: int
    begun: int
    not_served: int

    @property
    def arrived(self) -> int:
        return self.begun + self.not_served


Table = dict[str, list[Result]]


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables of the suite, or write them into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.name}")
    options = parser.parse_args(arguments)
    if options.write and LEAST:
        parser.error("figures of the least size are not for the page; unset BENCH_LEAST")
    scenarios = load_suite(SUITE, FAAS).scenarios
    text = "\n".join(suite_lines(scenarios[: sized(None, 1)]))
    if options.write:
        write_text(PAGE, with_tables(PAGE.read_text(encoding="utf-8"), text), InputError)
    else:
        print(f"{SUITE}\n\n{text}", flush=True)


def suite_lines(scenarios: Iterable[Scenario]) -> list[str]:
    """Run every policy on the scenarios and return its tables as lines of Markdown."""
    table = run_all(scenarios)
    ranked = sorted(table, key=lambda name: -score(table, name))
    return [*policy_lines(table, ranked), "", *family_lines(table, ranked), "", bound_line(table)]


def run_all(scenarios: Iterable[Scenario]) -> Table:
    """Run every policy of the library on the scenarios."""
    table: Table = {name: [] for name in FAAS.policy_names()}
    for scenario in scenarios:
        for name, results in table.items():
            results.append(run(name, scenario))
    return table


def run(name: str, scenario: Scenario) -> Result:
    """Return what a policy did in a scenario."""
    done = FAAS.cell.simulate(scenario, local_policy(FAAS.policy_source(name)))
    stats = done.stats
    return Result(
        scenario=scenario,
        cost_seconds=done.metrics["cost_seconds"],
        bound_seconds=done.metrics["lower_bound_seconds"],
        p99_delay_seconds=done.metrics["p99_delay_seconds"],
        cold=stats["cold"],
        begun=stats["done"] + stats["failed"],
        not_served=stats["timed_out"] + stats["rejected"],
    )


def with_tables(page: str, text: str) -> str:
    """Return the page with what stands between the marks replaced."""
    first, last = "<!-- figures -->", "<!-- end of figures -->"
    if first not in page or last not in page:
        raise ValueError(f"{PAGE.name} has no marks {first} and {last} to write between")
    between = re.compile(re.escape(first) + ".*" + re.escape(last), re.DOTALL)
    return between.sub(lambda _: f"{first}\n\n{text}\n\n{last}", page)


def policy_lines(table: Table, ranked: Iterable[str]) -> list[str]:
    """Return the score in every split, and the delays and cold starts of all scenarios."""
    lines = [
        f"| policy | {' | '.join(SPLITS)} | p99 delay, s | cold share | not served |",
        f"|---|{'---:|' * (len(SPLITS) + 3)}",
    ]
    for name in ranked:
        results = table[name]
        scores = [_shown(score(table, name, split=split)) for split in SPLITS]
        delay = statistics.mean(each.p99_delay_seconds for each in results)
        cold = sum(each.cold for each in results) / sum(each.begun for each in results)
        lost = sum(each.not_served for each in results) / sum(each.arrived for each in results)
        cells = [*scores, f"{delay:.2f}", f"{cold:.1%}", f"{lost:.1%}"]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return lines


def family_lines(table: Table, ranked: Sequence[str]) -> list[str]:
    """Return the score of every policy in every family, the best of each in bold."""
    others = [name for name in ranked if name != REFERENCE]
    lines = [f"| family | {' | '.join(others)} |", f"|---|{'---:|' * len(others)}"]
    for family in dict.fromkeys(result.scenario.family for result in table[REFERENCE]):
        lines.append(family_line(table, others, family))
    return lines


def family_line(table: Table, names: Sequence[str], family: str) -> str:
    """Return one row of the table of families."""
    scores = [_shown(score(table, name, family=family)) for name in names]
    best = max(scores, key=float)
    cells = [f"**{each}**" if each == best else each for each in scores]
    return f"| `{family}` | {' | '.join(cells)} |"


def bound_line(table: Table) -> str:
    """Return how far above the lower bound the reference is, and that nothing is below it."""
    below = sum(each.cost_seconds < each.bound_seconds for runs in table.values() for each in runs)
    times = sorted(each.cost_seconds / each.bound_seconds for each in table[REFERENCE])
    middle = statistics.median(times)
    return (
        f"The reference costs {times[0]:.0f} to {times[-1]:.0f} times the lower bound, median "
        f"{middle:.0f}; {below} of {sum(map(len, table.values()))} runs are below the bound."
    )


def _shown(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


def score(table: Table, name: str, *, split: str = "", family: str = "") -> float:
    """Return the geometric mean of the reference's cost over the policy's own; NaN of nothing."""
    logs = [
        math.log(reference.cost_seconds / own.cost_seconds)
        for reference, own in zip(table[REFERENCE], table[name], strict=True)
        if split in ("", own.scenario.split) and family in ("", own.scenario.family)
    ]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan


if __name__ == "__main__":
    main(sys.argv[1:])
