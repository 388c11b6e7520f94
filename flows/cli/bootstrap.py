"""``assay bootstrap``: a simulator is written, checked and, if all goes well, accepted."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli import searches
from flows.cli.errors import POLICY_FAILED
from flows.cli.machine import check_cell
from flows.cli.options import FOLDER
from flows.cli.terminal import print_line, print_prose
from flows.home import home_folder
from flows.settings.sources import assignments, read_dotenv

if TYPE_CHECKING:
    from flows.experiment import Finished

NOT_HERE = (
    "domain",
    "suite",
    "objective",
    "fresh_test",
    "prompts",
    "feedback",
    "name",
    "baselines",
)
"""Options of a search of policies that mean nothing here, or something else."""
LIMITS = {
    "limits.policy_cpu_seconds": 60.0,
    "limits.simulator_cpu_seconds": 120.0,
    "limits.candidate_cpu_seconds": 1200.0,
    "limits.wall_seconds": 600.0,
    "limits.candidate_wall_seconds": 3600.0,
}
"""A check has a limit of its own; these only have to be above it."""


@click.command("bootstrap", short_help="Search for a simulator and accept it by checks.")
@click.argument("folder", type=FOLDER)
@click.option(
    "--name",
    metavar="TEXT",
    help="Name of the experiment.  [default: bootstrap- and the system's]",
)
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    metavar="NAME",
    help="A simulator of simulators/ to begin with; may be repeated.",
)
@click.option(
    "--another",
    is_flag=True,
    help="Search for one more simulator, beside those that are accepted already.",
)
def bootstrap_command(
    folder: Path,
    another: bool,
    config: Path | None,
    direct: bool,
    verbose: bool,
    quiet: bool,
    as_json: bool,
    settings: Sequence[str],
    **flags: Any,
) -> int:
    """Search for a simulator of the system in FOLDER until one passes every check.

    Candidates are simulators. The checks of laws.toml that are shown guide the proposer; those that
    are held decide and are never told. What passes both is examined: small mistakes are made in it
    to see whether the checks notice, its parameters are fitted to figures.csv if there is one, and
    the final checks are touched once. Then simulator.py and certificate.json are written into
    FOLDER. The same command again continues an interrupted search.

    With --another a second one is searched, under a name and with a seed of its own, and written as
    simulator-2.py with certificate-2.json: a search of policies then promotes only what is better
    on each of them. What both get wrong alike is not found so: let another author write it.

    \b
      assay domains new my-system
      assay bootstrap my-system --proposer openai --model gpt-5-mini --dollars 5
      assay bootstrap my-system --direct --cell process --candidates 200
      assay bootstrap my-system --another --proposer openai --model another-model
    """
    from flows.bootstrap.verify import bootstrap_domain
    from flows.proposers.replay import recorded_settings
    from flows.settings.search import load_config
    from simulator.sealed.certificate import accepted_numbers

    domain = bootstrap_domain(folder)
    before = len(accepted_numbers(domain.root)) if another else 0
    replayed = flags.get("replay") if config is None else None
    recorded = recorded_settings(home_folder(), replayed) if replayed else {}
    given = {
        "name": f"{domain.name}-{before + 1}" if before else domain.name,
        **({"seed": before} if before and config is None else {}),
        **({"another": True} if before else {}),
        **(LIMITS if config is None else {}),
        **recorded,
        **assignments(settings),
        **searches.overrides(flags),
        **searches.same_source(recorded),
        "domain": domain.setting,
    }
    chosen = load_config(config, given, os.environ, read_dotenv())
    check_cell(chosen.cell)
    finished = searches.run_shown(
        chosen, direct=direct, verbose=verbose, quiet=quiet, as_json=as_json
    )
    kept = _keep(finished, domain.root, another=bool(before))
    _print_end(finished, kept, domain.root, as_json)
    return 0 if kept["event"] == "accepted" else POLICY_FAILED


def _keep(finished: Finished, folder: Path, *, another: bool) -> dict[str, Any]:
    """Write what was accepted into the folder, and return what came of it as ``--json`` has it.

    ``another`` must be another program than those that are there.
    """
    from flows.bootstrap.accept import certificate_in
    from flows.bootstrap.certificate import same_as_accepted, write_accepted
    from flows.search.ledger import recorded
    from simulator.sealed.certificate import accepted_numbers, names_of

    accepted = certificate_in(recorded(home_folder(), finished.result.experiment_id))
    if accepted is None:
        reason = "no simulator; the report shows which checks fail, and how"
        return {"event": "not_accepted", "reason": reason}
    same = same_as_accepted(folder, accepted[0])
    if another and same is not None:
        reason = (
            f"no other simulator: it is {names_of(same)[0]} once more, which is no second opinion; "
            "choose another --seed, --model or --baseline"
        )
        return {"event": "not_accepted", "reason": reason}
    simulator, certificate = write_accepted(folder, *accepted)
    mutants = accepted[1]["mutants"]
    return {
        "event": "accepted",
        "simulator": str(simulator),
        "certificate": str(certificate),
        "mutants": mutants["made"],
        "survivors": len(mutants["survivors"]),
        "simulators": len(accepted_numbers(folder)),
    }


def _print_end(finished: Finished, kept: dict[str, Any], folder: Path, as_json: bool) -> None:
    from flows.cli.watching import ended_line

    if as_json:
        print_line(json.dumps(kept))
        print_line(ended_line(finished))
        return
    searches.print_end(finished, judged=False)  # the certificate is the verdict
    if kept["event"] != "accepted":
        print_prose(f"accepted:    {kept['reason']}")
        return
    print_line(f"accepted:    {_short(Path(kept['simulator']))}")
    print_line(f"certificate: {_short(Path(kept['certificate']))}")
    if kept["survivors"]:
        print_prose(
            f"{kept['survivors']} of {kept['mutants']} small mistakes in it would not be noticed; "
            "the certificate lists them: write checks that would, or see that they change nothing"
        )
    if kept["simulators"] > 1:
        print_prose(
            f"{kept['simulators']} simulators are accepted here: from now on a policy is promoted "
            "only where it is better on each of them"
        )
    short = _short(folder)
    place = short if Path(short).is_absolute() else f"./{short}"
    print_line(f"next:        assay run --domain {shlex.quote(place)}")


def _short(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


bootstrap_command.params += [
    each for each in searches.run_command.params if each.name not in NOT_HERE
]
