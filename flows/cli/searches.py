"""``assay run``, ``demo``, ``serve`` and ``prompts``: searches, and how they end."""

import atexit
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from flows.cli.errors import INTERRUPTED, LOST, say
from flows.cli.machine import check_cell
from flows.cli.terminal import print_line, print_prose, print_table
from flows.cli.watching import ended_line, interrupted_line, promotions, watching
from flows.errors import ConfigError, OrchestratorUnavailable
from flows.experiment import Finished, ended, is_done, preflight, run_experiment
from flows.home import home_folder, make_folder
from flows.judging.leaderboard import EXPENDABLE, HEADERS, leaderboard
from flows.judging.splits import suite_scenarios
from flows.orchestration.deployments import CRON, not_cron, shipped
from flows.orchestration.server import (
    START_SECONDS,
    check_runner,
    drop_stderr,
    import_flows,
    prepare_prefect,
    running_server,
    runs_begin_elsewhere,
    uses_a_server,
)
from flows.prompting.custom import check_prompts, copy_templates
from flows.prompting.prompts import CHARS_PER_TOKEN, render_prompt
from flows.prompting.templates import load_templates
from flows.proposers.replay import recorded_settings
from flows.search.budget import preflight_lines, summary_lines
from flows.search.ledger import Ledger, recorded
from flows.search.progress import Notice, SearchResult, Watch
from flows.settings.search import SearchConfig, experiment_id, load_config
from flows.settings.sources import assignments, read_dotenv
from flows.untrusted import counted
from sandbox.provider import DOCKER

Search = Callable[[SearchConfig, Path, Watch], Finished]
QUESTION = "select rank, score, title, experiment from leaderboard order by rank limit 10"
REPLAY = "proposer.replay_of"
KEYS = {
    "name": "name",
    "suite": "suite",
    "strategy": "strategy",
    "objective": "objective",
    "baselines": "baselines",
    "seed": "seed",
    "slots": "slots",
    "cell": "cell",
    "candidates": "budget.candidates",
    "evaluations": "budget.evaluations",
    "minutes": "budget.minutes",
    "dollars": "budget.dollars",
    "tokens": "budget.tokens",
    "proposer": "proposer.kind",
    "base_url": "proposer.base_url",
    "model": "proposer.model",
    "api": "proposer.api",
    "api_key_env": "proposer.api_key_env",
    "timeout": "proposer.timeout_seconds",
    "prices": "proposer.prices",
    "replay": REPLAY,
    "prompts": "feedback.prompts",
    "feedback": "feedback.show",
    "fresh_test": "guards.fresh_test",
}


def run_command(
    config: Path | None,
    direct: bool,
    verbose: bool,
    quiet: bool,
    as_json: bool,
    settings: Sequence[str],
    **flags: Any,
) -> int:
    """Run the search that file, environment and flags describe; return the exit code."""
    replayed = flags.get("replay") if config is None else None
    recorded = recorded_settings(home_folder(), replayed) if replayed else {}
    given = {**recorded, **assignments(settings), **overrides(flags)}
    chosen = load_config(config, {**given, **_same_source(recorded)}, os.environ, read_dotenv())
    check_cell(chosen.cell)
    _refuse_idle_prompts(chosen, flags.get("prompts"))
    finished = run_shown(chosen, direct=direct, verbose=verbose, quiet=quiet, as_json=as_json)
    if as_json:
        print_line(ended_line(finished))
    else:
        print_end(finished)
    return LOST if finished.result.cut_short or _tried_nothing(finished.result) else 0


def overrides(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that the given flags stand for."""
    given = {KEYS[flag]: value for flag, value in flags.items() if value not in (None, ())}
    if REPLAY in given:
        given.setdefault("proposer.kind", "replay")
    return given


def _refuse_idle_prompts(config: SearchConfig, prompts: Path | None) -> None:
    """Refuse --prompts with the offline proposer, where it has no effect."""
    if config.proposer.kind == "offline" and prompts is not None:
        raise ConfigError(
            "--prompts has no effect with the offline proposer: add --proposer openai, or leave "
            "--prompts out"
        )


def _same_source(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Return the id of the experiment to replay, where its name was given."""
    return {REPLAY: recorded[REPLAY]} if recorded else {}


def run_shown(
    config: SearchConfig,
    *,
    direct: bool = False,
    verbose: bool = False,
    quiet: bool = False,
    as_json: bool = False,
    patience_seconds: int = START_SECONDS,
) -> Finished:
    """Run the search with its progress on the terminal; say how to go on when it is interrupted."""
    home = make_folder(home_folder())
    done = is_done(config, home)
    try:
        if direct or done:
            search: Search = run_experiment
        else:
            check_runner(config.runner)
            preflight(config)
            search = _through_prefect(home, verbose, quiet or as_json, patience_seconds)
        with watching(quiet, as_json) as watch:
            for line in preflight_lines(config) if not done else ():
                watch(Notice(message=line))
            return search(config, home, watch)
    except KeyboardInterrupt:
        command = shlex.join(["assay", *sys.argv[1:]])
        if as_json:
            print_line(interrupted_line(experiment_id(config), command))
        say(
            f"assay: {experiment_id(config)} is interrupted, everything recorded is kept: type the "
            f"same command to continue\n  {command}"
        )
        atexit.register(drop_stderr)
        raise SystemExit(INTERRUPTED) from None


def print_end(finished: Finished) -> None:
    """Print how the search ended: leaderboard, files, a question to try."""
    result = finished.result
    title = f"leaderboard of {result.experiment_id}"
    print_table(title, HEADERS, leaderboard(result.candidates), EXPENDABLE)
    again = " in an earlier run" if result.already_done else ""
    print_prose(f"{result.status.replace('_', ' ')}{again}: {result.status_detail}")
    for line in summary_lines(result.spend, promotions(result.candidates)):
        print_prose(line)
    if result.lost:
        print_line(
            f"lost: {counted(result.lost, 'attempt')}, not the fault of a policy: not scored"
        )
    print_prose(f"verdict: {result.verdict}")
    print_line(f"best policy: {_short(finished.best_policy)}{_whose(result)}")
    print_line(f"report:      {_short(finished.report)}")
    print_line(f'try:         assay sql "{QUESTION}"')


def _through_prefect(home: Path, verbose: bool, quiet: bool, patience_seconds: int) -> Search:
    """Return what runs a search as a flow; a server is started for it unless the user has one."""
    prepare_prefect(home, os.environ, verbose=verbose)
    if not uses_a_server(os.environ):
        if not quiet:
            print_line(
                "starting Prefect's local server, which takes 12-70 s (--direct runs without it)"
            )
        server = ExitStack()  # it must outlive what Prefect still sends at the end
        atexit.register(server.close)
        try:
            url = server.enter_context(running_server(os.environ, patience_seconds))
        except OrchestratorUnavailable as error:
            without = "--direct runs the same search without Prefect"
            raise OrchestratorUnavailable(f"{error}; {without}") from error
        os.environ["PREFECT_API_URL"] = url
    orchestrate = import_flows()

    def search(config: SearchConfig, _: Path, watch: Watch) -> Finished:
        finished = orchestrate.search_through_prefect(config, watch)
        assert isinstance(finished, Finished)
        return finished

    return search


def _tried_nothing(result: SearchResult) -> bool:
    """Return whether attempts were lost and none was made, as when no model's server runs."""
    return bool(result.lost) and not any(row.iteration > 0 for row in result.candidates)


def _whose(result: SearchResult) -> str:
    """Return whose policy the file holds where it is no candidate's."""
    best = result.best
    if best is None or best.origin != "baseline":
        return ""
    return f" (the baseline {best.title}: no candidate was promoted)"


def _short(path: Path | None) -> str:
    if path is None:
        return "none"
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


PATIENCE_SECONDS = 75
"""How long a demo waits for Prefect's server before it runs without it."""

SEED = 7
SETTINGS = {"name": "demo", "suite": "smoke", "seed": SEED, "slots": 2, "budget.candidates": 24}


def run_demo(fresh: bool, direct: bool, cell: str, verbose: bool) -> int:
    """Search with the offline proposer; an interrupted demo goes on unless ``fresh``."""
    check_cell(cell)
    config = demo_config(home_folder(), fresh, cell)
    where = "a locked container" if cell == DOCKER else "an embedded cell"
    print_line(
        f"{config.budget.candidates} policies from the offline proposer, each tried in {where}"
    )
    print_end(_search(config, direct, verbose))
    return 0


def _search(config: SearchConfig, direct: bool, verbose: bool) -> Finished:
    if direct:
        return run_shown(config, direct=True)
    try:
        return run_shown(config, verbose=verbose, patience_seconds=PATIENCE_SECONDS)
    except OrchestratorUnavailable as error:
        print_line(f"{error}")
        print_line("running the same search without Prefect")
        return run_shown(config, direct=True)


def demo_config(home: Path, fresh: bool, cell: str = DOCKER) -> SearchConfig:
    """Return the first demo, by number, that has not ended or, if ``fresh``, not started."""
    settings = {**SETTINGS, "cell": cell}
    config = load_config(None, settings)
    for number in count(2):
        ledger = Ledger(recorded(home, experiment_id(config)))
        started = ledger.experiment is not None
        if not started or not (fresh or ended(ledger.experiment, ledger.tried(), config)):
            break
        changed = {"name": f"demo-{number}", "seed": SEED + number}
        config = load_config(None, {**settings, **changed})
    return config


CRON_FIELDS = 5


def serve_command(config: Path | None, cron: str | None, limit: int, port: int) -> int:
    """Serve until interrupted; a search for each night may be named."""
    nightly = load_config(config, {}).model_dump(mode="json") if config is not None else None
    if len((cron or CRON).split()) != CRON_FIELDS:  # before a server is started for nothing
        raise ConfigError(not_cron(cron or CRON))
    deployments = shipped(nightly, cron or CRON)
    home = make_folder(home_folder())
    prepare_prefect(home, os.environ, verbose=True)
    with _server(port), runs_begin_elsewhere(os.environ):
        os.environ["ASSAY_HOME"] = str(home)  # for the processes of the runs
        orchestrate = import_flows()
        url = orchestrate.server_url()
        for each in deployments:
            print_line(f"{each.flow}/{each.name:12} {each.when}")
        print_line(f"results: {home}   UI: {url.removesuffix('/api')}   Ctrl-C ends this")
        orchestrate.serve_deployments(deployments, limit)
    return 0


@contextmanager
def _server(port: int) -> Iterator[None]:
    """Use the server that the user has, else start one for as long as this lasts."""
    if uses_a_server(os.environ):
        yield
        return
    print_line(f"starting Prefect's server on port {port}, which takes 12-70 s")
    with running_server(os.environ, START_SECONDS, port) as url:
        os.environ["PREFECT_API_URL"] = url
        yield


def copy_prompts(folder: Path) -> int:
    """Copy the shipped templates and say what to do with them."""
    for path in copy_templates(folder):
        print_line(str(path))
    print_line(f"change them, then: assay prompts check {folder}; assay run --prompts {folder} ...")
    return 0


def check_folder(folder: Path, config: Path | None) -> int:
    """Try the templates in a folder and print the hash by which the history knows them."""
    chosen = _config(config, {"feedback.prompts": folder})
    check_prompts(chosen, suite_scenarios(chosen.suite, "train", chosen.policy_calls))
    templates = load_templates(folder)
    names = ", ".join(templates.texts)
    print_line(f"{folder}: {names} can be used; template_sha256 {templates.sha256}")
    return 0


def show_prompt(config: Path | None, suite: str | None, folder: Path | None) -> int:
    """Print the two texts of the first prompt and their length."""
    flags = {"suite": suite, "feedback.prompts": folder}
    chosen = _config(config, {key: value for key, value in flags.items() if value is not None})
    scenarios = suite_scenarios(chosen.suite, "train", chosen.policy_calls)
    check_prompts(chosen, scenarios)
    prompt = render_prompt(config=chosen, scenarios=scenarios, attempts=())
    tokens = (len(prompt.system) + len(prompt.user)) // CHARS_PER_TOKEN
    print_line(f"=== system ===\n{prompt.system}")
    print_line(f"=== user ===\n{prompt.user}")
    print_line(
        f"=== about {tokens} of {chosen.feedback.prompt_tokens} tokens; a search adds the "
        "figures of the baselines and what was tried ==="
    )
    return 0


def _config(path: Path | None, overrides: dict[str, Any]) -> SearchConfig:
    return load_config(path, overrides, os.environ, read_dotenv())
