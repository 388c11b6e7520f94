"""Scenarios of the queue: in memory, in suite files, and as bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from simulator.errors import InputError
from simulator.messages import MessageError, decode, encode
from simulator.suites import check_keys
from simulator.textfile import read_toml, show

KEYS = ("name", "family", "split", "seed", "jobs", "duration")
MOST = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Jobs as (second of arrival, estimated and true seconds of service), by arrival."""

    name: str
    family: str
    split: str
    calls: str = "on_change"
    duration: int
    jobs: tuple[tuple[int, int, int], ...]

    @property
    def sha256(self) -> str:
        return sha256(encode((self.calls, self.duration, self.jobs))).hexdigest()

    @property
    def duration_seconds(self) -> float:
        return float(self.duration)

    @property
    def size(self) -> dict[str, int]:
        return {"jobs": len(self.jobs)}

    @property
    def figures(self) -> dict[str, float]:
        worst = sum(self.duration - at for at, _, _ in self.jobs) / len(self.jobs)
        return {"worst_seconds_in_system": worst, "half_a_job": 0.5}

    @property
    def settings(self) -> dict[str, Any]:
        return {"duration": self.duration, "calls": self.calls}


def read_scenario(
    entry: Mapping[str, Any], _shared: Mapping[str, Any], _folder: Path, where: str
) -> Scenario:
    check_keys(entry, KEYS, where)
    for key in ("seed", "jobs", "duration"):
        value = entry.get(key)
        if type(value) is not int or not 1 <= value <= MOST:
            raise InputError(f"{where}: {key} is {show(value)}, expected 1 to {MOST}")
    rng, jobs, duration = Random(entry["seed"]), [], entry["duration"]
    for at in sorted(rng.randrange(duration) for _ in range(entry["jobs"])):
        true = rng.choice((5, 10, 60))
        jobs.append((at, max(1, true * rng.randrange(50, 200) // 100), true))
    name, family, split = entry["name"], entry["family"], entry["split"]
    return Scenario(name=name, family=family, split=split, duration=duration, jobs=tuple(jobs))


def open_scenario(path: Path) -> Scenario:
    entry = {"name": path.stem, "family": "file", "split": "train", **read_toml(path, InputError)}
    return read_scenario(entry, {}, path.parent, str(path))


def with_calls(scenario: Scenario, calls: str) -> Scenario:
    return replace(scenario, calls=calls)


def encode_scenario(scenario: Scenario) -> bytes:
    return encode(scenario)


def decode_scenario(data: bytes) -> Scenario:
    try:
        return decode(data, Scenario)
    except MessageError as error:
        raise InputError(str(error)) from None
