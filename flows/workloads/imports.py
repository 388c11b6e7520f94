"""Public workload formats by name, and how a command's options become an importer's arguments."""

import hashlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from flows.errors import UserError
from simulator.importers.alibaba_2018 import import_alibaba_2018
from simulator.importers.azure_2019 import import_azure_2019
from simulator.importers.azure_2021 import import_azure_2021
from simulator.importers.records import Imported
from simulator.importers.swf import import_swf
from simulator.importers.wfcommons import import_wfcommons
from simulator.textfile import show
from simulator.tracefile import MAX_TRACE_NUMBER

NOT_ASSUMED = (
    "begin_seconds", "window_seconds", "first_minute", "minutes", "ticks_per_second", "limit"
)  # fmt: skip
MINUTE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format: ``least`` to ``most`` files in the order that ``files`` names them."""

    name: str
    files: str
    function: Callable[..., Imported]
    least: int = 1
    most: int | None = 1


FORMATS = {
    each.name: each
    for each in (
        Format(
            name="azure-2019",
            files="INVOCATIONS DURATIONS [MEMORY] of one day",
            function=import_azure_2019,
            least=2,
            most=3,
        ),
        Format(name="azure-2021", files="INVOCATIONS", function=import_azure_2021),
        Format(name="alibaba-2018", files="BATCH_TASK", function=import_alibaba_2018),
        Format(name="wfcommons", files="WORKFLOW...", function=import_wfcommons, most=None),
        Format(name="swf", files="LOG", function=import_swf),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which part of the data is taken; None leaves a value to the importer."""

    start_seconds: float | None = None
    duration_seconds: float | None = None
    limit: int | None = None
    seed: int = 0
    ticks_per_second: int | None = None
    assume: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """An imported workload, its clock, and everything that its header must tell."""

    imported: Imported
    ticks_per_second: int
    header: dict[str, Any]


def run_import(chosen: Format, files: Sequence[Path], selection: Selection) -> ImportResult:
    """Return the workload in ``files``; equal files and selection give an equal workload."""
    _check_count(chosen, files)
    known = inspect.signature(chosen.function).parameters
    defaults = {
        name: each.default for name, each in known.items() if each.kind is each.KEYWORD_ONLY
    }
    window = _window(chosen, defaults, selection)
    assumed = _assumptions(chosen, defaults, selection.assume)
    settings: dict[str, Any] = {**window, **assumed}
    if selection.ticks_per_second is not None:
        settings["ticks_per_second"] = selection.ticks_per_second
    if "limit" in defaults:
        settings["limit"] = selection.limit
    random = {"rng": np.random.default_rng(selection.seed)} if "rng" in defaults else {}
    imported = chosen.function(*_places(chosen, files), **settings, **random)
    if selection.limit is not None:
        kept = imported.workload.pipelines[: selection.limit]
        imported = replace(imported, workload=replace(imported.workload, pipelines=kept))
    if not imported.workload.pipelines:
        raise UserError(
            f"nothing in {files[0]} begins in the window taken: choose another --start or "
            f"--duration ({imported.skipped} rows were left out)"
        )
    used = {**defaults, **settings}
    header = _header(chosen, files, imported, used, selection, drawn=bool(random))
    return ImportResult(
        imported=imported, ticks_per_second=int(used["ticks_per_second"]), header=header
    )


def find_format(name: str) -> Format:
    """Return a format by its name."""
    if name not in FORMATS:
        raise UserError(f"unknown format {name!r}, expected {', '.join(FORMATS)}")
    return FORMATS[name]


def _check_count(chosen: Format, files: Sequence[Path]) -> None:
    if len(files) < chosen.least or (chosen.most is not None and len(files) > chosen.most):
        raise UserError(f"{chosen.name} takes {chosen.files}, but {len(files)} files were given")


def _places(chosen: Format, files: Sequence[Path]) -> list[Any]:
    """Return the positional arguments: missing optional files are None, a list is one argument."""
    if chosen.most is None:
        return [list(files)]
    return [*files, *[None] * (chosen.most - len(files))]


def _window(
    chosen: Format, defaults: Mapping[str, Any], selection: Selection
) -> dict[str, int | float]:
    start, duration = selection.start_seconds, selection.duration_seconds
    if "begin_seconds" in defaults:
        given = {"begin_seconds": start, "window_seconds": duration}
        return {key: value for key, value in given.items() if value is not None}
    if "first_minute" not in defaults:
        if start is not None or duration is not None:
            raise UserError(
                f"{chosen.name} has no clock of its own: leave out --start and --duration"
            )
        return {}
    for option, seconds in (("--start", start), ("--duration", duration)):
        if seconds is not None and seconds % MINUTE:
            raise UserError(
                f"{option} is {seconds:g}, expected a multiple of {MINUTE}: {chosen.name} counts "
                "by the minute"
            )
    window: dict[str, int | float] = {}
    if start is not None:
        window["first_minute"] = int(start) // MINUTE + 1
    if duration is not None:
        window["minutes"] = int(duration) // MINUTE
    return window


def _assumptions(
    chosen: Format, defaults: Mapping[str, Any], pairs: Sequence[str]
) -> dict[str, int | float]:
    """Return ``key=value`` pairs as numbers; an importer's other number parameters are the keys."""
    keys = assumption_defaults(chosen)
    found: dict[str, int | float] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or key not in keys:
            allowed = ", ".join(f"{name}={value:g}" for name, value in keys.items())
            raise UserError(
                f"--assume {show(pair)} is unknown, expected of {chosen.name}: "
                f"{allowed or 'nothing, it has no figures to assume'}"
            )
        whole = isinstance(defaults[key], int)
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value <= MAX_TRACE_NUMBER:
            kind = "a whole number" if whole else "a number"
            raise UserError(
                f"--assume {key} is {show(text)}, expected {kind} from 0 to {MAX_TRACE_NUMBER:g}"
            )
        found[key] = value
    return found


def assumption_defaults(chosen: Format) -> dict[str, int | float]:
    """Return the figures that a format assumes and that ``--assume`` changes."""
    return {
        name: each.default
        for name, each in inspect.signature(chosen.function).parameters.items()
        if each.kind is each.KEYWORD_ONLY
        and name not in NOT_ASSUMED
        and isinstance(each.default, int | float)
        and not isinstance(each.default, bool)
    }


def _header(
    chosen: Format,
    files: Sequence[Path],
    imported: Imported,
    used: Mapping[str, Any],
    selection: Selection,
    *,
    drawn: bool,
) -> dict[str, Any]:
    header: dict[str, Any] = {
        "source": imported.source,
        "format": chosen.name,
        "licence": imported.licence,
        "files": [{"name": path.name, "sha256": _file_sha256(path)} for path in files],
    }
    if "begin_seconds" in used:
        header["begin_seconds"] = used["begin_seconds"]
        header["window_seconds"] = used["window_seconds"]
    elif "first_minute" in used:
        header["begin_seconds"] = MINUTE * (used["first_minute"] - 1)
        header["window_seconds"] = MINUTE * used["minutes"]
    if drawn:
        header["seed"] = selection.seed
    if selection.limit is not None:
        header["limit"] = selection.limit
    header["skipped_rows"] = imported.skipped
    header["assumptions"] = list(imported.assumptions)
    header["assumed"] = {key: used[key] for key in assumption_defaults(chosen)}
    return header


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
