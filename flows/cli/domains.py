"""``assay domains``: the systems whose policies Assay can judge, and the check of a new one."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.errors import BAD_INPUT
from flows.cli.options import CELLS, FILE, FOLDER
from flows.cli.terminal import print_line, print_table

if TYPE_CHECKING:
    from simulator.domain import Domain

DECISIONS = 200
"""Random decisions in a check."""
DISGUISES = 20
"""Pairs of scenarios in a check that a policy must not tell apart."""


@click.group(short_help="List, show and check domains: the systems that policies schedule.")
def domains() -> None:
    """List the domains, show one, and check a folder with one of your own.

    A domain is a kind of system that policies schedule, as one folder. See docs/domains.md.

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
    """Print what a domain says of itself: objectives, figures, policies, suites.

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
                print_line(f"  {name_}: {text}")
        else:
            print_line(f"{key}: {', '.join(value) if isinstance(value, list) else value}")
    return 0


@domains.command("check", short_help="Check a folder with a domain; say what is wrong.")
@click.argument("folder", type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check_domain(folder: Path, as_json: bool) -> int:
    """Check the domain in FOLDER: what it says of itself, and the promises of every domain.

    Its modules are imported and its policies run in this process, so check only code that you
    trust. Exit code 2: something is wrong.

    \b
      assay domains check my_domain
    """
    from simulator.domain import open_domain

    checks = []
    for check in checks_of(open_domain(folder)):
        checks.append(check)
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
    print_line(f"change them, then: assay domains check {name}; assay bootstrap {name}")
    return 0


@domains.command("verify", short_help="Compute the certificate of a simulator again.")
@click.argument("certificate", type=FILE)
@click.option("--quick", is_flag=True, help="Compare the hashes only.")
@click.option("--cell", type=CELLS, default="docker", show_default=True, help="Where checks run.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify_certificate(certificate: Path, quick: bool, cell: str, as_json: bool) -> int:
    """Compute CERTIFICATE again from the files beside it: hashes, checks, mutants, errors.

    It speaks of what was tried, and proves nothing else. Exit code 2: something differs.

    \b
      assay domains verify my-system/certificate.json
    """
    from contextlib import nullcontext

    from flows.bootstrap.verify import bootstrap_domain, verify
    from flows.cli.bootstrap import LIMITS
    from flows.cli.machine import check_cell
    from sandbox.limits import Limits
    from sandbox.trial import Sandbox

    domain = bootstrap_domain(certificate.parent)
    found = []
    if not quick:
        check_cell(cell)
    limits = Limits(**{key.partition(".")[2]: value for key, value in LIMITS.items()})
    opened = Sandbox(limits, ready=False, cell=cell, domain=domain)
    with nullcontext(None) if quick else opened as trials:
        for each in verify(certificate, domain, trials):
            found.append(Check(name=each.what, problems=each.problems))
            if not as_json:
                _print_check(found[-1])
    fine = all(each.ok for each in found)
    if as_json:
        print_line(json.dumps({"ok": fine, "checks": [asdict(each) for each in found]}))
    elif fine:
        print_line(f"{certificate}: accepted, and computed again with the same result")
    return 0 if fine else BAD_INPUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What a domain should keep, and a sentence for each way in which it does not."""

    name: str
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems


def _print_check(check: Check) -> None:
    print_line(f"{'ok ' if check.ok else 'BAD'} {check.name}")
    for problem in check.problems:
        print_line(f"    {problem}")


def checks_of(domain: Domain) -> Iterator[Check]:
    """Check a domain, one promise after the other; without its modules there is no more to check.

    Whatever is wrong with the code of a domain is a problem of it, and a sentence.
    """
    if domain.is_sealed:
        yield from _checks_of_sealed(domain)
        return
    yield _checked("domain.toml names what the folder has", lambda: _names(domain))
    loads = [
        _checked("contract.py loads, and without cell.py", lambda: _contract(domain)),
        _checked("cell.py loads and has all functions", lambda: _cell(domain)),
    ]
    yield from loads
    if not all(check.ok for check in loads):
        return
    canary = _checked("the canary runs with the idle policy", lambda: _canary(domain))
    yield canary
    yield _checked(
        "the policies of the library pass the screen and load", lambda: _screened(domain)
    )
    yield _checked("the suites can be read", lambda: _suites(domain))
    if canary.ok:
        yield from _promises(domain)


def _checks_of_sealed(domain: Domain) -> Iterator[Check]:
    """Check a folder that describes a system as data; its simulator runs in cells only."""
    from flows.bootstrap import folder_checks

    for name, problems in folder_checks.promises(domain):
        check = _checked(name, problems)
        yield check
        if not check.ok and name == folder_checks.READABLE:
            return
    yield _checked("contract.toml names what the folder has", lambda: _names(domain))
    yield _checked(
        "the policies of the library pass the screen and load", lambda: _screened(domain)
    )
    yield _checked("the suites can be read", lambda: _suites(domain))
    if (domain.root / "simulator.py").is_file():  # not before assay bootstrap accepted one
        yield _checked("its simulator is certified", lambda: _certified(domain))


def _certified(domain: Domain) -> Iterator[str]:
    from flows.bootstrap.certificate import refuse_uncertified
    from flows.errors import UserError

    try:
        refuse_uncertified(domain.root)
    except UserError as error:
        yield str(error)


def _checked(name: str, problems: Callable[[], Iterator[str]]) -> Check:
    found: list[str] = []
    try:
        found.extend(problems())
    except (Exception, SystemExit) as error:
        found.append(_said(error))
    return Check(name=name, problems=tuple(dict.fromkeys(found)))


def _said(error: BaseException) -> str:
    """Return an error as one line: our own as they are, those of a domain's code with the place."""
    from simulator.errors import InputError, PolicyFailure
    from simulator.textfile import one_line

    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, PolicyFailure):
        failure = error.failure
        return one_line(f"a policy failed ({failure.kind}, line {failure.line}): {failure.message}")
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}, line {frames[-1].lineno}: " if frames else ""
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{error.filename}, line {error.lineno}: "
    return where + one_line(f"{type(error).__name__}: {error}")


def _names(domain: Domain) -> Iterator[str]:
    from simulator.suites import suite_names

    known, spec = domain.policy_names(), domain.spec
    named = [("reference", spec.reference), ("example", spec.example)]
    for key, name in (*named, *(("baselines", each) for each in spec.baselines)):
        if name not in known:
            yield f"{key} is {name}, expected a policy in policies/: {', '.join(known) or 'none'}"
    suites = suite_names(domain)
    if spec.suite not in suites:
        yield f"suite is {spec.suite}, expected one of {', '.join(suites) or 'suites/*.toml'}"
    if not domain.text("contract.md") and domain.host is None:
        yield "there is no contract.md, which tells the authors of policies what they may use"


def _contract(domain: Domain) -> Iterator[str]:
    import msgspec

    from simulator.contract import Contract

    fresh = f"{domain.package}.cell" not in sys.modules
    contract: object = domain.contract
    if not isinstance(contract, Contract):
        yield f"CONTRACT is a {type(contract).__name__}, expected a Contract"
        return
    if fresh and f"{domain.package}.cell" in sys.modules:
        yield "it imports cell.py: the process of a policy must never hold the simulator"
    dialogue = contract.dialogue
    wanted = {"observation": ("step", "quiet_until"), "decision": ("step", "calls", "size")}
    for part in ("setup", "observation", "decision"):
        kind = getattr(dialogue, part)
        if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
            yield f"the {part} is {kind!r}, expected a msgspec.Struct"
            continue
        for name in wanted.get(part, ()):
            if not hasattr(kind, name):
                yield f"{kind.__name__} has no {name}, which every {part} needs"
            elif callable(getattr(kind, name)):
                yield f"{kind.__name__}.{name} is a method, expected a number or a property"


def _cell(domain: Domain) -> Iterator[str]:
    from simulator.domain import CellHalf

    functions = [name for name in vars(CellHalf) if not name.startswith("_")]
    for name in (*CellHalf.__annotations__, *functions):
        if not hasattr(domain.cell, name):
            yield f"there is no {name} in it"


def _canary(domain: Domain) -> Iterator[str]:
    from simulator.driver import LocalPolicy
    from simulator.promises import breaks_laws

    cell, calls = domain.cell, domain.spec.calls
    for mode in calls.modes:
        scenario = cell.with_calls(cell.canary(), mode)
        if scenario.calls != mode:
            yield f"with_calls(canary, {mode!r}) has calls {scenario.calls!r}"
        yield from _travels(domain, scenario)
        idle = LocalPolicy(domain.contract, cell.IDLE_POLICY)
        run = cell.simulate(scenario, idle)
        if run.policy_calls == 0:
            yield f"with calls {mode} it never calls the policy"
        yield from breaks_laws(domain, scenario, run)
    if cell.canary().calls != calls.scored:
        yield f"its calls are {cell.canary().calls}, expected {calls.scored}, which is scored"


def _travels(domain: Domain, scenario: Any) -> Iterator[str]:
    data = domain.cell.encode_scenario(scenario)
    back = domain.cell.decode_scenario(data)
    if back.sha256 != scenario.sha256 or domain.cell.encode_scenario(back) != data:
        yield f"{scenario.name}: encoded and decoded it is another scenario"


def _screened(domain: Domain) -> Iterator[str]:
    from sandbox.limits import Limits
    from sandbox.screen import screen
    from sandbox.source import malformed_because
    from simulator.driver import PolicyDriver
    from simulator.errors import PolicyFailure

    for name in domain.policy_names():
        source = domain.policy_source(name)
        problem = malformed_because(source, Limits().source_bytes)
        if problem is not None:
            yield f"{name}: {problem}"
            continue
        for finding in screen(source, domain.spec.policy_modules):
            yield f"{name}, line {finding.line}: {finding.message}"
        try:
            PolicyDriver(domain.contract, source).load()
        except PolicyFailure as error:
            yield f"{name}: {_said(error)}"


def _suites(domain: Domain) -> Iterator[str]:
    from simulator.suites import load_suite, suite_names, suites_folder

    if not suite_names(domain):
        yield f"there is none in {suites_folder(domain)}"
    for name in suite_names(domain):
        suite = load_suite(name, domain)
        for split in ("train", "validation"):
            if not suite.split(split):
                yield f"{name} has no {split} scenarios, and a search needs some"
        for scenario in suite.scenarios:
            yield from _travels(domain, scenario)
            if scenario.calls != domain.spec.calls.scored:
                yield f"{name}: {scenario.name} has calls {scenario.calls}, which are not scored"


def _promises(domain: Domain) -> Iterator[Check]:
    from simulator import promises

    scenarios, source = [domain.cell.canary()], domain.cell.IDLE_POLICY
    try:
        scenarios += _smallest(domain)
        source = domain.policy_source(domain.spec.reference)
    except Exception as error:  # the checks before have told
        yield Check(name="there is something to try the promises on", problems=(_said(error),))

    def of_all(question: Callable[[Any], list[str]]) -> Callable[[], Iterator[str]]:
        return lambda: (problem for each in scenarios for problem in question(each))

    yield _checked(
        "the same run gives the same figures, in another process too",
        of_all(lambda scenario: promises.differs_when_repeated(domain, scenario, source)),
    )
    if hasattr(domain.cell, "disguise"):
        yield _checked(
            f"no message tells what a policy cannot know ({DISGUISES} disguises)",
            of_all(
                lambda scenario: [
                    problem
                    for seed in range(DISGUISES)
                    for problem in promises.leaks(domain, scenario, source, seed)
                ]
            ),
        )
    yield _checked(
        f"no decision breaks the simulator, a law or a bound ({DECISIONS} random ones)",
        lambda: iter(promises.survives_decisions(domain, scenarios, source, DECISIONS).broken),
    )


def _smallest(domain: Domain) -> list[Any]:
    """Return the train scenario of the first suite of which there is least."""
    from simulator.suites import load_suite, suite_names

    names = suite_names(domain)
    train = load_suite(names[0], domain).split("train") if names else ()
    return sorted(train, key=lambda each: sum(each.size.values()))[:1]
