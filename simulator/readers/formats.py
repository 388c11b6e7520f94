"""Public data formats: what files an importer takes, and how wishes become its arguments."""

import hashlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.errors import InputError
from simulator.textfile import show

MINUTE = 60
MOST = 1e9
"""The largest number that an importer is asked to assume."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format: ``least`` to ``most`` files in the order that ``files`` names them.

    ``function`` takes them and a selection; its keyword parameters are figures that it assumes.
    ``clock_seconds`` is the unit that windows are whole multiples of; None is without a clock.
    """

    name: str
    files: str
    function: Callable[..., Any]
    least: int = 1
    most: int | None = 1
    clock_seconds: int | None = 0

    def places(self, files: Sequence[Path]) -> list[Any]:
        """Return the positional arguments: missing files are None, any number is one argument."""
        if len(files) < self.least or (self.most is not None and len(files) > self.most):
            raise InputError(f"{self.name} takes {self.files}, but {len(files)} files were given")
        if self.most is None:
            return [list(files)]
        return [*files, *[None] * (self.most - len(files))]

    def check_window(self, start_seconds: float | None, duration_seconds: float | None) -> None:
        """Refuse a window that the times of this format cannot have."""
        for option, seconds in (("--start", start_seconds), ("--duration", duration_seconds)):
            if seconds is None:
                continue
            if self.clock_seconds is None:
                raise InputError(f"{self.name} records no times: leave out --start and --duration")
            if self.clock_seconds and seconds % self.clock_seconds:
                raise InputError(
                    f"{option} is {seconds:g}, expected a multiple of {self.clock_seconds}: "
                    f"the times of {self.name} are in whole minutes"
                )

    @property
    def defaults(self) -> dict[str, int | float]:
        """The figures that the format assumes and that ``--assume`` changes."""
        return {
            name: each.default
            for name, each in inspect.signature(self.function).parameters.items()
            if each.kind is each.KEYWORD_ONLY
        }

    @property
    def selection(self) -> Any:
        """The selection that it takes without wishes."""
        return inspect.signature(self.function).parameters["selection"].default

    def assumed(self, pairs: Sequence[str]) -> dict[str, int | float]:
        """Return ``key=value`` pairs as numbers; an importer's keyword parameters are the keys."""
        keys = self.defaults
        found: dict[str, int | float] = {}
        for pair in pairs:
            key, equals, text = pair.partition("=")
            if not equals or key not in keys:
                allowed = ", ".join(f"{name}={value:g}" for name, value in keys.items())
                raise InputError(
                    f"--assume {show(pair)} is unknown, expected of {self.name}: "
                    f"{allowed or 'nothing, it has no figures to assume'}"
                )
            whole = isinstance(keys[key], int)
            try:
                value = int(text) if whole else float(text)
            except ValueError:
                value = math.nan
            if not 0 <= value <= MOST:
                kind = "a whole number" if whole else "a number"
                raise InputError(
                    f"--assume {key} is {show(text)}, expected {kind} from 0 to {MOST:g}"
                )
            found[key] = value
        return found


def azure_formats(read_2019: Callable[..., Any], read_2021: Callable[..., Any]) -> list[Format]:
    """Return the formats of the Azure Functions traces, each with a domain's own importer."""
    return [
        Format(
            name="azure-2019",
            files="INVOCATIONS DURATIONS [MEMORY] of one day",
            function=read_2019,
            least=2,
            most=3,
            clock_seconds=MINUTE,
        ),
        Format(name="azure-2021", files="INVOCATIONS", function=read_2021),
    ]


def find_format(name: str, formats: Mapping[str, Format]) -> Format:
    """Return a format by its name."""
    if name not in formats:
        raise InputError(f"unknown format {name!r}, expected {', '.join(formats)}")
    return formats[name]


def file_sha256(path: Path) -> str:
    """Return the hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
