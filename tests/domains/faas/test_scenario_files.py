"""Scenario files: read exactly, and refused with file, line, column and value where wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.domain import find_domain
from simulator.domains.faas.cell import open_scenario
from simulator.domains.faas.messages import Function, Node
from simulator.domains.faas.scenario_files import read_world, render_invocations
from simulator.domains.faas.world import US, World
from simulator.errors import InputError
from simulator.suites import load_suite
from tests.support.cells import ROOT

NO_NUMPY = "import sys, simulator.domains.faas.cell; sys.exit('numpy' in sys.modules)"

TOML = """\
duration_seconds = 100.000001
gb_seconds_per_delay_second = 0.5

[packages]
base = 50

[[images]]
name = "py"
packages = ["base"]

[[nodes]]
name = "big"
memory_mb = 4096

[[nodes]]
name = "n"
count = 2
memory_mb = 1024
disk_mb = 100
pull_mb_per_second = 30

[[tenants]]
name = "a"

[[functions]]
name = "a/f"
tenant = "a"
image = "py"
memory_mb = 512
init_seconds = 0.1

[[functions]]
name = "a/g"
tenant = "a"
memory_mb = 2048
"""
CSV = "time_seconds,function,service_seconds\n5,a/g,1\n0.25,a/f,0.000001\n5,a/f,2.5\n"


def written(folder: Path, toml: str = TOML, rows: str = CSV) -> Path:
    (folder / "scenario.toml").write_text(toml)
    (folder / "invocations.csv").write_text(rows)
    return folder


def test_seconds_become_microseconds_exactly_and_rows_are_sorted(tmp_path: Path) -> None:
    world = read_world(written(tmp_path))

    assert world.duration_us == 100_000_001
    assert world.times == [250_000, 5_000_000, 5_000_000]
    assert world.functions == [0, 1, 0]
    assert world.services == [1, 1_000_000, 2_500_000]
    setup = world.setup
    assert setup.price_mb_us == 512 * US
    assert [each.name for each in setup.nodes] == ["big", "n-1", "n-2"]
    assert setup.nodes[2] == Node("n-2", 1024, 100, 30)
    assert setup.functions[0] == Function("a/f", 0, 0, 512, 100_000, 1, 300 * US, 60 * US)
    assert [each.name for each in setup.images] == ["py", ""]
    assert world.end_us == 160_000_001


def test_a_folder_its_file_and_a_file_of_another_name_are_read(tmp_path: Path) -> None:
    folder = written(tmp_path)
    other = tmp_path / "other.toml"
    other.write_text(TOML)

    scenarios = [open_scenario(each) for each in (folder, folder / "scenario.toml", other)]

    assert len({each.sha256 for each in scenarios}) == 1
    assert [each.name for each in scenarios] == [tmp_path.name, tmp_path.name, "other"]
    assert scenarios[0].size == {"invocations": 3, "functions": 2, "tenants": 1, "nodes": 3}
    assert scenarios[0].figures["memory_mb"] == 6144


def test_invocations_that_are_written_are_read_back(tmp_path: Path) -> None:
    world = read_world(written(tmp_path))

    again = read_world(written(tmp_path, rows=render_invocations(world)))

    assert again == world


def test_comments_and_empty_lines_and_another_order_of_columns(tmp_path: Path) -> None:
    rows = '# "mine\n\nfunction,service_seconds,time_seconds\n# a,"first\n \t\na/f,1,2\n\n'

    assert read_world(written(tmp_path, rows=rows)).times == [2_000_000]


WRONG_ROWS = {
    "time,function,service_seconds\n": ":1: the columns are 'time,function,service_seconds'",
    CSV + "1,a/f\n": ":5: 2 values, expected 3",
    CSV + "x,a/f,1\n": ":5: time_seconds is 'x'",
    CSV + "1e3,a/f,1\n": ":5: time_seconds is '1e3'",
    CSV + "-1,a/f,1\n": ":5: time_seconds is '-1'",
    CSV + "0.1234567,a/f,1\n": ":5: time_seconds is '0.1234567'",
    CSV + "100.000001,a/f,1\n": ":5: time_seconds is '100.000001', expected a time before",
    CSV + "1,a/f,10000000.1\n": ":5: service_seconds is '10000000.1', expected seconds such as",
    CSV + "1,a/x,1\n": ":5: function is 'a/x'",
    CSV + "1,a/f,0\n": ":5: service_seconds is 0",
    CSV + '1,"a/f,1\n1,a/f,1\n': ":5: not valid CSV",
    CSV + "1e999,a/f,1\n": ":5: time_seconds is '1e999'",
    CSV + "nan,a/f,1\n": ":5: time_seconds is 'nan'",
    CSV + "1,a/f,1_0\n": ":5: service_seconds is '1_0'",
    CSV + f"{'9' * 500},a/f,1\n": ":5: time_seconds is '999",
    CSV + "1,a/f\0,1\n": r":5: function is 'a/f\x00'",
    CSV.replace(",", ";"): ":1: the columns are 'time_seconds;function;service_seconds'",
    "\n\n# nothing\n": ".csv: no line with columns",
    "time_seconds,function,service_seconds\n": ".csv: 0 invocations, expected 1 to",
    "": ".csv: no line with columns, expected time_seconds",
}

WRONG_TABLES = {
    ("duration_seconds = 100.000001", "x = 1"): ":1: unknown key 'x'",
    ("duration_seconds = 100.000001", ""): "duration_seconds is missing",
    ("100.000001", "0"): ":1: duration_seconds is 0",
    ("100.000001", "1.0000001"): ":1: duration_seconds is 1.0000001",
    ("100.000001", '"1"'): ":1: duration_seconds is '1'",
    ("= 0.5", "= -1"): ":2: gb_seconds_per_delay_second is -1",
    ("base = 50", "base = 0"): ":5: packages: base is 0",
    ("base = 50", "base = 50\nbase = 60"): ":6: not valid TOML: Cannot overwrite a value, it reads",
    ("base = 50", '"ba se" = 50'): ":5: packages: ba se is 50, expected a name",
    ("base = 50", "base = 2020-01-01"): ":5: packages: base is 2020-01-01, expected a whole",
    ("100.000001", "nan"): ":1: duration_seconds is nan",
    ("100.000001", "1e999"): ":1: duration_seconds is 1e+999",
    ("100.000001", "9" * 4000): ":1: 4019 characters, expected at most 4000 on a line",
    ("100.000001", "1\nx = [" + "[" * 1500 + "]" * 1501): "nested too deeply",
    ("100.000001", "1\n" + "a." * 3000 + "a = 1"): ":2: 6005 characters, expected at most 4000",
    ("100.000001", '1\ninvocations = "a\\u0000"'): r":2: invocations is 'a\x00', expected the name",
    ("100.000001", "1\ninvocations = 3"): ":2: invocations is 3, expected the name of a CSV file",
    ('packages = ["base"]', 'packages = ["x"]'): ":9: images 1: packages is ['x']",
    ('packages = ["base"]', 'packages = ["base", "base"]'): ":9: images 1: packages",
    ("memory_mb = 4096", "memory_mb = 4096.5"): ":13: nodes 1: memory_mb is 4096.5",
    ("disk_mb = 100", "disk_mb = true"): ":19: nodes 2: disk_mb is true",
    ('name = "n"', 'name = "n n"'): ":16: nodes 2: name is 'n n'",
    ('name = "big"', 'name = "n-2"'): ":16: two of the [[nodes]] are named 'n-2'",
    ('image = "py"', 'image = "no"'): ":28: functions 1: image is 'no'",
    ('tenant = "a"\nmemory', 'tenant = "b"\nmemory'): ":34: functions 2: tenant is 'b'",
    ("memory_mb = 2048", "memory_mb = 8192"): ":32: function 'a/g' needs memory_mb 8192",
    ("memory_mb = 2048", "memory_mb = 2048\npatience_seconds = 0.9"): (
        ":32: function 'a/g' takes up to 1 s to start cold, longer than its patience_seconds 0.9"
    ),
    ('[[tenants]]\nname = "a"', '[[tenants]]\nname = "a"\nquota_mb = 1000'): (
        ":33: function 'a/g' needs memory_mb 2048, more than the quota_mb 1000"
    ),
    ("[packages]", "[packages"): "not valid TOML",
    ("[[tenants]]", "[tenants]"): ":22: tenants is {'name': 'a'}",
    ("[[tenants]]", "[[tenant]]"): ":22: unknown key 'tenant'",
    (
        'base = 50\n\n[[images]]\nname = "py"\npackages = ["base"]',
        "1 = 50\n\n[[images]]\npackages = [1]",
    ): ":8: images 1: packages is [1]",
    ("memory_mb = 2048", "memory_mb = 2048\n[[traffic]]\nfunctions = [[1]]"): (
        ":37: traffic 1: functions is [[1]]"
    ),
    ("memory_mb = 2048", "memory_mb = 2048\n[[traffic]]\nfrom_seconds = 5\nto_seconds = 5"): (
        ":37: traffic 1: from_seconds is 5, expected less than to_seconds, 5"
    ),
    ("duration_seconds", "seed = 1\nduration_seconds"): ":1: seed is 1, expected no seed",
}


def test_wrong_files_are_refused_with_the_place_and_the_value(tmp_path: Path) -> None:
    wrong = []
    cases = [(TOML, rows, message) for rows, message in WRONG_ROWS.items()]
    for (old, new), message in WRONG_TABLES.items():
        assert old in TOML
        cases.append((TOML.replace(old, new, 1), CSV, message))
    for toml, rows, message in cases:
        try:
            read_world(written(tmp_path, toml, rows))
        except InputError as error:
            if message not in str(error) or "\n" in str(error) or str(tmp_path) not in str(error):
                wrong.append(f"{message}: {error}")
        else:
            wrong.append(f"{message}: accepted")

    assert not wrong


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "scenario.toml").write_text(TOML)

    with pytest.raises(InputError, match=r"invocations\.csv: cannot be read"):
        read_world(tmp_path)


def test_what_is_not_text_or_never_ends_is_refused_with_its_line(tmp_path: Path) -> None:
    pipe, loop = tmp_path / "pipe", tmp_path / "loop"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    cases: dict[str, tuple[str, bytes]] = {
        ":5: byte 79 is not UTF-8: 0xe9": (TOML, CSV.encode() + b"1,caf\xe9,1\n"),
        ":1: byte 0 is not UTF-8: 0xff": (TOML, CSV.encode("utf-16")),
        "pipe: is no regular file": (f'invocations = "pipe"\n{TOML}', b""),
        "/dev/zero: is no regular file": (f'invocations = "/dev/zero"\n{TOML}', b""),
        "loop: cannot be read: too many levels": (f'invocations = "loop"\n{TOML}', b""),
        "aaa.csv: cannot be read: file name too long": (
            f'invocations = "{"a" * 300}.csv"\n{TOML}', b"",
        ),
    }  # fmt: skip
    wrong = []
    for message, (toml, rows) in cases.items():
        written(tmp_path, toml)
        (tmp_path / "invocations.csv").write_bytes(rows)
        try:
            read_world(tmp_path)
        except InputError as error:
            if message not in str(error) or "\n" in str(error):
                wrong.append(f"{message}: {error}")
        else:
            wrong.append(f"{message}: accepted")

    assert not wrong


@pytest.mark.parametrize("ends", ["\r\n", "\r"])
def test_files_of_other_systems_say_the_same(tmp_path: Path, ends: str) -> None:
    plain = read_world(written(tmp_path))

    (tmp_path / "invocations.csv").write_bytes(("\ufeff" + CSV).replace("\n", ends).encode())

    assert read_world(tmp_path) == plain


TRAFFIC = """
seed = 7
[[traffic]]
per_second = 20
popularity = 1
service = "exponential"
service_seconds = 0.3
[[traffic]]
functions = ["a/g"]
arrivals = "cron"
period_seconds = 30
service = "fixed"
service_seconds = 2
"""


def generated(folder: Path, text: str) -> World:
    path = folder / "generated.toml"
    first, _, rest = text.partition("[[traffic]]")
    path.write_text(first + TOML + "[[traffic]]" + rest)
    return read_world(path)


def test_traffic_has_the_rate_the_shares_and_the_service_that_it_names(tmp_path: Path) -> None:
    world = generated(tmp_path, TRAFFIC)

    count = len(world.times)
    assert abs(count - 2004) < 4 * 2000**0.5
    cron = [t for t, f, s in zip(world.times, world.functions, world.services, strict=True)
            if (f, s) == (1, 2 * US)]  # fmt: skip
    assert cron == [0, 30 * US, 60 * US, 90 * US]
    share = world.functions.count(0) / (count - 4)
    assert abs(share - 2 / 3) < 4 * (2 / 9 / count) ** 0.5
    mean = (sum(world.services) - 8 * US) / (count - 4) / US
    assert abs(mean - 0.3) < 4 * 0.3 / count**0.5
    assert list(world.times) == sorted(world.times)


def test_the_same_seed_gives_the_same_and_a_new_table_leaves_the_others(tmp_path: Path) -> None:
    one, two = generated(tmp_path, TRAFFIC), generated(tmp_path, TRAFFIC)
    other = generated(tmp_path, TRAFFIC.replace("seed = 7", "seed = 8"))
    more = generated(tmp_path, TRAFFIC + '[[traffic]]\narrivals = "bursty"\nper_second = 1\n')

    assert one == two != other
    rows = set(zip(more.times, more.functions, more.services, strict=True))
    assert rows > set(zip(one.times, one.functions, one.services, strict=True))


@pytest.mark.parametrize("kind", ["bursty", "diurnal"])
def test_varying_traffic_has_its_mean_rate_and_more_variance(tmp_path: Path, kind: str) -> None:
    text = f'[[traffic]]\narrivals = "{kind}"\nper_second = 20\non_seconds = 2\noff_seconds = 3\n'
    toml = TOML.replace("100.000001", "3000")
    path = tmp_path / "generated.toml"
    path.write_text(toml + text.replace("[[traffic]]", '[[traffic]]\nfunctions = ["a/f"]'))

    world = read_world(path)

    counts = [0] * 300
    for time in world.times:
        counts[time // (10 * US)] += 1
    mean = sum(counts) / 300
    variance = sum((each - mean) ** 2 for each in counts) / 300
    assert abs(mean - 200) < 25
    assert variance > 5 * mean


def test_traffic_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    cases = {
        TRAFFIC.replace('"cron"', '"cran"'): "traffic 2: arrivals is 'cran'",
        TRAFFIC.replace('["a/g"]', '["x"]'): "traffic 2: functions is ['x']",
        TRAFFIC.replace("per_second = 20", "per_second = 0"): "traffic 1: per_second is 0",
        TRAFFIC.replace("period_seconds", "per_second = 3\nperiod_seconds"): "per_second is 3",
        TRAFFIC.replace("seed", 'invocations = "x.csv"\nseed'): "expected either a file",
        TRAFFIC.replace('["a/g"]', '["a/g", "a/g"]'): "traffic 2: functions is ['a/g', 'a/g']",
        TRAFFIC.replace("per_second = 20", "per_second = 100000"): (
            "traffic 1: per_second is 100000, which is about 10000000 invocations, expected at most"
        ),
        TRAFFIC.replace("= 30", "= 0.000001"): (
            "traffic 2: period_seconds is 0.000001, which is 100000001 invocations, expected"
        ),
        TRAFFIC.replace(
            "popularity = 1", 'arrivals = "bursty"\non_seconds = 0.000001\noff_seconds = 0.000001'
        ): "traffic 1: on_seconds is 0.000001, which with off_seconds makes 100000001 stretches",
    }
    wrong = []
    for text, message in cases.items():
        try:
            generated(tmp_path, text)
        except InputError as error:
            if message not in str(error):
                wrong.append(f"{message}: {error}")
        else:
            wrong.append(f"{message}: accepted")

    assert not wrong


def test_a_suite_names_scenarios_and_checks_their_hash(tmp_path: Path) -> None:
    written(tmp_path)
    sha256 = open_scenario(tmp_path).sha256
    entry = '[[scenarios]]\nname = "x"\nfamily = "y"\nsplit = "test"\nscenario = "."\n'
    suite = tmp_path / "suite.toml"
    head = 'name = "s"\ndescription = "d"\ndomain = "faas"\n'
    suite.write_text(f'{head}{entry}sha256 = "{sha256}"\ncalls = "every_event"\n')
    (scenario,) = load_suite(suite, find_domain("faas")).scenarios

    assert (scenario.name, scenario.calls) == ("x", "every_event")
    suite.write_text(f'{head}{entry}sha256 = "no"\n')
    with pytest.raises(InputError, match=f"the sha256 of the scenario is {sha256}"):
        load_suite(suite, find_domain("faas"))


def test_a_cell_that_only_simulates_does_not_import_numpy() -> None:
    assert subprocess.run([sys.executable, "-c", NO_NUMPY], cwd=ROOT).returncode == 0
