"""Single values from the tables of a TOML file; complaints name file, line, key and value."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from typing import Any

from simulator.domains.faas.world import MAX_SECONDS, US
from simulator.errors import InputError
from simulator.textfile import show

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:-]{0,99}", re.ASCII)


class Lines:
    """Finds the line of a TOML file on which a key of a table stands, for error messages."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self._lines = text.splitlines()

    def where(self, table: str = "", place: int = 0, key: str = "") -> str:
        """Return ``file:line`` of a key of the table number ``place`` with this name.

        A key of the file itself may be the name of a table.
        """
        header = re.compile(rf"\s*\[\[?\s*{re.escape(table)}\s*\]\]?\s*(#.*)?$")
        entry = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=") if key else None
        inside = 0 if table == "" else None
        seen = -1
        for number, line in enumerate(self._lines, start=1):
            if line.lstrip().startswith("["):
                is_header = table != "" and header.match(line) is not None
                seen += is_header
                if inside is not None:
                    break
                if is_header and seen == place:
                    inside = number
                    if entry is None:
                        break
            elif inside is not None and entry is not None and entry.match(line):
                return f"{self.path}:{number}"
        if key and table == "":
            return self.where(key)
        return f"{self.path}:{inside}" if inside else self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One table of a TOML file with its place, to read single values and to complain about them."""

    values: Mapping[str, Any]
    lines: Lines
    table: str = ""
    place: int | None = None
    """Of a table in an array of tables, from 0; None of a table by itself."""

    def where(self, key: str) -> str:
        """Return ``file:line: table: `` of a key, to begin a complaint with."""
        number = "" if self.place is None else f" {self.place + 1}"
        title = f"{self.table}{number}: " if self.table else ""
        return f"{self.lines.where(self.table, self.place or 0, key)}: {title}"

    def error(self, key: str, problem: str) -> InputError:
        """Return the complaint about a key, with file, line, table, key and value."""
        value = f" is {_written(self.values[key])}" if key in self.values else " is missing"
        return InputError(f"{self.where(key)}{key}{value}, {problem}")

    def check_keys(self, *allowed: str) -> None:
        """Refuse keys that are not among ``allowed``."""
        for key in self.values:
            if key not in allowed:
                raise InputError(
                    f"{self.where(key)}unknown key {show(key)}, expected {', '.join(allowed)}"
                )

    def name(self, key: str = "name") -> str:
        """Return a name."""
        value = self.values.get(key)
        if not isinstance(value, str) or not NAME.fullmatch(value):
            raise self.error(key, "expected a name: 1 to 100 letters, digits and . _ / : -")
        return value

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """Return a whole number from ``low`` to ``high``."""
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.error(key, f"expected a whole number from {low} to {high}")
        return value

    def decimal(self, key: str, low: Decimal, high: int, default: Decimal | None = None) -> Decimal:
        """Return a decimal number with at most six digits after the point."""
        value = self.values.get(key, default)
        good = isinstance(value, int | Decimal) and not isinstance(value, bool)
        if good and isinstance(value, Decimal):
            good = value.is_finite() and int(value.as_tuple().exponent) >= -6
        if not good or not low <= value <= high:
            problem = (
                f"expected a number from {low} to {high} with at most 6 digits after the point"
            )
            raise self.error(key, problem)
        return Decimal(value)

    def microseconds(self, key: str, low_us: int, default_us: int | None = None) -> int:
        """Return a number of seconds as microseconds."""
        default = None if default_us is None else Decimal(default_us) / US
        return int(self.decimal(key, Decimal(low_us) / US, MAX_SECONDS, default) * US)

    def choice(self, key: str, choices: Sequence[str], default: str | None = None) -> str:
        """Return one of ``choices``."""
        value = self.values.get(key, default)
        if value not in choices:
            raise self.error(key, f"expected {' or '.join(show(each) for each in choices)}")
        return str(value)

    def tables(self, key: str, least: int, most: int) -> list["Entry"]:
        """Return the tables of an array of tables."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.error(key, f"expected tables, each under [[{key}]]")
        if not least <= len(value) <= most:
            raise InputError(
                f"{self.lines.path}: {len(value)} tables [[{key}]], expected {least} to {most}"
            )
        return [
            Entry(values=each, lines=self.lines, table=key, place=place)
            for place, each in enumerate(value)
        ]


def _written(value: object) -> str:
    """Return a value about as it is written in the file, on one short line of ASCII."""
    match value:
        case bool() | Decimal():
            return show(str(value).lower())[1:-1]
        case date() | time():
            return str(value)
        case _:
            return show(value)
