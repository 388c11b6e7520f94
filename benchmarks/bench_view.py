"""``assay view`` over many experiments: first screen, every page, memory while it is live.

Seconds are wall time as the client sees it; promises are held to the CPU seconds of the server and
of the processes that it starts, which other work on the machine does not lengthen.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

from benchmarks.measure import missed, sized
from flows.history.journal import Journal
from flows.history.store import ingest
from tests.support.browser import Browser, browser, draw_all
from tests.support.guarded_rows import guarded_rows
from tests.support.history_rows import candidate, evaluation
from tests.support.viewed import remember_many, remember_report, serving

EXPERIMENTS, ATTEMPTS, SCENARIOS = sized((200, 124, 4), (4, 5, 4))
UPDATES = sized(120, 2)
"""Live ones; each records an attempt and its evaluations, and every page that is open loads it."""
EVERY_SECONDS = 10.0
"""Between two updates where ``--minutes`` says how long they go on."""
ASKED = sized(5, 1)
PROMISED_FIRST_SECONDS = 1.0
PROMISED_QUERY_SECONDS = 1.0
PROMISED_GROWTH_MB = 25.0
SQL = (
    "SELECT outcome, count(*), avg(score) FROM evaluations GROUP BY ALL",
    "SELECT experiment, max(score) FROM leaderboard GROUP BY ALL ORDER BY 2 DESC",
)


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables; a promise that is missed ends with status 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--minutes", type=float, help=f"so long, one update every {EVERY_SECONDS:g} s"
    )
    minutes = parser.parse_args(arguments).minutes
    with TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        _make(home)
        with serving(home) as (address, pid), browser(Path(folder) / "profile") as chromium:
            first = _first_screen(chromium, address, pid)
            slowest = _pages(address, pid)
            growth, updates = _live(home, address, pid, chromium, minutes)
    if first > PROMISED_FIRST_SECONDS:
        missed(f"the first screen in {PROMISED_FIRST_SECONDS:g} CPU s, it took {first:.2f}")
    if slowest > PROMISED_QUERY_SECONDS:
        missed(f"every answer in {PROMISED_QUERY_SECONDS:g} CPU s, the slowest took {slowest:.2f}")
    if growth > PROMISED_GROWTH_MB:
        missed(f"memory within {PROMISED_GROWTH_MB:g} MB over {updates} live updates: {growth:.0f}")


def _make(home: Path) -> None:
    remember_many(home, EXPERIMENTS, ATTEMPTS, SCENARIOS)
    remember_report(home, guarded_rows(sized(200, 5), 12, model=True), "with-panels")
    began = time.perf_counter()
    ingest(home)
    size = (home / "history.duckdb").stat().st_size / 1e6
    tries = EXPERIMENTS * (ATTEMPTS + 1) * SCENARIOS
    print(f"{EXPERIMENTS + 1} experiments, {tries:,} evaluations, {size:.0f} MB of history")
    print(f"ingested in {time.perf_counter() - began:.1f} s")


def _first_screen(chromium: Browser, address: str, pid: int) -> float:
    """Print how soon a browser has the list of experiments, as it says itself; return CPU s."""
    chromium.screen(1200)
    script = "return performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
    found = []
    for _ in range(ASKED):
        before = _cpu_seconds(pid)
        chromium.go(address)
        found.append((_cpu_seconds(pid) - before, chromium.run(script) / 1000))
    (cpu, first), (least, then) = found[0], min(found[1:] or found)
    print(
        f"first screen in Chromium: {first:.2f} s ({cpu:.2f} CPU s of the server) for the first "
        f"person, then {then:.2f} s ({least:.2f})"
    )
    return cpu


def _pages(address: str, pid: int) -> float:
    """Print the seconds of every page; return the most CPU s, a report with panels left out."""
    paths = {
        "experiments": "/",
        "experiments, filtered and sorted": "/?words=night+1&model=large-model&sort=-gain",
        "leaderboard of a suite": "/leaderboard",
        "failures, all experiments": "/failures",
        "spend, all experiments": "/spend",
        "two attempts side by side": "/compare?c=search-0:3/0&c=search-3:2/0",
        "a report of 124 candidates": "/experiment/search-1",
        "a report of 200 with panels": "/experiment/with-panels",
        **{f"SQL: {sql}"[:60]: f"/sql?q={quote(sql)}" for sql in SQL},
    }
    print(f"{'page':62} seconds    CPU s       kB")
    slowest = 0.0
    for name, path in paths.items():
        found = []
        for _ in range(ASKED):
            before, began = _cpu_seconds(pid), time.perf_counter()
            size = _get(address, path)
            seconds = time.perf_counter() - began
            found.append((_cpu_seconds(pid) - before, seconds, size))
        cpu, seconds, size = min(found)
        print(f"{name:62} {seconds:7.2f} {cpu:8.2f} {size / 1000:8.0f}", flush=True)
        if "panels" not in name:
            slowest = max(slowest, cpu)
    return slowest


def _live(
    home: Path, address: str, pid: int, chromium: Browser, minutes: float | None
) -> tuple[float, int]:
    """Record attempts while a page is open.

    Return by how many MB the server grew after the first third of the updates, and their number.
    """
    kept: list[tuple[float, float]] = []
    chromium.go(f"{address}experiment/search-1")
    draw_all(chromium)
    with Journal(home, "search-1") as journal:
        for number in _updates(minutes):
            attempt = 1000 + number
            scored = [
                evaluation(experiment_id="search-1", iteration=attempt, scenario=f"mixed-{place}")
                for place in range(SCENARIOS)
            ]
            new = candidate(experiment_id="search-1", iteration=attempt, candidate=f"new {number}")
            journal.append_all([new, *scored])
            for path in ("/", "/experiment/search-1", "/leaderboard"):
                _get(address, path)
            chromium.devtools("HeapProfiler.collectGarbage", {})
            used = chromium.devtools("Runtime.getHeapUsage", {})["usedSize"]
            kept.append((_resident_mb(pid), used / 1e6))
    count = len(kept)
    for place in sorted({0, *range(count // 6 - 1, count, max(1, count // 6))}):
        server, page = kept[max(0, place)]
        print(
            f"after {place + 1:4} updates: server {server:5.0f} MB, open page {page:5.1f} MB of JS"
        )
    settled = kept[count // 3 :]
    return max(0.0, settled[-1][0] - settled[0][0]), count


def _updates(minutes: float | None) -> Iterator[int]:
    """Number the updates: ``UPDATES`` in a row, or one every ``EVERY_SECONDS`` for some minutes."""
    if minutes is None:
        yield from range(UPDATES)
        return
    began = time.monotonic()
    for number in range(max(1, round(minutes * 60 / EVERY_SECONDS))):
        time.sleep(max(0.0, began + number * EVERY_SECONDS - time.monotonic()))
        yield number


def _get(address: str, path: str) -> int:
    opener = build_opener(ProxyHandler({}))
    with opener.open(address.rstrip("/") + path, timeout=120) as answer:
        return len(answer.read())


def _cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process, and of those that it started and that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    (resident,) = (line for line in lines if line.startswith("VmRSS:"))
    return int(resident.split()[1]) / 1000


if __name__ == "__main__":
    main(sys.argv[1:])
