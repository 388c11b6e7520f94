"""How tests share two processes, a file in one of them, and how random examples repeat."""

import gc
import os
import re
from collections import Counter, defaultdict
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

PREFECT = "tests/prefect"
CLUSTER = "tests/cluster"
BROWSER = "tests/browser"
WITHOUT_SERVER = ("tests/prefect/test_killed_server.py", "tests/prefect/test_serve.py")
"""Files whose tests start servers of their own."""
ATTACKS = "tests/attacks/test_attacks.py"
CELLS = ("docker-full", "docker-one-uid", "process")
SLOW = (
    "tests/sandbox/test_blame",
    "tests/sandbox/test_engine_address",
    "tests/sandbox/test_clocks",
    "tests/sandbox/test_determinism",
    "tests/sandbox/test_doctor",
    "tests/sandbox/test_process_cells",
    "tests/simulator/cell/test_channel",
    "tests/simulator/cell/test_pid1",
    "tests/flows/test_bench_search",
    "tests/flows/test_claims",
    "tests/flows/test_completion",
    "tests/flows/test_config_trust",
    "tests/flows/test_cut_at_the_end",
    "tests/flows/test_fresh_test",
    "tests/flows/test_kills",
    "tests/flows/test_linear_time",
    "tests/flows/test_model_away",
    "tests/flows/test_model_cuts",
    "tests/flows/test_offline_edits",
    "tests/flows/test_offline_proposer",
    "tests/flows/test_read_only_sql",
    "tests/flows/test_recordings",
    "tests/flows/test_reply_shapes",
    "tests/flows/test_resume_model",
    "tests/flows/test_redact",
    "tests/flows/test_run_on_terminal",
    "tests/flows/test_search_cheats",
    "tests/flows/test_search_resume",
    "tests/flows/test_store.py",
    "tests/flows/test_store_load",
    "tests/domains/test_domains_command",
    "tests/docs/test_faas_guide",
    "tests/docs/test_history_page",
    "tests/docs/test_offline_page",
    "tests/docs/test_prompts_page",
    "tests/docs/test_search_page",
    "tests/docs/test_sql_cookbook",
    "tests/docs/test_traces_page",
    "tests/domains/pipelines/test_differential",
    "tests/domains/pipelines/test_golden.py::test_paper_traces",
    "tests/domains/pipelines/test_golden.py::test_the_oracle",
    "tests/domains/faas/test_laws",
    "tests/domains/faas/test_suites",
    "tests/domains/pipelines/test_importers_fuzz",
    "tests/domains/pipelines/test_importers_generated",
    "tests/domains/pipelines/test_importers_reading.py::test_a_bomb",
    "tests/domains/pipelines/test_library.py",
    "tests/domains/pipelines/test_library_figures",
    "tests/flows/test_cli_database",
    "tests/flows/test_evaluation_budget.py::test_killed",
    "tests/flows/test_history_check",
    "tests/flows/test_history_damage",
    "tests/bootstrap/test_acceptance_resumed",
    "tests/cluster/test_two_hosts",
    "tests/prefect/test_hosts",
    "tests/domains/faas/test_differential",
    "tests/domains/faas/test_fresh",
    "tests/domains/faas/test_library_figures",
    "tests/domains/faas/test_objective",
    "tests/domains/faas/test_second_implementation",
    "tests/domains/pipelines/test_paper",
    "tests/domains/pipelines/test_traces_header",
    "tests/flows/test_docs_command",
    "tests/flows/test_held_back",
    "tests/flows/test_interrupted",
    "tests/flows/test_ledger_size",
    "tests/flows/test_mcp",
    "tests/flows/test_report_paper",
    "tests/flows/test_sweep.py",
    "tests/flows/test_view.py::test_text_of_policies",
    "tests/flows/test_view_attacks",
)
"""Beginnings of tests that start cells, searches or many programs, make many databases, or
simulate a great deal."""
LONGEST_FIRST = (
    PREFECT,
    CLUSTER,
    ATTACKS,
    BROWSER,
    "tests/docs",
    "tests/peers",
    "tests/sealed",
    "tests/acceptance",
    "tests/sandbox",
    "tests/bootstrap",
    "tests/flows/test_kills",
)

# On a busy machine a command may take so long that it says how far it is.
os.environ.setdefault("ASSAY_PROGRESS", "no")

# The same examples in every run, and no example is too slow on a machine that pauses for a while.
for name, examples in (("by day", 50), ("by night", 100)):
    settings.register_profile(
        name,
        derandomize=True,
        deadline=None,
        max_examples=examples,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile("by night")


def pytest_configure(config: pytest.Config) -> None:
    """Try fewer generated examples where what is nightly is left out."""
    if "not nightly" in config.option.markexpr:
        settings.load_profile("by day")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import a file whose every test is left out: that takes seconds in each process."""
    marks = config.option.markexpr
    if collection_path.suffix != ".py" or not re.fullmatch(r"not \w+( and not \w+)*", marks):
        return None
    text = collection_path.read_text(encoding="utf-8")
    of_all = re.findall(r"mark\.(\w+)", text.partition("\npytestmark = ")[2].partition("\n\n")[0])
    if collection_path.relative_to(config.rootpath).as_posix().startswith(SLOW):
        of_all.append("slow")
    return True if set(of_all) & set(re.findall(r"not (\w+)", marks)) else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep all that is imported for good from what looks for garbage: a sixth of the CPU time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


def pytest_unconfigure() -> None:
    """Let all of it go at the end, or libraries in C say that it leaks."""
    gc.unfreeze()


@pytest.hookimpl(tryfirst=True)  # before the marks decide what is left out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the longest groups, so that no process is left alone with one at the end."""
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker(pytest.mark.slow)
    if hasattr(config, "workerinput"):  # one of several processes
        items.sort(key=lambda item: rank(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out groups in the order of the tests, whatever ``--dist`` says."""
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = group  # the method that subclasses replace
    return scheduler


def group(nodeid: str) -> str:
    """Return what a test shares a process with: its server, its kind of cell, or its file."""
    path = nodeid.partition("::")[0]
    if path.startswith(PREFECT) and path not in WITHOUT_SERVER:
        return PREFECT
    for shared in (CLUSTER, BROWSER):
        if path.startswith(shared):
            return shared
    if path == ATTACKS:
        attack = nodeid.partition("[")[2]
        return path + next((cell for cell in CELLS if attack.startswith(cell)), "")
    return path


def rank(nodeid: str) -> int:
    """Return the place of a test's group in the order in which groups are handed out."""
    ranks = [place for place, start in enumerate(LONGEST_FIRST) if nodeid.startswith(start)]
    return min(ranks, default=len(LONGEST_FIRST))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Show how long each folder took, where the slowest tests are asked for."""
    if not config.option.durations:
        return
    seconds: defaultdict[str, float] = defaultdict(float)
    tests = Counter[str]()
    for report in [each for kind in terminalreporter.stats.values() for each in kind]:
        if isinstance(report, pytest.TestReport):
            folder = report.nodeid.partition("::")[0].rpartition("/")[0]
            seconds[folder] += report.duration
            tests[folder] += report.when == "call"
    terminalreporter.section("seconds per folder")
    for folder, total in sorted(seconds.items(), key=lambda each: -each[1]):
        terminalreporter.write_line(f"{total:8.1f} s  {tests[folder]:5} tests  {folder}")
