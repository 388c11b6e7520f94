"""``assay domains``: the systems whose policies Assay can judge, and the check of a new one."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from flows.cli.errors import BAD_INPUT
from flows.cli.options import CELLS, FILE, FOLDER
from flows.cli.progress import working
from flows.cli.terminal import print_line, print_prose, print_table
from flows.untrusted import counted

if TYPE_CHECKING:
    from flows.cli.domain_checks import Check

CHECK_SECONDS = 300.0
"""For each promise that is checked."""


@click.group(short_help="List, show and check domains: what is simulated.")
def domains() -> None:
    """List the domains, show one, and check a folder with one of your own.

    A domain is a kind of system that policies schedule, as one folder: assay docs domains.

    \b
      assay domains list
      assay domains show ./my_domain
      assay domains check my_domain
    """


@domains.command("list", short_help="List the domains, one line each.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_domains(as_json: bool) -> int:
    """List the domains that come with Assay or are installed; none of them is imported.

    \b
      assay domains list
    """
    from simulator.domain import domain_names, find_domain
    from simulator.errors import InputError

    found = []
    for name in domain_names():
        try:
            domain = find_domain(name)
            about = {
                "version": domain.spec.version,
                "from": "Assay" if domain.is_shipped else str(domain.root),
                "about": domain.spec.title,
            }
        except InputError as error:
            about = {"version": "", "from": "", "about": f"cannot be used: {error}"}
        found.append({"name": name, **about})
    if as_json:
        print_line(json.dumps({"domains": found}))
        return 0
    print_table("domains", ("name", "version", "from", "about"), [[*e.values()] for e in found])
    return 0


@domains.command("show", short_help="Print what a domain says of itself.")
@click.argument("name", metavar="NAME|FOLDER")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show_domain(name: str, as_json: bool) -> int:
    """Print what a domain (NAME or FOLDER) says of itself: objectives, figures, policies, suites.

    \b
      assay domains show ./my_domain
    """
    from simulator.domain import find_domain
    from simulator.suites import suite_names

    domain = find_domain(name)
    spec = domain.spec
    shown: dict[str, Any] = {
        "name": spec.name,
        "version": spec.version,
        "about": spec.title,
        "summary": spec.summary,
        "folder": str(domain.root),
        "trust": domain.trust,
        "sha256": domain.sha256,
        "a step is a": spec.unit_of_step,
        "calls of a policy": f"{spec.calls.scored} (scored), {spec.calls.audit} (audit)",
        "objectives": {
            each.name: f"{each.label}{f' [{each.unit}]' if each.unit else ''}, {each.better} is "
            f"better{'; has a bound' if each.bound else ''}"
            for each in spec.objectives
        },
        "metrics": {each.key: each.label for each in spec.metrics},
        "policies": domain.policy_names(),
        "reference": spec.reference,
        "suites": suite_names(domain),
    }
    if as_json:
        print_line(json.dumps(shown))
        return 0
    for key, value in shown.items():
        if isinstance(value, dict):
            print_line(f"{key}:")
            for name_, text in value.items():
                print_prose(f"  {name_}: {text}")
        else:
            print_prose(f"{key}: {', '.join(value) if isinstance(value, list) else value}")
    return 0


@domains.command("check", short_help="Check a folder with a domain; say what is wrong.")
@click.argument("folder", type=FOLDER)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=CHECK_SECONDS,
    show_default=True,
    metavar="S",
    help="Most seconds for each promise.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check_domain(folder: Path, seconds: float, as_json: bool) -> int:
    """Check the domain in FOLDER: what it says of itself, and the promises of every domain.

    Its modules are imported and its policies run in another process of yours, without a cell, so
    check only code that you trust.

    \b
      assay domains check my_domain
    """
    from flows.cli.domain_checks import checks_of
    from simulator.domain import open_domain

    checks = []
    with working("checking the domain") as told:
        for check in checks_of(open_domain(folder), seconds):
            checks.append(check)
            told(f"{counted(len(checks), 'promise')} checked, checking the next one", 0, 0)
            if not as_json:
                _print_check(check)
    fine = all(check.ok for check in checks)
    if as_json:
        print_line(json.dumps({"ok": fine, "checks": [asdict(check) for check in checks]}))
    elif fine:
        print_line(f"{folder}: no problems found")
    return 0 if fine else BAD_INPUT


@domains.command("new", short_help="Write a commented start for a system of your own.")
@click.argument("name", metavar="NAME")
def new_domain(name: str) -> int:
    """Write a folder NAME with a small queue as data, every key explained: change it.

    \b
      assay domains new my-system
      assay domains check my-system
      assay bootstrap my-system
    """
    from flows.bootstrap.starter_files import write_starter

    for path in write_starter(Path(name), Path(name).name):
        print_line(str(path))
    place = quote(name)
    print_line(f"change them, then: assay domains check {place}; assay bootstrap {place}")
    return 0


@domains.command("verify", short_help="Compute the certificate of a simulator again.")
@click.argument("certificate", type=FILE)
@click.option("--quick", is_flag=True, help="Compare the hashes only.")
@click.option("--cell", type=CELLS, default="docker", show_default=True, help="Where checks run.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify_certificate(certificate: Path, quick: bool, cell: str, as_json: bool) -> int:
    """Compute CERTIFICATE again from the files beside it: hashes, checks, mutants, errors.

    It speaks of what was tried, and proves nothing else.

    \b
      assay domains verify my-system/certificate.json
    """
    from contextlib import nullcontext

    from flows.bootstrap.verify import bootstrap_domain, verify
    from flows.cli.bootstrap import LIMITS
    from flows.cli.domain_checks import Check
    from flows.cli.machine import check_cell
    from sandbox.limits import Limits
    from sandbox.trial import Sandbox
    from simulator.errors import InputError

    if not certificate.is_file():
        raise InputError(f"{certificate}: there is no such file")
    domain = bootstrap_domain(certificate.parent)
    found = []
    if not quick:
        check_cell(cell)
    limits = Limits(**{key.partition(".")[2]: value for key, value in LIMITS.items()})
    opened = Sandbox(limits, ready=False, cell=cell, domain=domain)
    with (
        working("computing the certificate again") as told,
        nullcontext(None) if quick else opened as trials,
    ):
        for each in verify(certificate, domain, trials, told):
            found.append(Check(name=each.what, problems=each.problems))
            if not as_json:
                _print_check(found[-1])
    fine = all(each.ok for each in found)
    if as_json:
        print_line(json.dumps({"ok": fine, "checks": [asdict(each) for each in found]}))
    elif fine:
        print_line(f"{certificate}: accepted, and computed again with the same result")
    return 0 if fine else BAD_INPUT


def _print_check(check: Check) -> None:
    print_line(f"{'ok ' if check.ok else 'BAD'} {check.name}")
    for problem in check.problems:
        print_line(f"    {problem}")
