"""The commands that try policies: what each takes; :mod:`flows.cli_evaluate` does the work."""

from typing import Any

import click

from flows.commands.options import CALLS, CELLS, FILE, SPLITS


@click.command()
@click.argument("policy")
@click.option("--suite", metavar="NAME|FILE", help="Suite of scenarios.  [default: smoke]")
@click.option("--trace", type=FILE, metavar="CSV", help="One trace file instead of a suite.")
@click.option("--params", type=FILE, metavar="FILE", help="Parameters for --trace, TOML or JSON.")
@click.option("--split", type=SPLITS, default="train", show_default=True, help="Part of the suite.")
@click.option("--policy-calls", type=CALLS, help="When the policy is called, if not as stated.")
@click.option("--cell", type=CELLS, default="docker", show_default=True, help="Where policies run.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def evaluate(**options: Any) -> int:
    """Try one POLICY, a file or a library policy's name, in a locked container.

    The score is naive's weighted latency over the policy's own, as a geometric mean over the
    scenarios: 1.0 is naive, higher is better. Exit code 3 says that the policy failed.

    \b
      assay evaluate my_policy.py
      assay evaluate priority --suite paper --json
    """
    from flows.cli_evaluate import evaluate_policy

    return evaluate_policy(**options)


COMMANDS = (evaluate,)
