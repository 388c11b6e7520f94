"""Tiny files in public workload formats, written by hand from the published descriptions."""

import json
from pathlib import Path
from typing import Any

MINUTES = [str(minute) for minute in range(1, 1441)]
DURATION_STEPS = (0, 1, 25, 50, 75, 99, 100)
MEMORY_STEPS = (1, 5, 25, 50, 75, 95, 99, 100)


def swf_log(folder: Path) -> list[Path]:
    """A log of three jobs: four processors, one processor in an interactive queue, cancelled."""
    return _file(
        folder / "log.swf",
        "; Version: 2.2\n; Computer: none\n"
        "1  0 5 100  4 -1 500000  4 200 -1 1 1 1 1 1 1 -1 -1\n"
        "2 30 0 10.5 1 -1     -1  1  20 -1 1 1 1 1 0 1 -1 -1\n"
        "3 40 -1  -1 -1 -1    -1  2  20 -1 5 1 1 1 1 1 -1 -1\n",
    )


def alibaba_tasks(folder: Path) -> list[Path]:
    """Two jobs of batch_task.csv: three tasks in a row of names, and one without a graph."""
    return _file(
        folder / "batch_task.csv",
        "M1,3.0,j_1,1,Terminated,100,110,100.0,0.5\n"
        "R2_1,2.0,j_1,1,Terminated,110,130,50.0,0.4\n"
        "J3_1_2,1.0,j_1,1,Terminated,130,140,100.0,0.3\n"
        "task_abc=,1.0,j_2,3,Terminated,150,155,100.0,0.2\n",
    )


def azure_2021_rows(folder: Path) -> list[Path]:
    """Three invocations of two applications."""
    return _file(
        folder / "invocations.txt",
        "app,func,end_timestamp,duration\na1,f1,12.5,2.5\na1,f2,20.0,0.25\nb2,f1,700.0,1.0\n",
    )


def azure_2019_day(folder: Path) -> list[Path]:
    """One day of two functions: counts by minute, percentiles of duration and of memory."""
    quiet = ["0"] * 1437
    names = "HashOwner,HashApp,HashFunction"
    invocations = _file(
        folder / "invocations.csv",
        ",".join([names, "Trigger", *MINUTES]) + "\n"
        + ",".join(["o", "a", "f", "http", "2", "0", "1", *quiet]) + "\n"
        + ",".join(["o", "a", "g", "timer", "1", "1", "1", *quiet]) + "\n",
    )  # fmt: skip
    steps = ",".join(f"percentile_Average_{step}" for step in DURATION_STEPS)
    durations = _file(
        folder / "durations.csv",
        f"{names},Average,Count,Minimum,Maximum,{steps}\n"
        "o,a,f,500,3,100,900,100,110,300,500,700,890,900\n"
        "o,a,g,2000,3,2000,2000,2000,2000,2000,2000,2000,2000,2000\n",
    )
    steps = ",".join(f"AverageAllocatedMb_pct{step}" for step in MEMORY_STEPS)
    memory = _file(
        folder / "memory.csv",
        f"HashOwner,HashApp,SampleCount,AverageAllocatedMb,{steps}\n"
        "o,a,100,150,100,110,120,150,180,190,199,200\n",
    )
    return [*invocations, *durations, *memory]


def wfcommons_instance(folder: Path) -> list[Path]:
    """A workflow of three tasks: one root, two children."""
    tasks = [("root", [], ["in"]), ("left", ["root"], []), ("right", ["root"], [])]
    instance: dict[str, Any] = {
        "name": "tiny",
        "schemaVersion": "1.5",
        "workflow": {
            "specification": {
                "tasks": [
                    {"name": name, "id": name, "parents": parents, "children": [], "inputFiles": f}
                    for name, parents, f in tasks
                ],
                "files": [{"id": "in", "sizeInBytes": 4_000_000_000}],
            },
            "execution": {
                "makespanInSeconds": 20,
                "executedAt": "2024-01-01T00:00:00Z",
                "tasks": [
                    {"id": name, "runtimeInSeconds": 10, "memoryInBytes": 1_500_000_000}
                    for name, _, _ in tasks
                ],
            },
        },
    }
    return _file(folder / "workflow.json", json.dumps(instance))


SAMPLES = {
    "swf": swf_log,
    "alibaba-2018": alibaba_tasks,
    "azure-2021": azure_2021_rows,
    "azure-2019": azure_2019_day,
    "wfcommons": wfcommons_instance,
}


def _file(path: Path, text: str) -> list[Path]:
    path.write_text(text, encoding="utf-8")
    return [path]
