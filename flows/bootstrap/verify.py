"""Computes a certificate again, from the files beside it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from flows.bootstrap.certificate import changed_files
from flows.bootstrap.examination import (
    Pace,
    Try,
    adequacy,
    adequacy_record,
    check_record,
    for_mutants,
    held_error,
    held_half,
    with_parameters,
)
from flows.trials import Trials
from sandbox.image import source_hash
from sandbox.outcome import Trial
from sandbox.trial import Payload
from simulator.bootstrap.mutants import mutants_of
from simulator.bootstrap.scenario import CheckScenario
from simulator.domain import BOOTSTRAP, Domain, open_domain
from simulator.errors import InputError
from simulator.sealed.certificate import Certificate, read_certificate
from simulator.sealed.shapes import MOST_SIMULATOR_BYTES
from simulator.suites import load_suite
from simulator.textfile import read_text

Told = Callable[[str, int, int], None]
"""Takes what goes on, how much of it is done, and how much there is."""
UNCHANGED = ("name", "kind", "split", "sha256", "seeds", "verdict", "runs")
"""What of a check must come out the same; CPU seconds do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """One thing that was computed again, and a sentence for each way in which it differs."""

    what: str
    problems: tuple[str, ...] = ()


class _Check(BaseModel):
    name: str
    sha256: str


class _Pace(BaseModel):
    times: float = Field(gt=0)
    least_cpu_seconds: float = Field(gt=0)


class _Mutants(BaseModel):
    pace: _Pace | None = None


class _Error(BaseModel):
    error: float


class _Calibration(BaseModel):
    parameters: dict[str, int]
    held_error: _Error


class _Form(BaseModel):
    """What of a certificate is read here; whoever wrote it, it may be anything."""

    seed: int
    hashes: dict[str, str]
    checks: list[_Check]
    mutants: _Mutants
    calibration: _Calibration | None


def _require_form(certificate: Certificate, path: Path) -> None:
    try:
        _Form.model_validate(certificate, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: {where}: {first['msg'].lower()}") from None


def simulator_of(certificate: Path) -> Path:
    """Return the simulator that a certificate is beside; raise ``InputError`` otherwise."""
    path = certificate.parent / f"{certificate.stem.replace('certificate', 'simulator')}.py"
    if not path.is_file():
        raise InputError(f"{path}: there is no such file, and {certificate.name} is about it")
    return path


def bootstrap_domain(folder: Path) -> Domain:
    """Return the domain in which the simulators of a folder are tried."""
    found = open_domain(folder)
    if not found.is_sealed:
        raise InputError(f"{folder}: there is no contract.toml in it")
    return Domain(found.root, BOOTSTRAP)


def say_nothing(_what: str, _done: int, _total: int) -> None:
    """Tell nobody how far it is."""


def verify(
    path: Path, domain: Domain, trials: Trials | None, told: Told = say_nothing
) -> Iterator[Verified]:
    """Yield what was computed again; without ``trials`` only the hashes are."""
    certificate = read_certificate(path)
    _require_form(certificate, path)
    simulator = simulator_of(path)
    changed = changed_files(simulator, certificate)
    yield Verified(
        what="the files are those that it is about",
        problems=tuple(f"{name} has another hash" for name in changed),
    )
    checks = _checks(domain, certificate)
    wrong = [f"{each['name']} is no check of laws.toml" for each in certificate["checks"]]
    known = {(each.name, each.sha256) for each in checks}
    yield Verified(
        what="the checks are those of laws.toml",
        problems=tuple(
            sentence
            for sentence, each in zip(wrong, certificate["checks"], strict=True)
            if (each["name"], each["sha256"]) not in known
        )
        + tuple(
            f"{name} is a check of laws.toml, and not in the certificate"
            for name, sha256 in sorted(known)
            if sha256 not in {each["sha256"] for each in certificate["checks"]}
        ),
    )
    if certificate["hashes"].get("image") != source_hash():
        yield Verified(what="made with another version of Assay: everything may still be equal")
    if trials is None:
        return
    tried = partial(_tried, domain, trials)
    yield from _results(
        certificate,
        read_text(simulator, InputError, MOST_SIMULATOR_BYTES),
        checks,
        domain,
        tried,
        told,
    )


def _results(
    certificate: Certificate,
    source: str,
    checks: Sequence[CheckScenario],
    domain: Domain,
    tried: Try,
    told: Told,
) -> Iterator[Verified]:
    trial = tried(source, "checks", checks)
    ended = {each.scenario: each for each in trial.evaluations}
    recorded = {each["name"]: each for each in certificate["checks"]}
    differ = []
    for each in checks:
        if each.name not in recorded:
            continue
        if each.name not in ended:
            differ.append(f"{each.name}: it was not tried: {trial.outcome}")
            continue
        now = check_record(each, ended[each.name])
        for key in UNCHANGED:
            if now.get(key) != recorded[each.name].get(key):
                words = (
                    f"{key} is {now.get(key)}, the certificate says {recorded[each.name].get(key)}"
                )
                differ.append(f"{each.name}: {words}")
    yield Verified(what=f"{len(checks)} checks come out as they did", problems=tuple(differ))

    first = [each for each in checks if each.split != "test"]
    folder = domain.cell.folder  # type: ignore[attr-defined]
    try:
        mutants = mutants_of(source, folder.laws.mutants, certificate["seed"])
    except InputError as refusal:
        yield Verified(what="no mistakes can be made in it on purpose", problems=(str(refusal),))
        return
    recorded_pace = certificate["mutants"].get("pace")
    pace = None if recorded_pace is None else Pace(**recorded_pace)
    tested = adequacy(for_mutants(first, ended, pace), mutants, tried, partial(_one_by_one, told))
    held = [each.name for each in first if each.split == "validation"]
    now = adequacy_record(tested, held, pace)
    same = now == certificate["mutants"]
    yield Verified(
        what=f"{now['killed']} of {now['made']} mutants are noticed",
        problems=() if same else (f"the certificate says {certificate['mutants']}",),
    )
    if certificate["calibration"] is not None:
        parameters = certificate["calibration"]["parameters"]
        rows = held_half(folder, certificate["seed"])
        error = held_error(source, rows, parameters, certificate["seed"], tried)
        said = certificate["calibration"]["held_error"]["error"]
        yield Verified(
            what=f"the error on the figures that were not fitted is {100 * error.distance:.2f} %",
            problems=() if round(error.distance, 6) == said else (f"the certificate says {said}",),
        )


def _one_by_one(told: Told, call: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    done = []
    for each in items:
        done.append(call(each))
        told("mutants tried", len(done), len(items))
    return done


def _checks(domain: Domain, certificate: Certificate) -> list[CheckScenario]:
    parameters = (certificate["calibration"] or {}).get("parameters", {})
    suite = load_suite(domain.spec.suite, domain)
    found: list[Any] = [
        each for split in ("train", "validation", "test") for each in suite.split(split)
    ]
    return [with_parameters(e, parameters) if e.split == "test" else e for e in found]


def _tried(
    domain: Domain, trials: Trials, source: str, _label: str, checks: Sequence[CheckScenario]
) -> Trial:
    payloads = [Payload(name=each.name, data=domain.cell.encode_scenario(each)) for each in checks]
    return trials.try_policy(source, payloads)
