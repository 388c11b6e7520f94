"""The header of a trace: a TOML file beside it that says where the trace comes from."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simulator.domain_host import Toml, Written
from simulator.domains.pipelines.generate import generate_workload
from simulator.domains.pipelines.params import Params, load_params, read_mapping
from simulator.domains.pipelines.suite_builder import LICENCE
from simulator.domains.pipelines.tracefile import parse_trace, render_trace
from simulator.domains.pipelines.workload import Workload
from simulator.errors import InputError, TraceError
from simulator.whole_files import write_texts

Header = Mapping[str, Any]


def header_path(trace: Path) -> Path:
    """Return where the header of a trace file is."""
    return trace.with_suffix(".toml")


def read_header(trace: Path) -> dict[str, Any] | None:
    """Return the header beside a trace file, or None if there is none."""
    path = header_path(trace)
    return read_mapping(path) if path.is_file() else None


def write_with_header(
    workload: Workload, out: Path, ticks_per_second: int, header: Header, toml: Toml
) -> dict[str, Any]:
    """Write a trace and its header; return the header with counts and checksum filled in.

    Nothing is written that could not be read back.
    """
    texts, full = with_header(workload, out, ticks_per_second, header, toml)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out.parent} cannot be made: {error.strerror}") from None
    write_texts(texts, TraceError)
    return full


def with_header(
    workload: Workload, out: Path, ticks_per_second: int, header: Header, toml: Toml
) -> tuple[dict[Path, str], dict[str, Any]]:
    """Return the texts of a trace and of its header by their files, and the whole header."""
    text = render_trace(workload, ticks_per_second)
    parse_trace(text, ticks_per_second, str(out))
    full = {
        **header,
        "ticks_per_second": ticks_per_second,
        "pipelines": len(workload.pipelines),
        "operators": count_operators(workload),
        "sha256": text_sha256(text),
    }
    return {out: text, header_path(out): toml(full)}, full


def generate(params: Path, out: Path, draws: str | None, toml: Toml) -> Written:
    """Write the trace that the generator makes from a file of parameters."""
    chosen = load_params(params)
    if draws is not None:
        chosen = Params.from_mapping({**chosen.to_mapping(), "trace_draws": draws}, "--draws")
    check_out(out, [params])
    header = {
        "source": f"simulator.domains.pipelines.generate, draws {chosen.trace_draws}",
        "licence": LICENCE,
        "seed": chosen.random_seed,
        "window_seconds": chosen.duration,
        "params": chosen.to_mapping(),
    }
    workload = generate_workload(chosen)
    return written(out, write_with_header(workload, out, chosen.ticks_per_second, header, toml))


def written(out: Path, header: dict[str, Any]) -> Written:
    """Return what a person should know about a trace that was written with this header."""
    lines = [
        f"{header['pipelines']} pipelines with {header['operators']} operators are in {out}, "
        f"source and assumptions are in {header_path(out)}"
    ]
    for each in header.get("left_out", ()):
        jobs, tasks = each["jobs"], each["tasks"]
        inside = f" with {tasks} tasks" if tasks != jobs else ""
        lines.append(f"  left out: {jobs} jobs{inside}, {each['reason']}")
    lines += [f"  assumed: {each}" for each in header.get("assumptions", ())]
    return Written(trace=out, header=header, lines=tuple(lines))


def check_out(out: Path, inputs: Sequence[Path] = ()) -> None:
    """Refuse a name for a new trace if its header would overwrite another file."""
    if out.suffix != ".csv" or out.is_dir():
        raise InputError(
            f"--out is {str(out)!r}, expected a file name ending in .csv: the header is written "
            "beside it as .toml"
        )
    beside = header_path(out)
    for path in inputs:
        if path.resolve() in (out.resolve(), beside.resolve()):
            raise InputError(f"--out would overwrite the input {path}: choose another name")
    if beside.exists() and "sha256" not in read_mapping(beside):
        raise InputError(f"{beside} would be overwritten, but is no trace's header: rename --out")


def count_operators(workload: Workload) -> int:
    """Return the number of operators of all pipelines."""
    return sum(len(pipeline.operators) for pipeline in workload.pipelines)


def text_sha256(text: str) -> str:
    """Return the checksum that a header and a suite file give for a trace's text."""
    return hashlib.sha256(text.encode()).hexdigest()
