"""How large the report of 200 candidates is, and how long it takes to make it and to open it."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import least_cpu_seconds, missed, sized
from flows.report.data import ReportData
from flows.report.page import build_view, render
from tests.support.browser import browser
from tests.support.guarded_rows import guarded_rows

ATTEMPTS = sized(200, 5)
SIZES = sized(((12, 80), (12, 900), (45, 900)), ((2, 9),))
"""Scenarios, and containers of each run."""
MAX_BYTES = 5_000_000
MAX_OPEN_SECONDS = 2.0
OPENINGS = sized(3, 1)


def main() -> None:
    """Measure pages of a model's search with prompts, replies, drawings and containers."""
    print("scenarios  containers   CPU s to make       MB   s to open")
    with TemporaryDirectory() as folder:
        for scenarios, spans in SIZES:
            _measure(Path(folder), scenarios, spans)


def _measure(folder: Path, scenarios: int, spans: int) -> None:
    data = guarded_rows(ATTEMPTS, scenarios, model=True, lines=120, spans=spans)
    cpu, page = least_cpu_seconds(lambda: _page(data))
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    size = path.stat().st_size
    seconds = _least_seconds_to_open(folder / "profile", path)
    print(f"{scenarios:9} {spans:11} {cpu:15.2f} {size / 1e6:8.2f} {seconds:11.2f}", flush=True)
    if size > MAX_BYTES:
        missed(f"a report of {ATTEMPTS} candidates has {size} bytes, promised are {MAX_BYTES}")
    if seconds > MAX_OPEN_SECONDS:
        missed(f"it opens in {seconds:.2f} s, promised are {MAX_OPEN_SECONDS:g}")


def _page(data: ReportData) -> str:
    return render(build_view(data))


def _least_seconds_to_open(profile: Path, path: Path) -> float:
    found = []
    with browser(profile) as chromium:
        for _ in range(OPENINGS):
            began = time.perf_counter()
            chromium.open(path)
            found.append(time.perf_counter() - began)
    return min(found)
