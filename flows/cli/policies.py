"""``assay policies`` and ``assay init``: the library's policies, and files to start from."""

from __future__ import annotations

import ast
import json
import os
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from flows.cli.errors import POLICY_FAILED
from flows.cli.options import (
    DOMAIN,
    FOLDER,
    complete_library_policies,
    complete_policies,
    domain_words,
)
from flows.cli.terminal import excerpt, print_line, print_table
from flows.errors import UserError

if TYPE_CHECKING:
    from sandbox.outcome import Finding
    from simulator.domain import Domain


@click.command("init", short_help="Write a configuration and a policy to start from.")
@click.argument("folder", type=FOLDER, default=Path())
@DOMAIN
def init_folder(folder: Path, domain: Domain) -> int:
    """Write a commented configuration and a policy to start from into FOLDER, or here.

    Nothing is overwritten. The configuration lists every key with its default and meaning.

    \b
      assay init
      assay init night-search
    """
    from flows.settings.page import config_toml
    from simulator.errors import InputError
    from simulator.whole_files import write_texts

    contents = {CONFIG: config_toml(domain), POLICY: starter_policy(domain)}
    there = [name for name in contents if os.path.lexists(folder / name)]
    if there:
        raise UserError(
            f"{' and '.join(str(folder / name) for name in there)} would be overwritten: move "
            "them away, or name another folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    write_texts({folder / name: text for name, text in contents.items()}, InputError)
    print_line(f"{folder / CONFIG}: the configuration of a search, every key with its meaning")
    print_line(f"{folder / POLICY}: a policy to start from")
    config, policy = quote(str(folder / CONFIG)), quote(str(folder / POLICY))
    print_line("next:")
    named = domain_words(domain)
    print_line(f"  assay evaluate{named} {policy}")
    print_line(f"  assay compare{named} {policy} {domain.spec.example}")
    print_line(f"  assay run --config {config}")
    return 0


@click.group(short_help="List and show the library's policies; check your own.")
def policies() -> None:
    """Look at the policies of the library, and check one of your own without running it.

    \b
      assay policies list
      assay policies show right-size > mine.py
      assay policies check mine.py
    """


@policies.command("list")
@DOMAIN
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_policies(domain: Domain, as_json: bool) -> int:
    """List the policies of the library, one line each.

    \b
      assay policies list
    """
    found = [
        {"name": name, "about": _about(name, domain.policy_source(name))}
        for name in domain.policy_names()
    ]
    if as_json:
        print_line(json.dumps({"policies": found}))
        return 0
    print_table("policies of the library", ("name", "what it does"), [[*e.values()] for e in found])
    return 0


@policies.command("show")
@click.argument("name", shell_complete=complete_library_policies)
@DOMAIN
def show_policy(name: str, domain: Domain) -> int:
    """Print the source of the library policy NAME.

    \b
      assay policies show right-size
    """
    from flows.policies import library_name

    known = library_name(name, domain)
    if known is None:
        raise UserError(
            f"unknown policy {name!r}, expected one of {', '.join(domain.policy_names())}; "
            "assay show prints a policy that a search found"
        )
    print_line(domain.policy_source(known).rstrip("\n"))
    return 0


@policies.command("check", short_help="Check a policy file without running it.")
@click.argument("policy", metavar="FILE", shell_complete=complete_policies)
@DOMAIN
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check_policy(policy: str, domain: Domain, as_json: bool) -> int:
    """Check FILE without running it; list what the screen refuses, with lines and columns.

    \b
      assay policies check my_policy.py
    """
    from flows.policies import read_policy
    from sandbox.limits import Limits
    from sandbox.screen import screen
    from sandbox.source import malformed_because

    text = read_policy(policy, domain)
    problem = text.problem
    if text.source is not None:
        problem = malformed_because(text.source, Limits().source_bytes)
    findings: tuple[Finding, ...] = ()
    if problem is None and text.source is not None:
        findings = screen(text.source, domain.spec.policy_modules)
    fine = problem is None and not findings
    if as_json:
        shown = [asdict(each) for each in findings]
        answer = {"candidate": text.candidate, "ok": fine, "problem": problem, "findings": shown}
        print_line(json.dumps(answer))
        return 0 if fine else POLICY_FAILED
    if problem is not None:
        print_line(f"{policy}: {problem}")
    for each in findings:
        where = f"{policy}:{each.line}:{each.column}" if each.line else policy
        print_line(f"{where}: {each.message}")
        if each.source_line.strip():
            print_line(excerpt(each.source_line, each.column))
    if fine:
        print_line(f"{policy}: no problems found; try it with assay evaluate {policy}")
    return 0 if fine else POLICY_FAILED


def _about(name: str, source: str) -> str:
    """Return the first line of a policy's docstring, without the full stop."""
    words = ast.get_docstring(ast.parse(source)) or name
    return words.splitlines()[0].rstrip(".")


CONFIG, POLICY = "assay.toml", "my_policy.py"
STARTER = "starter.txt"
"""The file of a domain with a policy to start from."""


def starter_policy(domain: Domain) -> str:
    """Return a policy to start from: the domain's own for that, else the one that guides show."""
    return domain.text(STARTER) or domain.policy_source(domain.spec.example)
