"""Public workload formats by name, and how a command's options become an importer's arguments."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from simulator.domain_host import ImportWishes, Toml, Written
from simulator.domains.pipelines.importers.alibaba_2018 import import_alibaba_2018
from simulator.domains.pipelines.importers.azure_2019 import import_azure_2019
from simulator.domains.pipelines.importers.azure_2021 import import_azure_2021
from simulator.domains.pipelines.importers.records import Imported, Selection
from simulator.domains.pipelines.importers.swf import import_swf
from simulator.domains.pipelines.importers.wfcommons import import_wfcommons
from simulator.domains.pipelines.traces.header import check_out, write_with_header, written
from simulator.readers.formats import Format, azure_formats, file_sha256, find_format

FORMATS = {
    each.name: each
    for each in (
        *azure_formats(import_azure_2019, import_azure_2021),
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
    return {name: (each.files, each.defaults) for name, each in FORMATS.items()}


def import_files(
    name: str, files: Sequence[Path], out: Path, asked: ImportWishes, toml: Toml
) -> Written:
    """Write the workload in ``files`` as a trace; equal files and wishes give equal bytes."""
    check_out(out, files)
    chosen = find_format(name, FORMATS)
    places, selection = chosen.places(files), _selection(chosen, asked)
    assumed = chosen.assumed(asked.assume)
    imported = chosen.function(*places, selection, **assumed)
    header = _header(chosen, files, imported, selection, {**chosen.defaults, **assumed})
    rate = selection.ticks_per_second
    return written(out, write_with_header(imported.workload, out, rate, header, toml))


def _selection(chosen: Format, asked: ImportWishes) -> Selection:
    default: Selection = chosen.selection
    chosen.check_window(asked.start_seconds, asked.duration_seconds)
    return Selection(
        begin_seconds=asked.start_seconds,
        window_seconds=asked.duration_seconds or default.window_seconds,
        limit=asked.limit,
        sample=asked.sample,
        seed=asked.seed,
        ticks_per_second=asked.steps_per_second or default.ticks_per_second,
    )


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
        "files": [{"name": path.name, "sha256": file_sha256(path)} for path in files],
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
