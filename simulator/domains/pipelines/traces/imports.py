"""Public workload formats by name, and how a command's options become an importer's arguments."""

import hashlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from simulator.domain_host import ImportWishes, Toml, Written
from simulator.domains.pipelines.importers.alibaba_2018 import import_alibaba_2018
from simulator.domains.pipelines.importers.azure_2019 import import_azure_2019
from simulator.domains.pipelines.importers.azure_2021 import import_azure_2021
from simulator.domains.pipelines.importers.records import Imported, Selection
from simulator.domains.pipelines.importers.swf import import_swf
from simulator.domains.pipelines.importers.wfcommons import import_wfcommons
from simulator.domains.pipelines.tracefile import MAX_TRACE_NUMBER
from simulator.domains.pipelines.traces.header import check_out, write_with_header, written
from simulator.errors import InputError
from simulator.textfile import show

MINUTE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format: ``least`` to ``most`` files in the order that ``files`` names them.

    ``clock_seconds`` is the unit that windows are whole multiples of; None is without a clock.
    """

    name: str
    files: str
    function: Callable[..., Imported]
    least: int = 1
    most: int | None = 1
    clock_seconds: int | None = 0


FORMATS = {
    each.name: each
    for each in (
        Format(
            name="azure-2019",
            files="INVOCATIONS DURATIONS [MEMORY] of one day",
            function=import_azure_2019,
            least=2,
            most=3,
            clock_seconds=MINUTE,
        ),
        Format(name="azure-2021", files="INVOCATIONS", function=import_azure_2021),
        Format(name="alibaba-2018", files="BATCH_TASK", function=import_alibaba_2018),
        Format(
            name="wfcommons",
            files="WORKFLOW...",
            function=import_wfcommons,
            most=None,
            clock_seconds=None,
        ),
        Format(name="swf", files="LOG", function=import_swf),
    )
}


def formats() -> dict[str, tuple[str, dict[str, int | float]]]:
    """Return for each format the files that it takes and the figures that it assumes."""
    return {name: (each.files, assumption_defaults(each)) for name, each in FORMATS.items()}


def import_files(
    name: str, files: Sequence[Path], out: Path, asked: ImportWishes, toml: Toml
) -> Written:
    """Write the workload in ``files`` as a trace; equal files and wishes give equal bytes."""
    check_out(out, files)
    chosen = find_format(name)
    _check_count(chosen, files)
    selection = _selection(chosen, asked)
    figures = assumption_defaults(chosen)
    assumed = _assumptions(chosen, figures, asked.assume)
    imported = chosen.function(*_places(chosen, files), selection, **assumed)
    header = _header(chosen, files, imported, selection, {**figures, **assumed})
    rate = selection.ticks_per_second
    return written(out, write_with_header(imported.workload, out, rate, header, toml))


def find_format(name: str) -> Format:
    """Return a format by its name."""
    if name not in FORMATS:
        raise InputError(f"unknown format {name!r}, expected {', '.join(FORMATS)}")
    return FORMATS[name]


def _check_count(chosen: Format, files: Sequence[Path]) -> None:
    if len(files) < chosen.least or (chosen.most is not None and len(files) > chosen.most):
        raise InputError(f"{chosen.name} takes {chosen.files}, but {len(files)} files were given")


def _places(chosen: Format, files: Sequence[Path]) -> list[Any]:
    """Return the positional arguments: missing optional files are None, a list is one argument."""
    if chosen.most is None:
        return [list(files)]
    return [*files, *[None] * (chosen.most - len(files))]


def _selection(chosen: Format, asked: ImportWishes) -> Selection:
    default: Selection = inspect.signature(chosen.function).parameters["selection"].default
    for option, seconds in (
        ("--start", asked.start_seconds),
        ("--duration", asked.duration_seconds),
    ):
        if seconds is None:
            continue
        if chosen.clock_seconds is None:
            raise InputError(f"{chosen.name} records no times: leave out --start and --duration")
        if chosen.clock_seconds and seconds % chosen.clock_seconds:
            raise InputError(
                f"{option} is {seconds:g}, expected a multiple of {chosen.clock_seconds}: "
                f"the times of {chosen.name} are in whole minutes"
            )
    return Selection(
        begin_seconds=asked.start_seconds,
        window_seconds=asked.duration_seconds or default.window_seconds,
        limit=asked.limit,
        sample=asked.sample,
        seed=asked.seed,
        ticks_per_second=asked.steps_per_second or default.ticks_per_second,
    )


def _assumptions(
    chosen: Format, keys: Mapping[str, int | float], pairs: Sequence[str]
) -> dict[str, int | float]:
    """Return ``key=value`` pairs as numbers; an importer's keyword parameters are the keys."""
    found: dict[str, int | float] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or key not in keys:
            allowed = ", ".join(f"{name}={value:g}" for name, value in keys.items())
            raise InputError(
                f"--assume {show(pair)} is unknown, expected of {chosen.name}: "
                f"{allowed or 'nothing, it has no figures to assume'}"
            )
        whole = isinstance(keys[key], int)
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value <= MAX_TRACE_NUMBER:
            kind = "a whole number" if whole else "a number"
            raise InputError(
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
    }


def _header(
    chosen: Format,
    files: Sequence[Path],
    imported: Imported,
    selection: Selection,
    assumed: Mapping[str, int | float],
) -> dict[str, Any]:
    header: dict[str, Any] = {
        "source": imported.source,
        "format": chosen.name,
        "licence": imported.licence,
        "files": [{"name": path.name, "sha256": _file_sha256(path)} for path in files],
    }
    if chosen.clock_seconds is not None:
        header["begin_seconds"] = imported.begin_seconds
        header["window_seconds"] = selection.window_seconds
    header["seed"] = selection.seed
    if selection.sample < 1:
        header["sample"] = selection.sample
    if selection.limit is not None:
        header["limit"] = selection.limit
    header["read"] = {"jobs": imported.jobs, "tasks": imported.tasks}
    header["taken"] = {"jobs": imported.taken_jobs, "tasks": imported.taken_tasks}
    header["left_out"] = [asdict(each) for each in imported.left_out]
    header["assumptions"] = list(imported.assumptions)
    header["assumed"] = dict(assumed)
    return header


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
