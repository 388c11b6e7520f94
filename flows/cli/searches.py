"""``assay run``, ``demo``, ``serve`` and ``prompts``: searches, and how they end."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.ending import Interruptible, typed_command
from flows.cli.errors import LOST
from flows.cli.machine import check_cell
from flows.cli.options import (
    CELL,
    CONFIGURED_CELL,
    CONFIGURED_DOMAIN,
    FILE,
    FOLDER,
    SUITE,
    complete_experiments,
    complete_library_policies,
)
from flows.cli.progress import working
from flows.cli.terminal import print_line, print_prose, print_table
from flows.errors import ConfigError, OrchestratorUnavailable
from flows.home import home_folder, make_folder
from flows.orchestration.deployments import CRON, not_cron, shipped
from flows.settings.sources import assignments, read_dotenv
from flows.untrusted import counted
from sandbox.provider import DOCKER

if TYPE_CHECKING:
    from flows.experiment import Finished
    from flows.search.progress import SearchResult, Watch
    from flows.settings.search import SearchConfig

    Search = Callable[[SearchConfig, Path, Watch], Finished]

STRATEGIES = click.Choice(["refine", "best_of_n", "evolve"])
FEEDBACK = click.Choice(["score", "diagnoses", "history"])


@click.command("run", short_help="Search for a policy, or continue an interrupted search.")
@click.option(
    "--config", type=FILE, metavar="TOML", help="Configuration of the search; flags override it."
)
@click.option("--name", metavar="TEXT", help="Name of the experiment.  [default: search]")
@CONFIGURED_DOMAIN
@SUITE
@click.option("--strategy", type=STRATEGIES, help="How parents are chosen.  [default: refine]")
@click.option(
    "--objective",
    metavar="NAME",
    help="What to optimise.  [default: the domain's first objective]",
)
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    metavar="POLICY",
    shell_complete=complete_library_policies,
    help="A library policy to beat; may be repeated.  [default: those of the domain]",
)
@click.option("--candidates", type=int, metavar="N", help="Candidates to try.  [default: 24]")
@click.option(
    "--evaluations",
    type=int,
    metavar="N",
    help="Most trials in cells.  [default: no limit]",
)
@click.option("--minutes", type=float, metavar="N", help="Most minutes.  [default: no limit]")
@click.option(
    "--dollars", type=float, metavar="N", help="Most dollars for a model.  [default: no limit]"
)
@click.option(
    "--tokens", type=int, metavar="N", help="Most tokens of a model.  [default: no limit]"
)
@click.option("--seed", type=int, metavar="N", help="Seed of every random choice.  [default: 0]")
@click.option("--slots", type=int, metavar="N", help="Candidates in parallel.  [default: 1]")
@click.option(
    "--proposer",
    metavar="KIND",
    help="offline (needs no key), openai or replay.  [default: offline]",
)
@click.option("--base-url", metavar="URL", help="Address of an OpenAI-compatible server.")
@click.option("--model", metavar="NAME", help="Model to ask at that server.")
@click.option("--api", metavar="KIND", help="auto, chat or responses.  [default: auto]")
@click.option(
    "--api-key-env", metavar="NAME", help="Variable with the key.  [default: OPENAI_API_KEY]"
)
@click.option(
    "--timeout",
    type=float,
    metavar="S",
    help="Seconds for one request to a model.  [default: 700]",
)
@click.option(
    "--prices", type=FILE, metavar="TOML", help="Prices of models that Assay does not know."
)
@click.option("--prompts", type=FOLDER, metavar="DIR", help="Prompt templates of your own.")
@click.option(
    "--feedback", type=FEEDBACK, help="What prompts show of the past.  [default: history]"
)
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
    help="Any key of the configuration, as in guards.gap_percent=20; may be repeated.",
)
@click.option("--direct", is_flag=True, help="Run without Prefect.")
@CONFIGURED_CELL
@click.option("-v", "--verbose", is_flag=True, help="Show Prefect's log.")
@click.option("-q", "--quiet", is_flag=True, help="Show the result only.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each event.")
def run_command(
    config: Path | None,
    direct: bool,
    verbose: bool,
    quiet: bool,
    as_json: bool,
    settings: Sequence[str],
    **flags: Any,
) -> int:
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
    from flows.cli.watching import ended_line
    from flows.proposers.replay import recorded_settings
    from flows.settings.search import load_config

    replayed = flags.get("replay") if config is None else None
    recorded = recorded_settings(home_folder(), replayed) if replayed else {}
    given = {**recorded, **assignments(settings), **overrides(flags)}
    chosen = load_config(config, {**given, **same_source(recorded)}, os.environ, read_dotenv())
    check_cell(chosen.cell)
    _refuse_idle_prompts(chosen, flags.get("prompts"))
    finished = run_shown(chosen, direct=direct, verbose=verbose, quiet=quiet, as_json=as_json)
    if as_json:
        print_line(ended_line(finished))
    else:
        print_end(finished)
    return LOST if finished.result.cut_short or _tried_nothing(finished.result) else 0


@click.command("demo", short_help="Run a short search, from nothing to a report.")
@click.option("--fresh", is_flag=True, help="Start a new demo even if one was interrupted.")
@click.option("--direct", is_flag=True, help="Run without Prefect.")
@CELL
@click.option("-v", "--verbose", is_flag=True, help="Show Prefect's log.")
def run_demo(fresh: bool, direct: bool, cell: str, verbose: bool) -> int:
    """Run a short search with the offline proposer, from nothing to a report.

    A demo that was interrupted continues; otherwise a new one starts.

    \b
      assay demo --direct
    """
    check_cell(cell)
    config = demo_config(home_folder(), fresh, cell)
    where = "a locked container" if cell == DOCKER else "an embedded cell"
    print_line(
        f"{config.budget.candidates} policies from the offline proposer, each tried in {where}"
    )
    print_end(_search(config, direct, verbose))
    return 0


@click.command("serve", short_help="Search every night on this machine.")
@click.option("--config", type=FILE, metavar="TOML", help="The search to run each night.")
@click.option("--cron", metavar="TEXT", help="Schedule in UTC, cron syntax.  [default: 0 2 * * *]")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    metavar="N",
    help="Runs in parallel.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=4200,
    show_default=True,
    metavar="N",
    help="Port of the server that is started.",
)
def serve_command(config: Path | None, cron: str | None, limit: int, port: int) -> int:
    """Run a search every night and maintenance every hour on this machine, until interrupted.

    Starts Prefect's server unless PREFECT_API_URL names one, and runs what is scheduled or
    requested there. No work pool or worker is needed. Variables such as ASSAY_SLOTS win over the
    file, as with assay run.

    \b
      assay serve
      assay serve --config search.toml --cron "30 1 * * 1-5"
    """
    from flows.orchestration.server import import_flows, prepare_prefect, runs_begin_elsewhere

    nightly = _config(config, {}).model_dump(mode="json") if config is not None else None
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
def copy_prompts(folder: Path) -> int:
    """Copy the shipped templates into FOLDER; change them and use them with --prompts.

    \b
      assay prompts copy my-prompts
    """
    from flows.prompting.custom import copy_templates

    for path in copy_templates(folder):
        print_line(str(path))
    print_line(f"change them, then: assay prompts check {folder}; assay run --prompts {folder} ...")
    return 0


@prompts.command("check", short_help="Check the templates of a folder.")
@click.argument("folder", type=FOLDER)
@click.option("--config", type=FILE, metavar="TOML", help="Configuration of the search.")
@CONFIGURED_DOMAIN
def check_folder(folder: Path, config: Path | None, domain: str | None) -> int:
    """Render the templates in FOLDER with sample histories; report errors with their lines.

    \b
      assay prompts check my-prompts
    """
    from flows.judging.splits import suite_scenarios
    from flows.prompting.custom import check_prompts
    from flows.prompting.templates import load_templates

    flags = {"domain": domain, "feedback.prompts": folder}
    chosen = _config(config, {key: value for key, value in flags.items() if value is not None})
    check_prompts(
        chosen, suite_scenarios(chosen.suite, chosen.domain, "train", chosen.policy_calls)
    )
    templates = load_templates(folder)
    names = ", ".join(templates.texts)
    print_line(f"{folder}: {names} can be used; template_sha256 {templates.sha256}")
    return 0


@prompts.command("show")
@click.option("--config", type=FILE, metavar="TOML", help="Configuration of the search.")
@CONFIGURED_DOMAIN
@SUITE
@click.option("--prompts", "folder", type=FOLDER, metavar="DIR", help="Templates of your own.")
def show_prompt(
    config: Path | None, domain: str | None, suite: str | None, folder: Path | None
) -> int:
    """Print the first prompt of a search.

    \b
      assay prompts show
      assay prompts show --domain NAME
    """
    from flows.judging.splits import suite_scenarios
    from flows.prompting.custom import check_prompts
    from flows.prompting.prompts import CHARS_PER_TOKEN, render_prompt

    flags = {"domain": domain, "suite": suite, "feedback.prompts": folder}
    chosen = _config(config, {key: value for key, value in flags.items() if value is not None})
    scenarios = suite_scenarios(chosen.suite, chosen.domain, "train", chosen.policy_calls)
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


QUESTION = "from leaderboard order by rank limit 10"
REPLAY = "proposer.replay_of"
KEYS = {
    "name": "name",
    "domain": "domain",
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


def same_source(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Return the id of the experiment to replay, where its name was given."""
    return {REPLAY: recorded[REPLAY]} if recorded else {}


def run_shown(
    config: SearchConfig,
    *,
    direct: bool = False,
    verbose: bool = False,
    quiet: bool = False,
    as_json: bool = False,
    patience_seconds: int | None = None,
) -> Finished:
    """Run the search with its progress on the terminal; say how to go on when it is interrupted."""
    from flows.cli.watching import interrupted_line, watching
    from flows.experiment import is_done, preflight, run_experiment
    from flows.orchestration.server import START_SECONDS, check_runner
    from flows.search.budget import preflight_lines
    from flows.search.progress import Notice
    from flows.settings.search import experiment_id

    home, identity = make_folder(home_folder()), experiment_id(config)
    done = is_done(config, home)
    last_line = interrupted_line(identity, typed_command()) if as_json else ""
    with Interruptible(identity, home, last_line, at_once=not (direct or done)):
        if direct or done:
            search: Search = run_experiment
        else:
            check_runner(config.runner)
            preflight(config)
            patience = patience_seconds or START_SECONDS
            search = _through_prefect(home, verbose, patience)
        with watching(quiet, as_json) as watch:
            for line in preflight_lines(config) if not done else ():
                watch(Notice(message=line))
            return search(config, home, watch)


def print_end(finished: Finished, *, judged: bool = True) -> None:
    """Print how the search ended: leaderboard, verdict, files, a question to try.

    Of a search for something else than policies, what came of it is told elsewhere.
    """
    from flows.cli.watching import promotions
    from flows.judging.leaderboard import EXPENDABLE, best_words, board, scores_on_test
    from flows.search.budget import summary_lines

    result = finished.result
    tested = scores_on_test(result.test)
    headers, rows = board(result.candidates, tested=tested)
    print_table(f"leaderboard of {result.experiment_id}", headers, rows, EXPENDABLE)
    again = " in an earlier run" if result.already_done else ""
    print_prose(f"{result.status.replace('_', ' ')}{again}: {result.status_detail}")
    for line in summary_lines(result.spend, promotions(result.candidates)):
        print_prose(line)
    if result.lost:
        print_line(
            f"lost: {counted(result.lost, 'attempt')}, not the fault of a policy: not scored"
        )
    if result.best is not None:
        print_prose(f"best: {best_words(result.best, tested, finished.differences)}")
    if judged:
        print_prose(f"verdict: {result.verdict}")
    if judged:
        print_prose(f"best policy: {short_path(finished.best_policy)}{_whose(result)}")
    print_line(f"report:      {short_path(finished.report)}")
    print_line(f'try:         assay sql "{QUESTION}"')


def _through_prefect(home: Path, verbose: bool, patience_seconds: int) -> Search:
    """Return what runs a search as a flow."""
    from flows.experiment import Finished
    from flows.search.progress import Preparing

    def search(config: SearchConfig, _: Path, watch: Watch) -> Finished:
        orchestrate = orchestrated(
            home, verbose, patience_seconds, lambda step: watch(Preparing(step=step))
        )
        watch(Preparing(step="starting the flow run"))
        finished = orchestrate.search_through_prefect(config, watch)
        assert isinstance(finished, Finished)
        return finished

    return search


def orchestrated(
    home: Path, verbose: bool, patience_seconds: int, tell: Callable[[str], None]
) -> Any:
    """Return the module of our flows; a server is started for them unless the user has one.

    ``tell`` is given each step as it begins.
    """
    from flows.orchestration.server import (
        import_flows,
        prepare_prefect,
        running_server,
        uses_a_server,
    )

    prepare_prefect(home, os.environ, verbose=verbose)
    if not uses_a_server(os.environ):
        tell("starting Prefect's local server: 12-70 s (--direct runs without it)")
        server = ExitStack()  # it must outlive what Prefect still sends at the end
        atexit.register(server.close)
        try:
            url = server.enter_context(running_server(os.environ, patience_seconds))
        except OrchestratorUnavailable as error:
            without = "--direct runs the same search without Prefect"
            raise OrchestratorUnavailable(f"{error}; {without}") from error
        os.environ["PREFECT_API_URL"] = url
    tell("loading Prefect")
    return import_flows()


def _tried_nothing(result: SearchResult) -> bool:
    """Return whether attempts were lost and none was made, as when no model's server runs."""
    return bool(result.lost) and not any(row.iteration > 0 for row in result.candidates)


def _whose(result: SearchResult) -> str:
    """Return whose policy the file holds where it is no candidate's."""
    best = result.best
    if best is None or best.origin != "baseline":
        return ""
    return f" (the baseline {best.title}: no candidate was promoted)"


def short_path(path: Path | None) -> str:
    """Return a path as it is seen from here."""
    if path is None:
        return "none"
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


PATIENCE_SECONDS = 75
"""How long a demo waits for Prefect's server before it runs without it."""
SEED = 7
SETTINGS = {"name": "demo", "suite": "smoke", "seed": SEED, "slots": 2, "budget.candidates": 24}


def _search(config: SearchConfig, direct: bool, verbose: bool) -> Finished:
    if direct:
        return run_shown(config, direct=True)
    try:
        return run_shown(config, verbose=verbose, patience_seconds=PATIENCE_SECONDS)
    except OrchestratorUnavailable as error:
        print_prose(f"{error}")
        print_line("running the same search without Prefect")
        return run_shown(config, direct=True)


def demo_config(home: Path, fresh: bool, cell: str = DOCKER) -> SearchConfig:
    """Return the first demo, by number, that has not ended or, if ``fresh``, not started."""
    from flows.experiment import ended
    from flows.search.ledger import Ledger, recorded
    from flows.settings.search import experiment_id, load_config

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


@contextmanager
def _server(port: int) -> Iterator[None]:
    """Use the server that the user has, else start one for as long as this lasts."""
    from flows.orchestration.server import START_SECONDS, running_server, uses_a_server

    if uses_a_server(os.environ):
        yield
        return
    print_line(f"starting Prefect's server on port {port}, which takes 12-70 s")
    with ExitStack() as server:
        with working("starting Prefect's server"):
            url = server.enter_context(running_server(os.environ, START_SECONDS, port))
        os.environ["PREFECT_API_URL"] = url
        yield


def _config(path: Path | None, overrides: dict[str, Any]) -> SearchConfig:
    from flows.settings.search import load_config

    return load_config(path, overrides, os.environ, read_dotenv())
