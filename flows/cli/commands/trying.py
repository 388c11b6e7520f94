"""The commands that try policies: what each takes; ``flows.cli.*`` modules do the work."""

from typing import Any

import click

from flows.cli.commands import completing
from flows.cli.commands.options import CALLS, CELLS, FILE, SPLITS

PARTS = click.Choice(["train", "validation", "test", "all"])
OBJECTIVES = click.Choice(["weighted_latency", "goodput", "legacy_throughput", "legacy_latency"])


@click.command(short_help="Try one policy in a locked container.")
@click.argument("policy", shell_complete=completing.policies)
@click.option(
    "--suite",
    metavar="NAME|FILE",
    shell_complete=completing.suites,
    help="Suite of scenarios.  [default: smoke]",
)
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
    from flows.cli.evaluate import evaluate_policy

    return evaluate_policy(**options)


@click.command(short_help="Compare policies, with intervals and a verdict.")
@click.argument(
    "policies",
    nargs=-1,
    required=True,
    metavar="POLICY...",
    shell_complete=completing.policies,
)
@click.option(
    "--suite",
    default="smoke",
    show_default=True,
    metavar="NAME|FILE",
    shell_complete=completing.suites,
    help="Suite of scenarios.",
)
@click.option(
    "--split", type=PARTS, help="Part of the suite.  [default: validation; paper: all of it]"
)
@click.option(
    "--objective",
    type=OBJECTIVES,
    default="weighted_latency",
    show_default=True,
    help="What the score is made of.",
)
@click.option("--policy-calls", type=CALLS, help="When policies are called, if not as stated.")
@click.option(
    "--slots",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="N",
    help="Policies tried at the same time.",
)
@click.option("--cell", type=CELLS, default="docker", show_default=True, help="Where policies run.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def compare(**options: Any) -> int:
    """Compare policies on the same scenarios, with intervals and a verdict.

    Each POLICY is a file, a library policy's name, the beginning of a candidate's sha256, or an
    experiment, which stands for its best policy. Others are measured against the first; a single
    one against naive. A policy that fails keeps what it is charged for it.

    \b
      assay compare my_policy.py right-size
      assay compare 3fa9c1d2 naive priority --suite mixed --slots 2
      assay compare my_policy.py naive --suite paper    beside the paper's figure
    """
    from flows.cli.compare import compare_policies

    return compare_policies(**options)


COMMANDS = (evaluate, compare)
