"""``assay run``: a search through Prefect or directly, and what is printed when it ends."""

import atexit
import importlib
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flows.cell_choice import check_cell
from flows.cli_errors import INTERRUPTED, say
from flows.config import SearchConfig, experiment_id, load_config
from flows.experiment import Finished, is_done, preflight, run_experiment
from flows.happenings import SearchResult
from flows.home import home_folder, make_folder
from flows.leaderboard import EXPENDABLE, HEADERS, leaderboard, verdict
from flows.prefect_settings import START_SECONDS, prepare_prefect, uses_a_server
from flows.progress import spend_text
from flows.session import Watch
from flows.terminal import print_line, print_table, watching
from sandbox.provider import DOCKER

QUESTION = "select rank, score, title, experiment from leaderboard order by rank limit 10"
KEYS = {
    "name": "name",
    "suite": "suite",
    "seed": "seed",
    "slots": "slots",
    "candidates": "budget.candidates",
    "minutes": "budget.minutes",
    "dollars": "budget.dollars",
    "tokens": "budget.tokens",
    "proposer": "proposer.kind",
    "base_url": "proposer.base_url",
    "model": "proposer.model",
    "api": "proposer.api",
    "api_key_env": "proposer.api_key_env",
    "timeout": "proposer.timeout_seconds",
}


def run_command(
    config: Path | None, direct: bool, cell: str, verbose: bool, quiet: bool, **flags: Any
) -> int:
    """Search as the configuration and the flags say."""
    named = {"cell": cell} if cell != DOCKER else {}
    chosen = load_config(config, {**overrides(flags), **named})
    check_cell(chosen.cell)
    finished = run_shown(chosen, direct=direct, verbose=verbose, quiet=quiet)
    print_end(finished)
    return 0


def overrides(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that the given flags stand for."""
    return {KEYS[flag]: value for flag, value in flags.items() if value is not None}


def run_shown(
    config: SearchConfig,
    *,
    direct: bool = False,
    verbose: bool = False,
    quiet: bool = False,
    patience_seconds: int = START_SECONDS,
) -> Finished:
    """Run the search with its progress on the terminal; say how to go on when it is interrupted."""
    signal.signal(signal.SIGTERM, _interrupt)
    home = make_folder(home_folder())
    direct = direct or is_done(config, home)
    if not direct:
        preflight(config)
    search = run_experiment if direct else _through_prefect(home, verbose, quiet, patience_seconds)
    try:
        with watching(quiet) as watch:
            return search(config, home, watch)
    except KeyboardInterrupt:
        say(
            f"assay: {experiment_id(config)} is interrupted, everything recorded is kept: type the "
            "same command to continue"
        )
        raise SystemExit(INTERRUPTED) from None


def print_end(finished: Finished) -> None:
    """Print how the search ended: leaderboard, files, a question to try."""
    result = finished.result
    title = f"leaderboard of {result.experiment_id}"
    print_table(title, HEADERS, leaderboard(result.candidates), EXPENDABLE)
    again = " in an earlier run" if result.already_done else ""
    print_line(f"{result.status.replace('_', ' ')}{again}: {result.status_detail}")
    if spend_text(result.spend):
        print_line(f"spent: {spend_text(result.spend)}")
    if result.lost:
        print_line(f"lost: {result.lost} attempts, to failures that are not a policy's")
    print_line(verdict(result.candidates))
    print_line(f"best policy: {_short(finished.best_policy)}{_whose(result)}")
    print_line(f"report:      {_short(finished.report)}")
    print_line(f'try:         assay sql "{QUESTION}"')


def _through_prefect(
    home: Path, verbose: bool, quiet: bool, patience_seconds: int
) -> Callable[[SearchConfig, Path, Watch], Finished]:
    prepare_prefect(home, os.environ, verbose=verbose, patience_seconds=patience_seconds)
    if not quiet and not uses_a_server(os.environ):
        print_line("starting Prefect's local server, which takes 12-70 s (--direct does without)")
    atexit.register(_close_stderr)
    orchestrate = importlib.import_module("flows.orchestrate")

    def search(config: SearchConfig, _: Path, watch: Watch) -> Finished:
        finished = orchestrate.search_through_prefect(config, watch)
        assert isinstance(finished, Finished)
        return finished

    return search


def _close_stderr() -> None:
    """Drop what libraries complain of when the interpreter ends under Prefect's threads.

    Registered before Prefect is imported, so that it runs after all of Prefect's own handlers.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _whose(result: SearchResult) -> str:
    """Return whose policy the file holds where it is no candidate's."""
    best = result.best
    if best is None or best.origin != "baseline":
        return ""
    return f" (the baseline {best.title}: no candidate did better)"


def _short(path: Path | None) -> str:
    if path is None:
        return "none"
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
