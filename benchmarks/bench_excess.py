"""How much of the excess cost the lines of a diagnosis explain: ``python -m benchmarks excess``.

A short search with the offline proposer, in this process. For each attempt the scenarios are taken
that its diagnosis is about: the two where it is weakest against the best rival among all attempts.
"""

import argparse
import statistics
import sys
from collections.abc import Sequence

from benchmarks.bench_search import search_config, searched
from benchmarks.measure import LEAST, missed
from flows.prompting.excess import LINES, SCENARIOS, excess_lines, find_excess, weaknesses
from flows.search.ledger import Ledger
from simulator.domain import find_domain

PROMISED = 0.7
SHOWN = 3


def main(arguments: Sequence[str] = ()) -> None:
    """Search, print the shares of the excess that lines explain, and a few of the lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="smoke")
    parser.add_argument("--candidates", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    if LEAST:
        options.suite, options.candidates = "smoke", 1
    spec = find_domain("pipelines").spec
    by = spec.objective()
    rows, _ = searched(search_config(options.suite, "evolve", options.seed, options.candidates))
    attempts = Ledger(rows).attempts()
    gross, held, net, shares = 0.0, 0.0, 0.0, []
    for attempt in attempts:
        for weak in weaknesses(attempt, attempts, by)[:SCENARIOS]:
            found = find_excess(weak.own.metrics or {}, weak.rival.metrics or {}, spec, by)
            if found is not None:
                shares.append(found.explained)
                gross, net = gross + found.gross, net + found.net
                held += found.explained * found.gross
    print(f"suite {options.suite}, {len(attempts)} attempts, {len(shares)} weak scenarios:")
    print(
        f"at most {LINES} lines an attempt explain {held / gross:.0%} of the excess; of one "
        f"scenario {statistics.median(shares):.0%} (median), {min(shares):.0%} at least"
    )
    print(f"(excess: where it costs more; with what it saves elsewhere {net / gross:.0%} of that)")
    for attempt in sorted(attempts, key=lambda each: -(each.score or 0.0))[1 : 1 + SHOWN]:
        print(f"\n{attempt.iteration}/{attempt.slot} {attempt.title}")
        print("\n".join(f"- {line}" for line in excess_lines(attempt, attempts, spec)))
    if held / gross < PROMISED:
        missed(f"the lines explain {held / gross:.0%} of the excess, not {PROMISED:.0%}")


if __name__ == "__main__":
    main(sys.argv[1:])
