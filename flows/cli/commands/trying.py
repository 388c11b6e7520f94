"""The commands about policies; ``flows.cli.trying`` and ``flows.cli.policies`` do the work."""

from pathlib import Path
from typing import Any

import click

from flows.cli.commands.options import (
    CALLS,
    CELLS,
    FILE,
    FOLDER,
    OBJECTIVES,
    SPLITS,
    complete_library_policies,
    complete_policies,
    complete_suites,
)

PARTS = click.Choice(["train", "validation", "test", "all"])


@click.command(short_help="Try one policy in a locked container.")
@click.argument("policy", shell_complete=complete_policies)
@click.option(
    "--suite",
    metavar="NAME|FILE",
    shell_complete=complete_suites,
    help="Suite of scenarios.  [default: smoke]",
)
@click.option("--trace", type=FILE, metavar="CSV", help="One trace file instead of a suite.")
@click.option("--params", type=FILE, metavar="FILE", help="Parameters for --trace, TOML or JSON.")
@click.option("--split", type=SPLITS, default="train", show_default=True, help="Part of the suite.")
@click.option("--policy-calls", type=CALLS, help="When to call the policy; overrides the suite.")
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
    from flows.cli.trying import evaluate_policy

    return evaluate_policy(**options)


@click.command(short_help="Compare policies, with confidence intervals and a verdict.")
@click.argument(
    "policies",
    nargs=-1,
    required=True,
    metavar="POLICY...",
    shell_complete=complete_policies,
)
@click.option(
    "--suite",
    default="smoke",
    show_default=True,
    metavar="NAME|FILE",
    shell_complete=complete_suites,
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
    help="Objective of the score.",
)
@click.option("--policy-calls", type=CALLS, help="When to call the policies; overrides the suite.")
@click.option(
    "--slots",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="N",
    help="Policies in parallel.",
)
@click.option("--cell", type=CELLS, default="docker", show_default=True, help="Where policies run.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def compare(**options: Any) -> int:
    """Compare policies on the same scenarios, with confidence intervals and a verdict.

    Each POLICY is a file, a library policy's name, the beginning of a candidate's sha256, or an
    experiment, which stands for its best policy. Others are measured against the first; a single
    one against naive. A failed scenario counts with its penalty.

    \b
      assay compare my_policy.py right-size
      assay compare 3fa9c1d2 naive priority --suite mixed --slots 2
      assay compare my_policy.py naive --suite paper    beside the paper's figure
    """
    from flows.cli.trying import compare_policies

    return compare_policies(**options)


@click.command(short_help="Write a configuration and a policy to start from.")
@click.argument("folder", type=FOLDER, default=Path())
def init(**options: Any) -> int:
    """Write a commented configuration and a policy to start from into FOLDER, or here.

    Nothing is overwritten. The configuration lists every key with its default and meaning.

    \b
      assay init
      assay init night-search
    """
    from flows.cli.policies import init_folder

    return init_folder(**options)


@click.group(short_help="List and show the library's policies; check your own.")
def policies() -> None:
    """Look at the policies of the library, and check one of your own without running it.

    \b
      assay policies list
      assay policies show right-size > mine.py
      assay policies check mine.py
    """


@policies.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def policies_list(**options: Any) -> int:
    """List the policies of the library, one line each.

    \b
      assay policies list
    """
    from flows.cli.policies import list_policies

    return list_policies(**options)


@policies.command("show")
@click.argument("name", shell_complete=complete_library_policies)
def policies_show(**options: Any) -> int:
    """Print the source of the library policy NAME.

    \b
      assay policies show right-size
    """
    from flows.cli.policies import show_policy

    return show_policy(**options)


@policies.command("check", short_help="Check a policy file without running it.")
@click.argument("policy", metavar="FILE", shell_complete=complete_policies)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def policies_check(**options: Any) -> int:
    """Check FILE without running it; list what the screen refuses, with lines and columns.

    Exit code 3: something is refused.

    \b
      assay policies check my_policy.py
    """
    from flows.cli.policies import check_policy

    return check_policy(**options)
