"""Reads a scenario from files that a person can write: TOML for the platform, CSV for invocations.

A scenario is a folder with ``scenario.toml`` and a CSV file of invocations, or one TOML file whose
``traffic`` tables generate the invocations. Seconds in files are decimal numbers with at most six
digits after the point and become microseconds exactly; no float is involved.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from simulator.domains.faas.entries import NAME, Entry, Lines
from simulator.domains.faas.messages import NO_LIMIT, Function, Image, Node, Package, Setup, Tenant
from simulator.domains.faas.world import (
    CALLS,
    MAX_INVOCATIONS,
    MAX_SECONDS,
    MB_PER_GB,
    US,
    World,
    check_world,
    why_unservable,
)
from simulator.errors import InputError
from simulator.textfile import is_endless, is_folder, parse_toml, read_text, show

SCENARIO_FILE = "scenario.toml"
MAX_TOML_BYTES = 16 << 20
MAX_CSV_BYTES = 1 << 30
MAX_MB = 1 << 30
MAX_COUNT = 1_000_000
MAX_NODES = 1000
MAX_TENANTS = 1000
MAX_FUNCTIONS = 20_000
MAX_IMAGES = 20_000
MAX_PACKAGES = 20_000

DEFAULT_PRICE_GB_SECONDS = Decimal(60)
DEFAULT_PULL_MB_PER_SECOND = 100
DEFAULT_INIT_US = US
DEFAULT_TIMEOUT_US = 300 * US
DEFAULT_PATIENCE_US = 60 * US

COLUMNS = ("time_seconds", "function", "service_seconds")
FILE_NAME = re.compile(r"[^\x00-\x1f]{1,1000}")
SECONDS = re.compile(r"([0-9]{1,8})(?:\.([0-9]{1,6}))?", re.ASCII)


def read_world(path: str | Path) -> World:
    """Return the scenario in a folder that holds ``scenario.toml``, or in a TOML file."""
    path = Path(path)
    if is_folder(path):
        path /= SCENARIO_FILE
    text = read_text(path, InputError, MAX_TOML_BYTES)
    table = parse_toml(text, str(path), InputError, Decimal)
    return world_of(table, path.parent, Lines(str(path), text))


def world_of(table: Mapping[str, Any], folder: Path, lines: Lines) -> World:
    """Return the scenario that the table of a TOML file describes; files are in ``folder``."""
    top = Entry(values=table, lines=lines)
    top.check_keys(
        "duration_seconds", "gb_seconds_per_delay_second", "calls", "invocations", "seed", "nodes",
        "packages", "images", "tenants", "functions", "traffic",
    )  # fmt: skip
    duration_us = top.microseconds("duration_seconds", 1)
    setup = _setup(top)
    for place, function in enumerate(setup.functions):
        problem = why_unservable(function, setup)
        if problem is not None:
            raise InputError(f"{lines.where('functions', place)}: {problem}")
    if "traffic" in table:
        if "invocations" in table:
            raise top.error("invocations", "expected either a file of invocations or [[traffic]]")
        # No cell generates any, and numpy takes as long to import as all else in a cell.
        from simulator.domains.faas.generate import generate_invocations

        times, functions, services = generate_invocations(top, setup, duration_us)
    else:
        if "seed" in table:
            raise top.error("seed", "expected no seed, as there is no [[traffic]] to generate")
        name = table.get("invocations", "invocations.csv")
        if not isinstance(name, str) or not FILE_NAME.fullmatch(name):
            raise top.error("invocations", "expected the name of a CSV file")
        path = folder / name
        if is_endless(path):
            raise InputError(f"{path}: is no regular file, expected a CSV file")
        text = read_text(path, InputError, MAX_CSV_BYTES)
        times, functions, services = parse_invocations(text, str(path), setup, duration_us)
    world = World(
        setup=setup,
        duration_us=duration_us,
        times=times,
        functions=functions,
        services=services,
    )
    check_world(world, lines.path)
    return world


def parse_invocations(
    text: str, where: str, setup: Setup, duration_us: int
) -> tuple[list[int], list[int], list[int]]:
    """Return times, function numbers and service times of a CSV text, in order of arrival."""
    reader = csv.reader(_without_comments(text), strict=True)
    begins = 1
    """The line on which the row that is read begins: a quote that is left open reaches far."""
    try:
        header = next((row for row in reader if row), None)
        if header is None:
            raise InputError(f"{where}: no line with columns, expected {','.join(COLUMNS)}")
        if sorted(header) != sorted(COLUMNS):
            raise InputError(
                f"{where}:{reader.line_num}: the columns are {show(','.join(header))}, expected "
                f"{','.join(COLUMNS)}"
            )
        time_at, function_at, service_at = (header.index(each) for each in COLUMNS)
        numbers = {each.name: number for number, each in enumerate(setup.functions)}
        rows: list[tuple[int, int, int]] = []
        begins = reader.line_num + 1
        for row in reader:
            line, begins = f"{where}:{begins}", reader.line_num + 1
            if not row:
                continue
            if len(row) != len(COLUMNS):
                raise InputError(f"{line}: {len(row)} values, expected {len(COLUMNS)}")
            time = _microseconds(row[time_at], line, "time_seconds")
            if time >= duration_us:
                raise InputError(
                    f"{line}: time_seconds is {show(row[time_at])}, expected a time before "
                    f"duration_seconds = {duration_us / US:g}"
                )
            number = numbers.get(row[function_at])
            if number is None:
                raise InputError(
                    f"{line}: function is {show(row[function_at])}, expected the name of one of "
                    "the [[functions]]"
                )
            service = _microseconds(row[service_at], line, "service_seconds")
            if service < 1:
                raise InputError(f"{line}: service_seconds is 0, expected at least 0.000001")
            rows.append((time, number, service))
    except csv.Error as error:
        raise InputError(f"{where}:{begins}: not valid CSV: {error}") from None
    if not 1 <= len(rows) <= MAX_INVOCATIONS:
        raise InputError(f"{where}: {len(rows)} invocations, expected 1 to {MAX_INVOCATIONS}")
    rows.sort(key=lambda each: each[0])
    return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]


def _without_comments(text: str) -> Iterator[str]:
    """Yield the lines of a CSV file; comments and lines of blanks as empty ones."""
    for line in io.StringIO(text, newline=None):
        yield "\n" if line.startswith("#") or line.isspace() else line


def render_invocations(world: World) -> str:
    """Return the invocations as the text of a CSV file."""
    names = [each.name for each in world.setup.functions]
    lines = [",".join(COLUMNS)]
    lines += [
        f"{_seconds(time)},{names[function]},{_seconds(service)}"
        for time, function, service in zip(
            world.times, world.functions, world.services, strict=True
        )
    ]
    return "\n".join(lines) + "\n"


def _microseconds(text: str, line: str, column: str) -> int:
    match = SECONDS.fullmatch(text)
    us = -1 if match is None else int(match[1]) * US + int((match[2] or "").ljust(6, "0"))
    if not 0 <= us <= MAX_SECONDS * US:
        raise InputError(
            f"{line}: {column} is {show(text)}, expected seconds such as 12 or 0.25, at most "
            f"{MAX_SECONDS}, with at most 6 digits after the point"
        )
    return us


def _seconds(us: int) -> str:
    whole, fraction = divmod(us, US)
    return f"{whole}.{fraction:06}".rstrip("0").rstrip(".")


def _setup(top: Entry) -> Setup:
    packages = _packages(top)
    numbers = {each.name: number for number, each in enumerate(packages)}
    images = [_image(entry, numbers) for entry in top.tables("images", 0, MAX_IMAGES)]
    _refuse_twins("images", enumerate(images), top)
    places = [
        (place, node)
        for place, entry in enumerate(top.tables("nodes", 1, MAX_NODES))
        for node in _nodes(entry)
    ]
    nodes = [node for _, node in places]
    if len(nodes) > MAX_NODES:
        raise InputError(f"{top.lines.path}: {len(nodes)} nodes, expected at most {MAX_NODES}")
    _refuse_twins("nodes", places, top)
    tenants = [_tenant(entry) for entry in top.tables("tenants", 1, MAX_TENANTS)]
    _refuse_twins("tenants", enumerate(tenants), top)
    image_numbers = {each.name: number for number, each in enumerate(images)}
    tenant_numbers = {each.name: number for number, each in enumerate(tenants)}
    entries = top.tables("functions", 1, MAX_FUNCTIONS)
    no_image = len(images)
    functions = [_function(entry, tenant_numbers, image_numbers, no_image) for entry in entries]
    _refuse_twins("functions", enumerate(functions), top)
    if any(each.image == no_image for each in functions):
        images.append(Image("", ()))
    price = top.decimal(
        "gb_seconds_per_delay_second", Decimal("0.000001"), 1_000_000_000, DEFAULT_PRICE_GB_SECONDS
    )
    return Setup(
        calls=top.choice("calls", CALLS, CALLS[0]),
        price_mb_us=int(price * US) * MB_PER_GB,
        packages=tuple(packages),
        images=tuple(images),
        nodes=tuple(nodes),
        tenants=tuple(tenants),
        functions=tuple(functions),
    )


def _packages(top: Entry) -> list[Package]:
    table = top.values.get("packages", {})
    if not isinstance(table, dict) or len(table) > MAX_PACKAGES:
        raise top.error("packages", f"expected a table of at most {MAX_PACKAGES} names and sizes")
    entry = Entry(values=table, lines=top.lines, table="packages")
    for name in table:
        if not NAME.fullmatch(name):
            raise entry.error(name, "expected a name of 1 to 100 letters, digits and . _ / : -")
    return [Package(name, entry.whole(name, 1, MAX_MB)) for name in table]


def _image(entry: Entry, packages: Mapping[str, int]) -> Image:
    entry.check_keys("name", "packages")
    names = entry.values.get("packages")
    if not isinstance(names, list) or any(
        not isinstance(each, str) or each not in packages for each in names
    ):
        raise entry.error("packages", "expected a list of names under [packages]")
    if len(set(names)) != len(names):
        raise entry.error("packages", "expected each package once")
    return Image(entry.name(), tuple(packages[each] for each in names))


def _nodes(entry: Entry) -> list[Node]:
    entry.check_keys("name", "count", "memory_mb", "disk_mb", "pull_mb_per_second")
    name, count = entry.name(), entry.whole("count", 1, MAX_NODES, 1)
    node = Node(
        name=name,
        memory_mb=entry.whole("memory_mb", 1, MAX_MB),
        disk_mb=entry.whole("disk_mb", 0, MAX_MB, NO_LIMIT),
        pull_mb_per_second=entry.whole("pull_mb_per_second", 1, MAX_MB, DEFAULT_PULL_MB_PER_SECOND),
    )
    if "count" not in entry.values:
        return [node]
    rest = (node.memory_mb, node.disk_mb, node.pull_mb_per_second)
    return [Node(f"{name}-{number}", *rest) for number in range(1, count + 1)]


def _tenant(entry: Entry) -> Tenant:
    entry.check_keys("name", "weight", "quota_concurrency", "quota_mb")
    return Tenant(
        name=entry.name(),
        weight=entry.whole("weight", 1, MAX_COUNT, 1),
        quota_concurrency=entry.whole("quota_concurrency", 0, MAX_COUNT, NO_LIMIT),
        quota_mb=entry.whole("quota_mb", 0, MAX_MB, NO_LIMIT),
    )


def _function(
    entry: Entry, tenants: Mapping[str, int], images: Mapping[str, int], no_image: int
) -> Function:
    entry.check_keys(
        "name", "tenant", "image", "memory_mb", "init_seconds", "concurrency", "timeout_seconds",
        "patience_seconds",
    )  # fmt: skip
    if entry.values.get("tenant") not in list(tenants):
        raise entry.error("tenant", "expected the name of one of the [[tenants]]")
    if "image" in entry.values and entry.values["image"] not in list(images):
        raise entry.error("image", "expected the name of one of the [[images]]")
    return Function(
        name=entry.name(),
        tenant=tenants[entry.values["tenant"]],
        image=images[entry.values["image"]] if "image" in entry.values else no_image,
        memory_mb=entry.whole("memory_mb", 1, MAX_MB),
        init_us=entry.microseconds("init_seconds", 1, DEFAULT_INIT_US),
        concurrency=entry.whole("concurrency", 1, MAX_COUNT, 1),
        timeout_us=entry.microseconds("timeout_seconds", 1, DEFAULT_TIMEOUT_US),
        patience_us=entry.microseconds("patience_seconds", 1, DEFAULT_PATIENCE_US),
    )


def _refuse_twins(table: str, rows: Iterable[tuple[int, Any]], top: Entry) -> None:
    """Refuse equal names among the rows that come of the tables at these places."""
    seen: set[str] = set()
    for place, row in rows:
        if row.name in seen:
            where = top.lines.where(table, place, "name")
            raise InputError(
                f"{where}: two of the [[{table}]] are named {show(row.name)}, rename one"
            )
        seen.add(row.name)
