"""What ``assay domains check`` finds in a folder, asked in a process that may hang or die.

``python -m flows.cli.domain_checks FOLDER PIPE`` is that process.
"""

from __future__ import annotations

import json
import math
import os
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryFile
from typing import IO, Any

import msgspec

from flows.bootstrap import folder_checks
from flows.bootstrap.certificate import changed_files
from flows.bootstrap.verify import bootstrap_domain
from flows.prompting.templates import render_text
from sandbox.limits import Limits
from sandbox.screen import screen
from sandbox.source import malformed_because
from simulator import promises
from simulator.bootstrap.host import ASSEMBLER
from simulator.contract import Contract
from simulator.domain import CellHalf, Domain, open_domain
from simulator.domain_host import HostHalf
from simulator.driver import LocalPolicy, PolicyDriver
from simulator.errors import InputError, PolicyFailure
from simulator.sealed.certificate import (
    accepted_numbers,
    accepted_simulators,
    names_of,
    read_certificate,
)
from simulator.suites import load_suite, suite_names, suite_path, suites_folder
from simulator.textfile import one_line

DECISIONS = 200
"""Random decisions in a check."""
DISGUISES = 20
"""Pairs of scenarios in a check that a policy must not tell apart."""
MEMORY_MB = 8192
"""Of address space, for the process in which the code of a domain runs."""
START_SECONDS = 60.0
"""For the start of that process, in which nothing of the domain has a part."""
READ_BYTES = 1 << 16
HOST, PAGE = "host.py", "contract.md"
NO_PAGE = f"there is no {PAGE}, which tells the authors of policies what they may use"
ENDS = "the process of the checks comes to its end"
HOST_NAMES = tuple(name for name in vars(HostHalf) if not name.startswith("_"))

Keeps = Callable[[str, Callable[[], Iterable[str]]], bool]
"""Checks a promise by its name and its problems; tells whether there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What a domain should keep, and a sentence for each way in which it does not."""

    name: str
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems


def checks_of(domain: Domain, seconds: float) -> Iterator[Check]:
    """Check a domain in a process of its own, one promise after the other.

    Whatever is wrong with the code of a domain is a problem of it, and a sentence: also that a
    promise took more than ``seconds``, or that the process died of it.
    """
    paths = [str(Path(__file__).resolve().parents[2]), *filter(None, sys.path)]
    hearing, telling = os.pipe()
    with os.fdopen(hearing, "rb") as told, TemporaryFile() as printed:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, str(domain.root), str(telling)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            pass_fds=(telling,),
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            start_new_session=True,
        )
        os.close(telling)
        begun = ENDS
        try:
            for line in _lines(told, seconds):
                match json.loads(line):
                    case {"begun": str(begun)}:
                        pass
                    case {"ended": problems}:
                        yield Check(name=begun, problems=tuple(problems))
                        begun = ENDS
                    case _:
                        return
            yield Check(name=begun, problems=(_died(child, printed),))
        except TimeoutError:
            problem = f"it does not end within {seconds:g} s, so nothing after it was checked"
            yield Check(name=begun, problems=(problem,))
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _lines(told: IO[bytes], seconds: float) -> Iterator[bytes]:
    """Yield lines as they come; raise ``TimeoutError`` where one takes too long."""
    rest = b""
    ends = time.monotonic() + max(seconds, START_SECONDS)
    while select.select([told], [], [], max(0.0, ends - time.monotonic()))[0]:
        data = os.read(told.fileno(), READ_BYTES)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        yield from lines
        if lines:
            ends = time.monotonic() + seconds
    raise TimeoutError


def _died(child: subprocess.Popen[bytes], printed: IO[bytes]) -> str:
    """Return how the process of the checks ended, with the last line that it printed."""
    code = child.wait()
    how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
    printed.seek(0)
    lines = printed.read()[-READ_BYTES:].decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    said = f"; the last line that it printed: {last[:300]}" if last else ""
    return f"the process ended with {how}, so nothing after it was checked{said}"


def main() -> None:
    """Check the folder that is named and tell what is found through the pipe that is named.

    What the code of the domain prints does not get in between.
    """
    telling = int(sys.argv[2])
    os.set_inheritable(telling, False)
    memory = MEMORY_MB << 20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    with os.fdopen(telling, "w", encoding="utf-8") as file:

        def tell(**message: Any) -> None:
            print(json.dumps(message), file=file, flush=True)

        _check(open_domain(Path(sys.argv[1])), tell)
        tell(done=True)


def _check(domain: Domain, tell: Callable[..., None]) -> None:
    """Check one promise after the other; without what they are about there is no more to check."""

    def keeps(name: str, problems: Callable[[], Iterable[str]]) -> bool:
        tell(begun=name)
        found = list(dict.fromkeys(_found(problems)))
        tell(ended=found)
        return not found

    if domain.is_sealed:
        _check_sealed(domain, keeps)
        return
    keeps("domain.toml names what the folder has", lambda: _names(domain))
    loads = keeps("contract.py loads, and without cell.py", lambda: _contract(domain))
    loads &= keeps("cell.py loads and has all functions", lambda: _cell(domain))
    if not loads:
        return
    runs = keeps("the canary runs with the idle policy", lambda: _canary(domain))
    keeps("the policies of the library pass the screen and load", lambda: _screened(domain))
    keeps("the suites can be read", lambda: _suites(domain))
    if runs:
        for name, problems in _promises(domain):
            keeps(name, problems)
        if (domain.root / HOST).is_file():
            keeps("host.py loads, and what it offers can be used", lambda: _host(domain))


def _check_sealed(domain: Domain, keeps: Keeps) -> None:
    """Check a folder that describes a system as data; its simulator runs in cells only."""
    for name, problems in folder_checks.promises(domain):
        if not keeps(name, problems) and name == folder_checks.READABLE:
            return
    keeps("contract.toml names what the folder has", lambda: _names(domain))
    keeps("the policies of the library pass the screen and load", lambda: _screened(domain))
    keeps("the suites can be read", lambda: _suites(domain))
    if (domain.root / ASSEMBLER).is_file():
        keeps(f"{ASSEMBLER} makes simulators that can be tried", lambda: _assembler(domain))
    numbers = accepted_numbers(domain.root)
    if numbers:  # not before assay bootstrap accepted one
        keeps("its simulators are certified", lambda: _certified(domain, numbers))


def _assembler(domain: Domain) -> Iterator[str]:
    writers = bootstrap_domain(domain.root)
    yield from _asked_space(writers, writers.hosted("space"))


def _certified(domain: Domain, numbers: Sequence[int]) -> Iterator[str]:
    accepted_simulators(domain.root)
    for number in numbers:
        simulator, beside = (domain.root / name for name in names_of(number))
        for name in changed_files(simulator, read_certificate(beside)):
            yield f"{beside}: {name} changed since; run assay bootstrap {domain.root} again"


def _found(problems: Callable[[], Iterable[str]]) -> Iterator[str]:
    try:
        yield from problems()
    except (Exception, SystemExit) as error:
        yield _said(error)


def _said(error: BaseException) -> str:
    """Return an error as one line: our own as they are, those of a domain's code with the place."""
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
    known, spec = domain.policy_names(), domain.spec
    named = [("reference", spec.reference), ("example", spec.example)]
    for key, name in (*named, *(("baselines", each) for each in spec.baselines)):
        if name not in known:
            yield f"{key} is {name}, expected a policy in policies/: {', '.join(known) or 'none'}"
    suites = suite_names(domain)
    if spec.suite not in suites:
        yield f"suite is {spec.suite}, expected one of {', '.join(suites) or 'suites/*.toml'}"
    if not domain.text(PAGE) and not domain.is_sealed and not (domain.root / HOST).is_file():
        yield NO_PAGE


def _contract(domain: Domain) -> Iterator[str]:
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
    functions = [name for name in vars(CellHalf) if not name.startswith("_")]
    for name in (*CellHalf.__annotations__, *functions):
        if not hasattr(domain.cell, name):
            yield f"there is no {name} in it"


def _canary(domain: Domain) -> Iterator[str]:
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
        yield from promises.breaks_laws(domain, scenario, run)
    if cell.canary().calls != calls.scored:
        yield f"its calls are {cell.canary().calls}, expected {calls.scored}, which is scored"


def _travels(domain: Domain, scenario: Any) -> Iterator[str]:
    data = domain.cell.encode_scenario(scenario)
    back = domain.cell.decode_scenario(data)
    if back.sha256 != scenario.sha256 or domain.cell.encode_scenario(back) != data:
        yield f"{scenario.name}: encoded and decoded it is another scenario"


def _screened(domain: Domain) -> Iterator[str]:
    for name in domain.policy_names():
        for problem in _refused(domain, domain.policy_source(name)):
            yield f"{name}{problem}"


def _refused(domain: Domain, source: str) -> Iterator[str]:
    """Yield why a policy would not be tried: what the screen finds, and that it does not load."""
    problem = malformed_because(source, Limits().source_bytes)
    if problem is not None:
        yield f": {problem}"
        return
    for finding in screen(source, domain.spec.policy_modules):
        yield f", line {finding.line}: {finding.message}"
    try:
        PolicyDriver(domain.contract, source).load()
    except PolicyFailure as error:
        yield f": {_said(error)}"


def _suites(domain: Domain) -> Iterator[str]:
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
            key = domain.spec.groups
            if key is not None and key not in scenario.settings:
                yield f"{name}: groups is {key}, which is no setting of {scenario.name}"


def _promises(domain: Domain) -> Iterator[tuple[str, Callable[[], Iterable[str]]]]:
    """Yield the promises of every domain, each with what answers by problems."""
    scenarios = [domain.cell.canary(), *_smallest(domain)]
    source = domain.cell.IDLE_POLICY
    with suppress(InputError):  # the first check has told
        source = domain.policy_source(domain.spec.reference)

    def of_all(question: Callable[[Any], list[str]]) -> Callable[[], Iterator[str]]:
        return lambda: (problem for each in scenarios for problem in question(each))

    yield (
        "runs have the figures that domain.toml names",
        lambda: promises.missing_figures(
            domain,
            [
                domain.cell.simulate(each, LocalPolicy(domain.contract, source))
                for each in scenarios
            ],
        ),
    )
    yield (
        "the same run gives the same figures, in another process too",
        of_all(lambda scenario: promises.differs_when_repeated(domain, scenario, source)),
    )
    if hasattr(domain.cell, "disguise"):
        yield (
            f"no message tells what a policy cannot know ({DISGUISES} disguises)",
            of_all(
                lambda scenario: [
                    problem
                    for seed in range(DISGUISES)
                    for problem in promises.leaks(domain, scenario, source, seed)
                ]
            ),
        )
    yield (
        f"no decision breaks the simulator, a law or a bound ({DECISIONS} random ones)",
        lambda: promises.survives_decisions(domain, scenarios, source, DECISIONS).broken,
    )


def _smallest(domain: Domain) -> list[Any]:
    """Return the train scenario of the first suite of which there is least, if there is any."""
    try:
        names = suite_names(domain)
        train = load_suite(names[0], domain).split("train") if names else ()
    except Exception:  # the check of the suites has told
        return []
    return sorted(train, key=lambda each: sum(each.size.values()))[:1]


def _host(domain: Domain) -> Iterator[str]:
    """Ask the host half for all that it offers, as Assay does."""
    offered = [name for name in HOST_NAMES if domain.hosted(name) is not None]
    if "contract_page" not in offered and not domain.text(PAGE):
        yield NO_PAGE
    for name, value in vars(domain.host).items():
        if callable(value) and name not in HOST_NAMES and not name.startswith("_"):
            near = get_close_matches(name, set(HOST_NAMES) - set(offered), 1, 0.8)
            if near and getattr(value, "__module__", "") == f"{domain.package}.host":
                yield f"{name} is nothing that Assay asks for; did you mean {near[0]}?"
    for name in offered:
        if name in ASKED:
            for problem in _found(partial(ASKED[name], domain, domain.hosted(name))):
                yield f"{name}: {problem}"


def _asked_space(domain: Domain, space: Any) -> Iterator[str]:
    """Make policies from the space; each must be one that may be tried, and lead back to itself."""
    genomes = [space.seed_genome(number) for number in range(len(space.SEEDS))]
    if not genomes:
        yield "SEEDS is empty, and a search without a model begins with one of them"
        return

    def drawn() -> list[Any]:
        rng = Random(0)
        mother, father = genomes[0], genomes[-1]
        some = [space.sample(rng), space.random_genome(rng), space.mutate(rng, mother)]
        return [*some, space.crossover(rng, mother, father)]

    if drawn() != drawn():
        yield "equal random generators give different genomes"
    for genome in (*genomes, *drawn()):
        source, title = space.emit(genome, render_text), space.title(genome)
        if not isinstance(title, str):
            yield f"title is {title!r}, expected a text"
        if space.from_source(source) != genome:
            yield f"from_source reads another genome from the policy {title}"
        yield from (f"{title}{problem}" for problem in _refused(domain, source))


def _asked_diagnose(domain: Domain, diagnose: Any) -> Iterator[str]:
    policy = LocalPolicy(domain.contract, domain.policy_source(domain.spec.reference))
    run = domain.cell.simulate(domain.cell.canary(), policy)
    yield from _texts(diagnose([run.metrics], []))
    yield from _texts(diagnose([run.metrics], [run.metrics]))


def _asked_page(domain: Domain, page: Any) -> Iterator[str]:
    if not isinstance(page(*domain.spec.calls.modes), str):
        yield "it returns no text"


def _asked_glance(domain: Domain, glance: Any) -> Iterator[str]:
    table = glance([domain.cell.canary()])
    for row in table.rows:
        if len(row) != len(table.headers):
            yield f"a row has {len(row)} cells, expected {len(table.headers)} as its heads"


def _asked_figures(domain: Domain, figures: Any) -> Iterator[str]:
    json.dumps(figures(domain.cell.canary()))
    yield from ()


def _asked_redraw(domain: Domain, redraw: Any) -> Iterator[str]:
    name = domain.spec.suite
    test = load_suite(name, domain).split("test")
    for scenario in redraw(suite_path(name, domain), test, 1).draw():
        yield from _travels(domain, scenario)


def _asked_published(domain: Domain, published: Any) -> Iterator[str]:
    for name in suite_names(domain):
        found = published(name)
        if found is not None and not isinstance(found.table({})["title"], str):
            yield f"the table beside suite {name} has no title"


def _asked_traces(_domain: Domain, traces: Any) -> Iterator[str]:
    for name, (files, assumed) in traces.formats().items():
        if not isinstance(files, str) or not all(map(math.isfinite, assumed.values())):
            yield f"format {name} does not say what files it takes and what it assumes"


ASKED: dict[str, Callable[[Domain, Any], Iterator[str]]] = {
    "space": _asked_space,
    "diagnose": _asked_diagnose,
    "contract_page": _asked_page,
    "glance": _asked_glance,
    "capacities": _asked_figures,
    "workload_figures": _asked_figures,
    "outline": lambda domain, ask: _texts(ask([domain.cell.canary()])),
    "describe_scenario": lambda domain, ask: _texts(ask(domain.cell.canary())),
    "redraw": _asked_redraw,
    "published": _asked_published,
    "traces": _asked_traces,
}
"""What is asked of each thing that a host half may offer; it answers with problems."""


def _texts(lines: Any) -> Iterator[str]:
    for line in lines:
        if not isinstance(line, str):
            yield f"it returns {line!r}, expected texts"


if __name__ == "__main__":
    main()
