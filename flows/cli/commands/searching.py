"""The commands that search: what each takes; ``flows.cli.searches`` does the work."""

from typing import Any

import click

from flows.cli.commands.options import (
    CELLS,
    FILE,
    FOLDER,
    OBJECTIVES,
    complete_experiments,
    complete_library_policies,
    complete_suites,
)

STRATEGIES = click.Choice(["refine", "best_of_n", "evolve"])
FEEDBACK = click.Choice(["score", "diagnoses", "history"])


@click.command(short_help="Search for a policy, or continue an interrupted search.")
@click.option("--config", type=FILE, metavar="TOML", help="Configuration; flags override it.")
@click.option("--name", help="Name of the experiment.  [default: search]")
@click.option(
    "--suite",
    metavar="NAME|FILE",
    shell_complete=complete_suites,
    help="Scenarios.  [default: smoke]",
)
@click.option("--strategy", type=STRATEGIES, help="How parents are chosen.  [default: refine]")
@click.option("--objective", type=OBJECTIVES, help="What to optimise.  [default: weighted_latency]")
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    metavar="POLICY",
    shell_complete=complete_library_policies,
    help="A library policy to compare with; may be repeated.",
)
@click.option("--candidates", type=int, metavar="N", help="Candidates to try.  [default: 24]")
@click.option(
    "--evaluations",
    type=int,
    metavar="N",
    help="Limit on trials in cells.",
)
@click.option("--minutes", type=float, help="Time limit.")
@click.option("--dollars", type=float, help="Limit on the cost of a model.")
@click.option("--tokens", type=int, help="Limit on a model's tokens.")
@click.option("--seed", type=int, help="Seed of every random choice.  [default: 0]")
@click.option("--slots", type=int, metavar="N", help="Candidates in parallel.  [default: 1]")
@click.option("--proposer", metavar="KIND", help="offline (no key needed), openai or replay.")
@click.option("--base-url", metavar="URL", help="Any OpenAI-compatible server.")
@click.option("--model", help="Model to ask at that server.")
@click.option("--api", metavar="KIND", help="auto, chat or responses.")
@click.option("--api-key-env", metavar="NAME", help="Variable with the key.  [OPENAI_API_KEY]")
@click.option("--timeout", type=float, help="Seconds for one request to a model.  [700]")
@click.option("--prices", type=FILE, metavar="TOML", help="Prices for unknown models.")
@click.option("--prompts", type=FOLDER, metavar="DIR", help="Prompt templates of your own.")
@click.option("--feedback", type=FEEDBACK, help="What prompts show of the past.  [history]")
@click.option(
    "--fresh-test", type=int, metavar="SEED", help="Redraw the test scenarios from this seed."
)
@click.option(
    "--replay",
    metavar="EXPERIMENT",
    shell_complete=complete_experiments,
    help="Try the candidates of that experiment again.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any key of the configuration, as guards.gap_percent=20.",
)
@click.option("--direct", is_flag=True, help="Run without Prefect.")
@click.option("--cell", type=CELLS, help="Where policies run.  [default: docker]")
@click.option("-v", "--verbose", is_flag=True, help="Show Prefect's log.")
@click.option("-q", "--quiet", is_flag=True, help="Show the result only.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each event.")
def run(**options: Any) -> int:
    """Search for a policy; the same command again continues an interrupted search.

    A setting comes from the file, from a variable like ASSAY_PROPOSER__MODEL, or from a flag; the
    later one wins.

    \b
      assay run --candidates 100 --slots 2
      assay run --config search.toml --set evolve.population=20
      assay run --proposer openai --model gpt-5-mini --dollars 2
      assay run --proposer openai --base-url http://127.0.0.1:8000/v1 --model any
      assay run --replay search-1a2b3c4d --name again
    """
    from flows.cli.searches import run_command

    return run_command(**options)


@click.command(short_help="Run a short search, from nothing to a report.")
@click.option("--fresh", is_flag=True, help="Start a new demo even if one was interrupted.")
@click.option("--direct", is_flag=True, help="Without Prefect.")
@click.option("--cell", type=CELLS, default="docker", show_default=True, help="Where policies run.")
@click.option("-v", "--verbose", is_flag=True, help="Show Prefect's log.")
def demo(**options: Any) -> int:
    """Run a short search with the offline proposer, from nothing to a report.

    A demo that was interrupted continues; otherwise a new one starts.

    \b
      assay demo --direct
    """
    from flows.cli.searches import run_demo

    return run_demo(**options)


@click.command(short_help="Search every night on this machine.")
@click.option("--config", type=FILE, metavar="TOML", help="The search to run each night.")
@click.option("--cron", metavar="TEXT", help="Schedule in UTC, cron syntax.  [default: 0 2 * * *]")
@click.option(
    "--limit", type=click.IntRange(1), default=2, show_default=True, help="Parallel runs."
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=4200,
    show_default=True,
    help="Port of the server that is started.",
)
def serve(**options: Any) -> int:
    """Run a search every night and maintenance every hour on this machine, until interrupted.

    Starts Prefect's server unless PREFECT_API_URL names one, and runs what is scheduled or
    requested there. No work pool or worker is needed.

    \b
      assay serve
      assay serve --config search.toml --cron "30 1 * * 1-5"
    """
    from flows.cli.searches import serve_command

    return serve_command(**options)


@click.group()
def prompts() -> None:
    """Read, copy and check the texts that a model is sent.

    \b
      assay prompts show
      assay prompts copy my-prompts
      assay prompts check my-prompts
      assay run --prompts my-prompts --proposer openai --model gpt-5-mini
    """


@prompts.command("copy", short_help="Copy the shipped templates into a folder.")
@click.argument("folder", type=FOLDER)
def prompts_copy(**options: Any) -> int:
    """Copy the shipped templates into FOLDER; change them and use them with --prompts.

    \b
      assay prompts copy my-prompts
    """
    from flows.cli.searches import copy_prompts

    return copy_prompts(**options)


@prompts.command("check", short_help="Check the templates of a folder.")
@click.argument("folder", type=FOLDER)
@click.option("--config", type=FILE, metavar="TOML", help="Configuration of the search.")
def prompts_check(**options: Any) -> int:
    """Render the templates in FOLDER with sample histories; report errors with their lines.

    \b
      assay prompts check my-prompts
    """
    from flows.cli.searches import check_folder

    return check_folder(**options)


@prompts.command("show")
@click.option("--config", type=FILE, metavar="TOML", help="Configuration of the search.")
@click.option("--suite", metavar="NAME|FILE", help="Suite of scenarios.  [default: smoke]")
@click.option("--prompts", "folder", type=FOLDER, metavar="DIR", help="Templates of your own.")
def prompts_show(**options: Any) -> int:
    """Print the first prompt of a search.

    \b
      assay prompts show
    """
    from flows.cli.searches import show_prompt

    return show_prompt(**options)
