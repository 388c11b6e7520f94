"""``assay view`` over many experiments: first screen, every page, memory while it is live."""

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from benchmarks.measure import missed, sized
from flows.history.journal import Journal
from flows.history.store import ingest
from tests.support.browser import Browser, browser
from tests.support.guarded_rows import guarded_rows
from tests.support.history_rows import candidate, evaluation
from tests.support.viewed import remember_many, remember_report, serving

EXPERIMENTS, ATTEMPTS, SCENARIOS = sized((200, 124, 4), (4, 5, 4))
UPDATES = sized(300, 2)
"""Live ones; each records an attempt and its evaluations, and every page that is open loads it."""
ASKED = sized(5, 1)
PROMISED_FIRST_SECONDS = 1.0
PROMISED_QUERY_SECONDS = 1.0
PROMISED_GROWTH_MB = 25.0
SQL = (
    "SELECT outcome, count(*), avg(score) FROM evaluations GROUP BY ALL",
    "SELECT experiment, max(score) FROM leaderboard GROUP BY ALL ORDER BY 2 DESC",
)


def main() -> None:
    """Print the tables; a promise that is missed ends with status 1."""
    with TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        _make(home)
        with serving(home) as (address, pid), browser(Path(folder) / "profile") as chromium:
            first = _first_screen(chromium, address)
            slowest = _pages(address)
            growth = _live(home, address, pid, chromium)
    if first > PROMISED_FIRST_SECONDS:
        missed(f"the first screen in {PROMISED_FIRST_SECONDS:g} s, it took {first:.2f}")
    if slowest > PROMISED_QUERY_SECONDS:
        missed(f"every answer in {PROMISED_QUERY_SECONDS:g} s, the slowest took {slowest:.2f}")
    if growth > PROMISED_GROWTH_MB:
        missed(f"memory within {PROMISED_GROWTH_MB:g} MB over {UPDATES} live updates: {growth:.0f}")


def _make(home: Path) -> None:
    remember_many(home, EXPERIMENTS, ATTEMPTS, SCENARIOS)
    remember_report(home, guarded_rows(sized(200, 5), 12, model=True), "with-panels")
    began = time.perf_counter()
    ingest(home)
    size = (home / "history.duckdb").stat().st_size / 1e6
    tries = EXPERIMENTS * (ATTEMPTS + 1) * SCENARIOS
    print(f"{EXPERIMENTS + 1} experiments, {tries:,} evaluations, {size:.0f} MB of history")
    print(f"ingested in {time.perf_counter() - began:.1f} s")


def _first_screen(chromium: Browser, address: str) -> float:
    """Return the seconds until a browser has the list of experiments, as it says itself."""
    chromium.screen(1200)
    found: list[float] = []
    for _ in range(ASKED):
        chromium.go(address)
        script = "return performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
        found.append(chromium.run(script) / 1000)
    print(
        f"first screen in Chromium: {found[0]:.2f} s at first, then {min(found[1:] or found):.2f}"
    )
    return max(found)


def _pages(address: str) -> float:
    """Print the seconds of every page and return the most of the lists; a report is by itself."""
    paths = {
        "experiments": "/",
        "experiments, filtered and sorted": "/?words=night+1&model=large-model&sort=-gain",
        "leaderboard of a suite": "/leaderboard",
        "failures, all experiments": "/failures",
        "spend, all experiments": "/spend",
        "two attempts side by side": "/compare?c=search-1:3/0&c=search-4:7/0",
        "a report of 124 candidates": "/experiment/search-1",
        "a report of 200 with panels": "/experiment/with-panels",
        **{f"SQL: {sql}"[:60]: f"/sql?q={quote(sql)}" for sql in SQL},
    }
    print(f"{'page':62} seconds       kB")
    slowest = 0.0
    for name, path in paths.items():
        seconds, size = _least(lambda path=path: _get(address, path))  # type: ignore[misc]
        print(f"{name:62} {seconds:7.2f} {size / 1000:8.0f}", flush=True)
        if "panels" not in name:
            slowest = max(slowest, seconds)
    return slowest


def _live(home: Path, address: str, pid: int, chromium: Browser) -> float:
    """Record attempts while a page is open; return by how many MB the server grew since then."""
    kept: list[tuple[float, float]] = []
    chromium.go(address)
    with Journal(home, "search-1") as journal:
        for number in range(UPDATES):
            attempt = 1000 + number
            scored = [
                evaluation(experiment_id="search-1", iteration=attempt, scenario=f"mixed-{place}")
                for place in range(SCENARIOS)
            ]
            new = candidate(experiment_id="search-1", iteration=attempt, candidate=f"new {number}")
            journal.append_all([new, *scored])
            for path in ("/", "/experiment/search-1", "/leaderboard"):
                _get(address, path)
            script = "return (performance.memory || {}).usedJSHeapSize || 0"
            kept.append((_resident_mb(pid), chromium.run(script) / 1e6))
    for place in sorted({0, *range(UPDATES // 6 - 1, UPDATES, max(1, UPDATES // 6))}):
        server, page = kept[max(0, place)]
        print(
            f"after {place + 1:4} updates: server {server:6.0f} MB, open page {page:5.1f} MB of JS"
        )
    settled = kept[UPDATES // 3 :]
    return max(0.0, settled[-1][0] - settled[0][0])


def _get(address: str, path: str) -> int:
    opener = build_opener(ProxyHandler({}))
    with opener.open(Request(address.rstrip("/") + path), timeout=120) as answer:
        return len(answer.read())


def _least(work: Callable[[], int]) -> tuple[float, int]:
    found: list[tuple[float, int]] = []
    for _ in range(ASKED):
        began = time.perf_counter()
        size = work()
        found.append((time.perf_counter() - began, size))
    return min(found)


def _resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    (resident,) = (line for line in lines if line.startswith("VmRSS:"))
    return int(resident.split()[1]) / 1000


if __name__ == "__main__":
    main()
