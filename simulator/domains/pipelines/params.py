"""The simulation parameters: cluster, clock, workload generator and rules, checked on creation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from simulator.errors import ParamsError
from simulator.textfile import read_json, read_toml, show

MAX_TICKS = 10_000_000_000
MAX_SECONDS = 100_000_000
MAX_TICKS_PER_SECOND = 1_000_000_000
MAX_POOLS = 1024
MAX_CPUS_PER_POOL = 1_000_000
MAX_RAM_GB_PER_POOL = 1_000_000_000
MAX_PIPELINES_PER_BATCH = 1_000_000
MAX_OPERATORS_PER_PIPELINE = 100_000
MAX_SIGMA = 50
MAX_SEED = 2**64 - 1
MAX_TEXT_CHARS = 4096
MAX_PARAMS_BYTES = 1 << 20

POLICY_CALLS = ("every_tick", "on_change")
TRACE_DRAWS = ("v1", "v2")
ESTIMATORS = ("", "noisy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Params:
    """Every parameter of a simulation with its default; wrong values raise :class:`ParamsError`.

    Numbers keep the type they were given with (2 or 2.0), because policies read them. Three
    parameters are accepted for files written for the reference and change nothing:
    ``cpu_io_ratio``, ``rest_scheduler_addr`` and ``rest_poll_interval``.
    """

    duration: int | float = 600
    ticks_per_second: int = 1000
    waiting_seconds_mean: int | float = 10.0
    num_pipelines: int = 4
    num_operators: int | float = 5
    num_segs: int = 1
    interactive_prob: int | float = 0.3
    query_prob: int | float = 0.1
    batch_prob: int | float = 0.6
    dag_linear_prob: int | float = 1.0
    dag_branch_in_prob: int | float = 0.0
    dag_branch_out_prob: int | float = 0.0
    cpu_io_ratio: int | float = 0.5
    scheduler_algo: str = "priority"
    rest_scheduler_addr: str = "localhost:8080"
    rest_poll_interval: int | float = 1.0
    num_pools: int = 8
    cpus_per_pool: int | float = 64
    ram_gb_per_pool: int | float = 256
    multi_operator_containers: bool = True
    allow_memory_overcommit: bool = False
    random_seed: int = 42
    max_job_seconds: int | float = 0
    estimator_algo: str = ""
    noisy_estimator_sigma: int | float = 0.0
    policy_calls: str = "every_tick"
    trace_draws: str = "v2"

    def __post_init__(self) -> None:
        _check(self.to_mapping(), "params")

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], where: str = "params") -> "Params":
        """Return the parameters in ``mapping``; ``where`` begins error messages."""
        known = [field.name for field in fields(cls)]
        for key in mapping:
            if key not in known:
                raise ParamsError(f"{where}: unknown parameter {show(key)}, {_suggest(key, known)}")
        defaults = {field.name: field.default for field in fields(cls)}
        _check({**defaults, **mapping}, where)
        return cls(**mapping)

    def to_mapping(self) -> dict[str, Any]:
        """Return every parameter by name, in the order of declaration."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def num_ticks(self) -> int:
        """Number of simulated ticks; the last one is ``num_ticks - 1``."""
        return int(self.duration * self.ticks_per_second)

    @property
    def tick_seconds(self) -> float:
        """Length of a tick; conversions of seconds of work divide by this float and truncate."""
        return 1.0 / self.ticks_per_second

    @property
    def max_job_ticks(self) -> int:
        """Ticks that a pipeline may take before it times out; 0 means without limit."""
        return int(self.max_job_seconds * self.ticks_per_second)


def load_params(path: str | Path) -> Params:
    """Return the parameters in a ``.json`` or ``.toml`` file."""
    path = Path(path)
    return Params.from_mapping(read_mapping(path), where=str(path))


def read_mapping(path: Path) -> dict[str, Any]:
    """Return the object in a ``.json`` file or the tables in a ``.toml`` file."""
    suffix = path.suffix.lower()
    if suffix == ".json":
        return read_json(path, ParamsError, MAX_PARAMS_BYTES)
    if suffix != ".toml":
        raise ParamsError(f"{path}: file name ends in {suffix!r}, expected .json or .toml")
    return read_toml(path, ParamsError)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Range:
    """Allowed numbers; ``above`` excludes the lower bound, ``whole`` asks for an integer."""

    low: int
    high: int
    above: bool = False
    whole: bool = False

    def allowed(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        begin = "above" if self.above else "from"
        return f"{kind} {begin} {self.low} to {self.high}"

    def admits(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            return False
        if not isinstance(value, int) and not math.isfinite(value):
            return False
        return self.low <= value <= self.high and not (self.above and value == self.low)


_PROBABILITY = _Range(low=0, high=1)
_SHARE = _Range(low=0, high=MAX_SECONDS)
_RANGES = {
    "duration": _Range(low=0, high=MAX_SECONDS, above=True),
    "ticks_per_second": _Range(low=1, high=MAX_TICKS_PER_SECOND, whole=True),
    "waiting_seconds_mean": _Range(low=0, high=MAX_SECONDS),
    "num_pipelines": _Range(low=0, high=MAX_PIPELINES_PER_BATCH, whole=True),
    "num_operators": _Range(low=0, high=MAX_OPERATORS_PER_PIPELINE),
    "num_segs": _Range(low=1, high=1, whole=True),
    "interactive_prob": _PROBABILITY,
    "query_prob": _PROBABILITY,
    "batch_prob": _PROBABILITY,
    "dag_linear_prob": _SHARE,
    "dag_branch_in_prob": _SHARE,
    "dag_branch_out_prob": _SHARE,
    "cpu_io_ratio": _PROBABILITY,
    "rest_poll_interval": _Range(low=0, high=MAX_SECONDS),
    "num_pools": _Range(low=1, high=MAX_POOLS, whole=True),
    "cpus_per_pool": _Range(low=0, high=MAX_CPUS_PER_POOL, above=True),
    "ram_gb_per_pool": _Range(low=0, high=MAX_RAM_GB_PER_POOL, above=True),
    "random_seed": _Range(low=0, high=MAX_SEED, whole=True),
    "max_job_seconds": _Range(low=0, high=MAX_SECONDS),
    "noisy_estimator_sigma": _Range(low=0, high=MAX_SIGMA),
}
_BOOLEANS = ("multi_operator_containers", "allow_memory_overcommit")
_TEXTS = ("scheduler_algo", "rest_scheduler_addr")
_CHOICES = {
    "estimator_algo": ESTIMATORS,
    "policy_calls": POLICY_CALLS,
    "trace_draws": TRACE_DRAWS,
}


def _check(values: Mapping[str, Any], where: str) -> None:
    for name, limits in _RANGES.items():
        if not limits.admits(values[name]):
            raise _wrong(where, name, values[name], limits.allowed())
    for name in _BOOLEANS:
        if not isinstance(values[name], bool):
            raise _wrong(where, name, values[name], "true or false")
    for name in _TEXTS:
        if not isinstance(values[name], str) or not 0 < len(values[name]) <= MAX_TEXT_CHARS:
            raise _wrong(where, name, values[name], f"a text of 1 to {MAX_TEXT_CHARS} characters")
    for name, choices in _CHOICES.items():
        if values[name] not in choices:
            raise _wrong(where, name, values[name], " or ".join(repr(each) for each in choices))
    _check_together(values, where)


def _check_together(values: Mapping[str, Any], where: str) -> None:
    total = values["interactive_prob"] + values["query_prob"] + values["batch_prob"]
    if not math.isclose(total, 1, abs_tol=1e-9):
        raise ParamsError(
            f"{where}: interactive_prob + query_prob + batch_prob is {total!r}, expected 1"
        )
    shapes = [values[f"dag_{shape}_prob"] for shape in ("linear", "branch_in", "branch_out")]
    if not sum(shapes) > 0:
        raise ParamsError(
            f"{where}: dag_linear_prob, dag_branch_in_prob and dag_branch_out_prob are all 0, "
            "expected one above 0"
        )
    duration, rate = values["duration"], values["ticks_per_second"]
    if not 1 <= int(duration * rate) <= MAX_TICKS:
        raise ParamsError(
            f"{where}: duration {duration!r} at ticks_per_second {rate!r} makes "
            f"{int(duration * rate)} ticks, expected 1 to {MAX_TICKS}"
        )


def _wrong(where: str, name: str, value: object, allowed: str) -> ParamsError:
    return ParamsError(f"{where}: {name} is {show(value)}, expected {allowed}")


def _suggest(key: object, known: list[str]) -> str:
    close = get_close_matches(str(key)[:MAX_TEXT_CHARS], known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(known)}"
