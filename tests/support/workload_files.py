"""Random, legal files of every public format, and how many jobs and tasks are in them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.support.import_files import DURATION_STEPS, MEMORY_STEPS, MINUTES

Draw = Callable[[st.SearchStrategy[Any]], Any]
TIMES = st.integers(0, 2_000_000)
SIZES = st.integers(-1, 10**9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Contents of files, and how many jobs and tasks are recorded in them."""

    texts: list[str] = field(repr=False)
    jobs: int
    tasks: int

    def write(self, folder: Path) -> list[Path]:
        """Write the files into a folder."""
        paths = [folder / f"file{number}" for number in range(len(self.texts))]
        for path, text in zip(paths, self.texts, strict=True):
            path.write_text(text, encoding="utf-8", newline="")
        return paths


@st.composite
def swf(draw: Draw) -> Made:
    """A log with any known and unknown fields, comments, and fields beyond the eighteen."""
    count = draw(st.integers(0, 12))
    field = st.one_of(st.just(-1), st.integers(0, 5000), st.floats(0, 1e4, width=32))
    lines = ["; Version: 2.2"] if draw(st.booleans()) else []
    for number in range(1, count + 1):
        cells = [draw(field) for _ in range(18)]
        cells[0], cells[1] = number, draw(st.one_of(TIMES, st.just(-1)))
        cells[10] = draw(st.integers(-1, 5))
        cells[14] = draw(st.integers(-1, 1))
        cells[16] = draw(st.integers(-1, number - 1))
        more = draw(st.sampled_from(["", " 40 3609 all", " -1"]))
        lines.append(" ".join(str(cell) for cell in cells) + more)
        lines += draw(st.sampled_from([[], ["; a comment"], [""]]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    return Made(texts=["".join(line + end for line in lines)], jobs=count, tasks=count)


@st.composite
def alibaba(draw: Draw) -> Made:
    """Jobs with any graph, circles, names cut off, tasks twice, marks of unknown values."""
    rows, jobs = [], draw(st.integers(0, 6))
    for job in range(1, jobs + 1):
        for _ in range(draw(st.integers(1, 6))):
            parents = draw(st.lists(st.integers(1, 8), max_size=4))
            name = "_".join([f"M{draw(st.integers(1, 8))}", *map(str, parents)])
            name = draw(
                st.sampled_from([name, name + "_Stg2", f"task_{name}=", name.ljust(50, "1")])
            )
            start = draw(TIMES)
            end = start + draw(st.integers(-1, 500))
            status = draw(st.sampled_from(["Terminated"] * 6 + ["Failed", "Running", "Waiting"]))
            cells = [
                name,
                draw(st.sampled_from(["1", "3.0", "12846.0", ""])),
                f"j_{job}",
                "1",
                status,
                draw(st.sampled_from([str(start)] * 6 + ["", "0"])),
                str(end),
                draw(st.sampled_from(["100.0", "50", "", "-1"])),
                draw(st.sampled_from(["0.3", "1", "100", "101", "", "-1"])),
            ]
            rows.append(",".join(cells) + "\n")
    rows = draw(st.permutations(rows))
    return Made(texts=["".join(rows)], jobs=jobs, tasks=len(rows))


@st.composite
def azure_2021(draw: Draw) -> Made:
    """Invocations of a few applications, with columns in any order."""
    columns = draw(st.permutations(["app", "func", "end_timestamp", "duration"]))
    rows = [",".join(columns)]
    count = draw(st.integers(0, 12))
    for _ in range(count):
        cells = {
            "app": draw(st.sampled_from("abc")),
            "func": draw(st.sampled_from("fg")),
            "end_timestamp": draw(st.floats(0, 1.2e6)),
            "duration": draw(st.floats(-1, 1e4)),
        }
        rows.append(",".join(str(cells[name]) for name in columns))
    return Made(texts=["\n".join(rows)], jobs=count, tasks=count)


@st.composite
def azure_2019(draw: Draw) -> Made:
    """A day with functions and applications named several times, and some without figures."""
    total, rows = 0, [",".join(["HashOwner", "HashApp", "HashFunction", "Trigger", *MINUTES])]
    for _ in range(draw(st.integers(0, 4))):
        counts = dict.fromkeys(MINUTES, 0)
        for _ in range(draw(st.integers(0, 3))):
            counts[draw(st.sampled_from(MINUTES[:12] + MINUTES[-3:]))] = draw(st.integers(0, 20))
        total += sum(counts.values())
        trigger = draw(st.sampled_from(["http", "timer", "queue", "storage", "others"]))
        name = ["o", draw(st.sampled_from("ab")), draw(st.sampled_from("fg")), trigger]
        rows.append(",".join([*name, *map(str, counts.values())]))
    texts = ["\n".join(rows) + "\n"]
    for names, weight, prefix, steps in (
        ("HashOwner,HashApp,HashFunction", "Count", "percentile_Average_", DURATION_STEPS),
        ("HashOwner,HashApp", "SampleCount", "AverageAllocatedMb_pct", MEMORY_STEPS),
    ):
        columns = [f"{prefix}{step}" for step in steps]
        lines = [",".join([names, "Average", weight, *columns])]
        for _ in range(draw(st.integers(0, 4))):
            name = ["o", draw(st.sampled_from("ab")), draw(st.sampled_from("fg"))]
            values = sorted(draw(st.floats(-1, 1e5)) for _ in steps)
            cells = [*name[: names.count(",") + 1], 1, draw(st.integers(0, 50)), *values]
            lines.append(",".join(map(str, cells)))
        texts.append("\n".join(lines) + "\n")
    return Made(texts=texts[: draw(st.integers(2, 3))], jobs=total, tasks=total)


@st.composite
def wfcommons(draw: Draw) -> Made:
    """Workflows in the layouts of 1.0 to 1.6, with every optional key there or not."""
    made = [draw(_workflow()) for _ in range(draw(st.integers(1, 3)))]
    return Made(
        texts=[json.dumps(workflow) for workflow, _ in made],
        jobs=len(made),
        tasks=sum(count for _, count in made),
    )


@st.composite
def _workflow(draw: Draw) -> tuple[dict[str, Any], int]:
    version = draw(st.sampled_from(["1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6"]))
    names = [f"t{number}" for number in range(draw(st.integers(0, 5)))]
    others = st.lists(st.sampled_from([*names, "unknown"]), max_size=3)
    seconds = st.floats(0, 1e5)
    new = version >= "1.4"
    tasks, runs = [], []
    for name in names:
        graph = _some(draw, {"parents": others, "children": others})
        run = _some(
            draw,
            {
                "runtimeInSeconds" if new else "runtime": seconds,
                "coreCount" if version >= "1.5" else "cores": st.floats(0, 64),
                "avgCPU": st.floats(0, 900),
                "readBytes" if new else "bytesRead": SIZES,
                "memoryInBytes" if new else "memory": SIZES,
            },
        )
        tasks.append({"name": name, "id": f"ID_{name}" if version == "1.4" else name, **graph})
        runs.append({"id": name, **run})
    machine = _some(draw, {"memoryInBytes" if new else "memory": SIZES, "nodeName": st.just("n")})
    machines = _some(draw, {"machines": st.just([machine])})
    if version >= "1.5":
        executed = runs if draw(st.booleans()) else runs[:-1]
        workflow: dict[str, Any] = {
            "specification": {
                "tasks": tasks,
                "files": [{"id": "x", "sizeInBytes": draw(st.integers(0, 10**9))}],
            },
            "execution": {"tasks": executed, **machines},
        }
    else:
        size = "sizeInBytes" if new else "size"
        files = [{"link": "input", "name": "x", size: draw(SIZES)}]
        whole = [{**run, **task, "files": files} for task, run in zip(tasks, runs, strict=True)]
        workflow = {"jobs" if version < "1.3" else "tasks": whole, **machines}
    return {"name": "w", "schemaVersion": version, "workflow": workflow}, len(names)


def _some(draw: Draw, keys: dict[str, st.SearchStrategy[Any]]) -> dict[str, Any]:
    """Return some of the keys, each with a value or with null."""
    kinds = {key: draw(st.sampled_from(["there", "there", "absent", "null"])) for key in keys}
    return {
        key: None if kinds[key] == "null" else draw(values)
        for key, values in keys.items()
        if kinds[key] != "absent"
    }


WRITERS = {
    "swf": swf(),
    "alibaba-2018": alibaba(),
    "azure-2021": azure_2021(),
    "azure-2019": azure_2019(),
    "wfcommons": wfcommons(),
}
