"""The commands that search: what each takes; ``flows.cli_run`` and ``flows.demo`` do the work."""

from typing import Any

import click

from flows.commands.options import CELLS, FILE


@click.command()
@click.option("--config", type=FILE, metavar="TOML", help="Configuration; flags override it.")
@click.option("--name", help="Name of the experiment.  [default: search]")
@click.option("--suite", metavar="NAME|FILE", help="Suite of scenarios.  [default: smoke]")
@click.option("--candidates", type=int, metavar="N", help="Attempts to make.  [default: 24]")
@click.option("--minutes", type=float, help="Stop after this time.")
@click.option("--dollars", type=float, help="Stop before a model costs more.")
@click.option("--tokens", type=int, help="Stop before a model uses more.")
@click.option("--seed", type=int, help="Seed of every random choice.  [default: 0]")
@click.option("--slots", type=int, metavar="N", help="Candidates side by side.  [default: 1]")
@click.option("--proposer", metavar="KIND", help="offline (no key needed) or openai.")
@click.option("--base-url", metavar="URL", help="Any OpenAI-compatible server.")
@click.option("--model", help="Model to ask at that server.")
@click.option("--api", metavar="KIND", help="auto, chat or responses.")
@click.option("--api-key-env", metavar="NAME", help="Variable with the key.  [OPENAI_API_KEY]")
@click.option("--timeout", type=float, help="Seconds for one request to a model.  [120]")
@click.option("--direct", is_flag=True, help="The same loop without Prefect.")
@click.option("--cell", type=CELLS, default="docker", show_default=True, help="Where policies run.")
@click.option("-v", "--verbose", is_flag=True, help="Show Prefect's log.")
@click.option("-q", "--quiet", is_flag=True, help="Show the end only.")
def run(**options: Any) -> int:
    """Search for a policy; the same command again continues an interrupted search.

    \b
      assay run --candidates 100 --slots 2
      assay run --proposer openai --model gpt-5-mini --dollars 2
      assay run --proposer openai --base-url http://127.0.0.1:8000/v1 --model local
    """
    from flows.cli_run import run_command

    return run_command(**options)


@click.command()
@click.option("--fresh", is_flag=True, help="Leave an interrupted demo as it is; begin another.")
@click.option("--direct", is_flag=True, help="Without Prefect.")
@click.option("--cell", type=CELLS, default="docker", show_default=True, help="Where policies run.")
@click.option("-v", "--verbose", is_flag=True, help="Show Prefect's log.")
def demo(**options: Any) -> int:
    """Run a short search with the offline proposer, from nothing to a report.

    Each demo is a search of its own; one that was interrupted goes on.
    """
    from flows.demo import run_demo

    return run_demo(**options)


COMMANDS = (run, demo)
