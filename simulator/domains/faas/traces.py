"""Scenarios in files for the commands about workloads, as ``simulator.domain_host.Traces``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Never

from simulator.domain import SHIPPED, Domain
from simulator.domain_host import ImportWishes, Toml, Written
from simulator.domains.faas.cell import open_scenario
from simulator.domains.faas.importers import (
    Selection,
    import_azure_2019,
    import_azure_2021,
    write_scenario,
)
from simulator.domains.faas.scenario import Scenario
from simulator.errors import InputError
from simulator.readers.formats import azure_formats, file_sha256, find_format
from simulator.suites import is_suite_file, load_suite, suite_names

FORMATS = {each.name: each for each in azure_formats(import_azure_2019, import_azure_2021)}
BY_HAND = "write scenario.toml by hand, with [[traffic]] tables: assay docs faas, section 2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found in one file; ``problems`` is empty if it can be used as it is."""

    file: str
    size: str = ""
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def open_trace(path: Path, params: Path | None) -> Scenario:
    """Return the scenario in a folder or TOML file, which has all of its own parameters."""
    if params is not None:
        raise InputError(f"{path} has its own parameters: leave out --params {params}")
    return open_scenario(path)


def check(names: Sequence[str]) -> list[Checked]:
    """Return what is right and wrong with scenarios, or with all suites that ship."""
    domain = Domain(SHIPPED / "faas")
    if not names:
        return [_checked_suite(name, domain) for name in suite_names(domain)]
    return [
        _checked_suite(name, domain) if _is_suite(name, domain) else _checked(Path(name))
        for name in names
    ]


def formats() -> dict[str, tuple[str, Mapping[str, float]]]:
    """Return for each format the files that it takes and the figures that it assumes."""
    return {name: (each.files, each.defaults) for name, each in FORMATS.items()}


def import_files(
    name: str, files: Sequence[Path], out: Path, wishes: ImportWishes, toml: Toml
) -> Written:
    """Write the invocations in ``files`` as a scenario's folder; equal files, equal bytes."""
    if out.suffix or out.is_file():
        raise InputError(f"--out is {out}, expected a folder: a scenario has two files")
    if wishes.steps_per_second is not None:
        raise InputError("--steps-per-second has no meaning here: times are in microseconds")
    chosen = find_format(name, FORMATS)
    places, default = chosen.places(files), Selection()
    chosen.check_window(wishes.start_seconds, wishes.duration_seconds)
    selection = Selection(
        begin_seconds=wishes.start_seconds,
        window_seconds=wishes.duration_seconds or default.window_seconds,
        limit=wishes.limit,
        sample=wishes.sample,
        seed=wishes.seed,
    )
    assumed = chosen.assumed(wishes.assume)
    imported = chosen.function(*places, selection, **assumed)
    write_scenario(imported, out)
    header = {
        "source": imported.source,
        "format": chosen.name,
        "licence": imported.licence,
        "files": [{"name": path.name, "sha256": file_sha256(path)} for path in files],
        "begin_seconds": imported.begin_seconds,
        "window_seconds": selection.window_seconds,
        "seed": selection.seed,
        "sample": selection.sample,
        "read": {"invocations": imported.invocations},
        "taken": {
            "invocations": imported.taken,
            "functions": imported.functions,
            "tenants": imported.tenants,
        },
        "left_out": [{"reason": why, "invocations": count} for why, count in imported.left_out],
        "assumptions": list(imported.assumptions),
        "assumed": {**chosen.defaults, **assumed},
    }
    lines = [
        f"{imported.taken} invocations of {imported.functions} functions and {imported.tenants} "
        f"tenants are in {out}; source and assumptions are in its scenario.toml",
        *(f"  left out: {count} invocations {reason}" for reason, count in imported.left_out),
        *(f"  assumed: {each}" for each in imported.assumptions),
    ]
    return Written(trace=out, header=header, lines=lines)


def generate(params: Path, out: Path, draws: str | None, toml: Toml) -> Never:
    """Refuse: a file that describes traffic is a scenario already."""
    raise InputError(f"{params}: a scenario that describes its traffic needs no trace; {BY_HAND}")


def make_suite(traces: Sequence[Path], out: Path, wishes: object, toml: Toml) -> Never:
    """Refuse: suites of this domain are written by hand."""
    raise InputError(
        f"{out}: suites of faas are not made from traces; list the scenarios in a suite file: "
        "assay docs faas-suites"
    )


def _is_suite(name: str, domain: Domain) -> bool:
    path = Path(name)
    if path.exists():
        return path.suffix == ".toml" and path.is_file() and is_suite_file(path)
    return name in suite_names(domain)


def _checked(path: Path) -> Checked:
    try:
        scenario = open_scenario(path)
    except InputError as error:
        return Checked(file=str(path), problems=(str(error),))
    size = ", ".join(f"{count} {what}" for what, count in scenario.size.items())
    return Checked(file=str(path), size=size)


def _checked_suite(name: str, domain: Domain) -> Checked:
    try:
        suite = load_suite(name, domain)
    except InputError as error:
        return Checked(file=name, problems=(str(error),))
    count = len(suite.scenarios)
    return Checked(file=name, size=f"{count} scenario{'s' if count != 1 else ''}")
