"""The command line: its entry point, its exit codes, and its commands."""

import os
import signal
import sys

import click

from flows import assay_version
from flows.cli import (
    agents,
    bootstrap,
    domains,
    history,
    machine,
    policies,
    searches,
    sweeps,
    traces,
    trying,
    view,
)
from flows.cli.errors import (
    BAD_INPUT,
    INTERNAL,
    INTERRUPTED,
    LOST,
    NO_SANDBOX,
    POLICY_FAILED,
)
from flows.loopback import never_proxy_loopback
from flows.settings.sources import read_dotenv

HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def main(arguments: list[str] | None = None) -> None:
    """Run a command and leave with its exit code, as ``flows.cli.errors`` lists them."""
    from flows.cli.errors import bear_any_terminal, leave_with

    bear_any_terminal()
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell has SIGINT ignored behind an &
        signal.signal(number, signal.default_int_handler)
    output = sys.stdout
    try:
        home = read_dotenv().get("ASSAY_HOME")
        if home:
            os.environ.setdefault("ASSAY_HOME", home)
        never_proxy_loopback(os.environ)
        code = assay.main(args=arguments, prog_name="assay", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(leave_with(KeyboardInterrupt()))
    except BaseException as error:
        unread = sys.stdout is not output  # click puts another there when nobody reads it
        sys.exit(leave_with(BrokenPipeError() if unread else error))
    sys.exit(code if isinstance(code, int) else 0)


@click.group(context_settings=HELP)
@click.version_option(assay_version(), prog_name="assay")
def assay() -> None:
    """Search for scheduling policies and trust the result.

    \b
    Policies are tried in locked containers, scored and kept in a history:
      assay demo                        a short search, from nothing to a report
      assay evaluate my_policy.py       try one policy
      assay run --candidates 100        search
      assay sql "from leaderboard"      ask the history

    Results go to the folder that ASSAY_HOME names, .assay in the current folder if unset. A file
    .env here may hold ASSAY_HOME, settings and a model's key. Pages: assay docs.
    """


for _command in (
    *(trying.evaluate_policy, trying.compare_policies, policies.policies, policies.init_folder),
    *(searches.run_command, searches.run_demo, searches.serve_command, searches.prompts),
    *(sweeps.sweep_command, bootstrap.bootstrap_command, agents.serve_agents),
    *(
        history.make_report,
        view.view_history,
        history.show_candidate,
        history.run_sql,
        history.export_history,
    ),
    *(history.db, traces.traces, domains.domains),
    *(machine.examine_machine, machine.build_cells_image, machine.reap_cells),
    *(machine.print_page, machine.print_completion),
):
    assay.add_command(_command)


USUAL_CODES = {
    0: "done",
    INTERNAL: "an error of Assay",
    BAD_INPUT: "bad input",
    INTERRUPTED: "interrupted",
}
OWN_CODES = {
    "evaluate": {INTERNAL: "the simulator failed", POLICY_FAILED: "the policy failed"},
    "run": {LOST: "attempts were lost"},
    "sweep": {LOST: "a search could not be run"},
    "bootstrap": {POLICY_FAILED: "no simulator was accepted"},
    "policies check": {POLICY_FAILED: "something is refused"},
    "traces check": {BAD_INPUT: "bad input, or a file is wrong"},
    "db check": {BAD_INPUT: "bad input, or a problem was found"},
    "domains check": {BAD_INPUT: "bad input, or something is wrong"},
    "domains verify": {BAD_INPUT: "bad input, or something differs"},
    "doctor": {NO_SANDBOX: "a check failed"},
    "image": {NO_SANDBOX: "it cannot be built here"},
    "reap": {NO_SANDBOX: "no engine answers"},
}
"""What a code means for one command where that is not the usual."""


def _say_codes(group: click.Group, *path: str) -> None:
    """Let the help of each command end with its exit codes."""
    for name, command in group.commands.items():
        words = (*path, name)
        if isinstance(command, click.Group):
            _say_codes(command, *words)
            continue
        cells = any(each.name == "cell" for each in command.params)
        codes = USUAL_CODES | ({NO_SANDBOX: "no sandbox"} if cells else {})
        codes |= OWN_CODES.get(" ".join(words), {})
        listed = ", ".join(f"{code} {what}" for code, what in sorted(codes.items()))
        command.epilog = f"Exit codes: {listed}."


_say_codes(assay)
