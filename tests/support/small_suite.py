"""A suite file of short scenarios, for tests that run whole searches in real cells."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simulator.domains.faas.cell import open_scenario
from simulator.domains.pipelines.generate import generate_workload
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.tracefile import write_trace

PARAMS: dict[str, Any] = {
    "duration": 40,
    "ticks_per_second": 10,
    "num_pools": 1,
    "cpus_per_pool": 16,
    "ram_gb_per_pool": 256,
    "waiting_seconds_mean": 4.0,
    "num_pipelines": 3,
    "num_operators": 3,
    "multi_operator_containers": False,
}

FAAS = """\
duration_seconds = 600
seed = {seed}

[packages]
python = 100

[[images]]
name = "py"
packages = ["python"]

[[nodes]]
name = "n"
memory_mb = 1024
count = 2

[[tenants]]
name = "a"

[[tenants]]
name = "b"

[[functions]]
name = "a/web"
tenant = "a"
image = "py"
memory_mb = 512

[[functions]]
name = "b/job"
tenant = "b"
memory_mb = 1024

[[traffic]]
per_second = 0.1
"""


def write_suite(
    folder: Path, seeds: Mapping[str, Sequence[int]] | None = None, **changes: Any
) -> Path:
    """Return the path of the suite file; its traces are beside it.

    ``seeds`` gives each split its scenarios, a seed for each; without it there are two to train on.
    """
    settings = {**PARAMS, **changes}
    shared = "\n".join(f"{key} = {_toml(value)}" for key, value in settings.items())
    text = f'name = "small"\ndescription = "short scenarios"\n[params]\n{shared}\n'
    for split, chosen in (seeds or {"train": (1, 2)}).items():
        for seed in chosen:
            params = Params(**settings, random_seed=seed)
            trace = folder / f"small-{seed}.csv"
            write_trace(generate_workload(params), trace, params.ticks_per_second)
            digest = hashlib.sha256(trace.read_bytes()).hexdigest()
            text += (
                f'[[scenarios]]\nname = "small-{seed}"\nfamily = "small"\nsplit = "{split}"\n'
                f'trace = "{trace.name}"\nsha256 = "{digest}"\n'
            )
    path = folder / "small.toml"
    path.write_text(text, encoding="utf-8")
    return path


def write_faas_suite(folder: Path) -> Path:
    """Return the path of a suite of functions as a service: ten minutes in each split."""
    text = 'name = "small"\ndescription = "short scenarios"\ndomain = "faas"\n'
    for seed, split in enumerate(("train", "validation", "test"), start=1):
        path = folder / f"{split}.toml"
        path.write_text(FAAS.format(seed=seed), encoding="utf-8")
        text += (
            f'[[scenarios]]\nname = "small-{seed}"\nfamily = "small"\nsplit = "{split}"\n'
            f'scenario = "{path.name}"\nsha256 = "{open_scenario(path).sha256}"\n'
        )
    suite = folder / "small-faas.toml"
    suite.write_text(text, encoding="utf-8")
    return suite


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
