"""What PID 1 makes of a worker, seen through policies that end in every way there is."""

import dataclasses
import os
import subprocess
import sys

import pytest

from simulator.cell.frames import NOT_TRIED, TIME_LIMITS, CellLimits, Tried
from tests.support.cells import HONEST, TIGHT, small_scenario, try_in_process

LIMITS = dataclasses.replace(TIGHT.for_cell(), call_cpu_seconds=0.25)
GET = "import enum\nsys = enum.sys\nos = sys.modules['os']\n"


def that_does(body: str) -> str:
    """Return a policy that does ``body`` in each call."""
    source = f"{GET}{HONEST}\n_step = step\ndef again(s, results, pipelines):\n    {body}\n"
    source = source.replace('@register_scheduler(key="honest")\n', "")
    return source + 'register_scheduler(key="honest")(again)\n'


def tried(body: str, limits: CellLimits = LIMITS, isolation: str = "one-uid") -> Tried:
    """Try a policy that does ``body`` in each call, in a bare process."""
    report = try_in_process(that_does(body), [small_scenario()], limits, isolation)
    return report.tried[0]


@pytest.mark.parametrize(
    ("body", "outcome", "told"),
    [
        ("while True: pass", "call_timeout", "one call used more than 0.25 CPU seconds"),
        ("os._exit(7)", "worker_died", "ended itself (exit 7)"),
        ("os.close(3)", "worker_died", ""),
        ("sys.modules['ctypes'].string_at(0)", "worker_died", "SIGSEGV"),
        ("x = bytearray(1 << 40)", "memory_limit", "ran out of memory"),
        ("raise ValueError('no')", "policy_error", "ValueError: no"),
        ("return 5", "invalid_decision", ""),
        ("os.write(3, b'x' * 40)", "protocol_error", ""),
    ],
)
def test_every_end_of_a_worker_has_its_outcome(body: str, outcome: str, told: str) -> None:
    ended = tried(body)

    assert ended.outcome == outcome, ended
    assert told in (ended.message or "")


def test_a_worker_that_waits_for_nothing_meets_the_wall_limit() -> None:
    ended = tried("os.read(3, 1)", dataclasses.replace(LIMITS, wall_seconds=1.0))

    assert ended.outcome == "wall_limit"
    assert ended.message == "the scenario was not done after 1 s of wall time"


def test_a_worker_that_sleeps_is_ended_long_before_its_wall_time() -> None:
    limits = dataclasses.replace(LIMITS, blocked_seconds=0.5)

    ended = tried("lock = sys.modules['threading'].Lock(); lock.acquire(); lock.acquire()", limits)

    assert (ended.outcome, ended.step) == ("wall_limit", 0)
    assert ended.message == "one call waited for something that never comes, for more than 0.5 s"
    assert ended.seconds < 20


def test_short_sleeps_add_up_where_no_filter_cuts_them_off() -> None:
    limits = dataclasses.replace(LIMITS, blocked_seconds=1.0)
    doze = "lock = sys.modules['threading'].Lock(); lock.acquire(); lock.acquire(timeout=0.1)"

    ended = tried(f"{doze}; s.wake_in(0.1); return [], []", limits, isolation="none")

    assert ended.outcome == "wall_limit"
    assert "waited for something" in (ended.message or "")


def test_a_wait_with_a_time_limit_ends_at_once() -> None:
    doze = "lock = sys.modules['threading'].Lock(); lock.acquire(); lock.acquire(timeout=3600)"

    ended = tried(f"{doze}; return _step(s, results, pipelines)")

    assert ended.outcome == "ok"


def test_a_worker_that_waits_for_its_turn_on_a_busy_machine_is_not_asleep() -> None:
    """Four others share its processor; a tenth of a second of sleep would already be too much."""
    limits = dataclasses.replace(LIMITS, blocked_seconds=0.1)
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(ours)})
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        ended = tried("sum(range(200_000)); return _step(s, results, pipelines)", limits)
    finally:
        os.sched_setaffinity(0, ours)
        for other in others:
            other.kill()
            other.wait()

    assert ended.outcome == "ok", ended
    assert ended.seconds > 2 * ended.policy_cpu_seconds


def test_a_failure_names_the_tick_of_the_call() -> None:
    assert tried("1 / 0").step == 0


def test_a_failure_in_a_quiet_stretch_names_its_own_tick() -> None:
    scenario = small_scenario(policy_calls="every_tick")
    source = HONEST.replace("s.waiting = []", "s.waiting, s.calls = [], 0").replace(
        "    s.waiting.extend(pipelines)",
        "    s.calls += 1\n    s.calls == 3 and 1 / 0\n    s.waiting.extend(pipelines)",
    )

    [ended] = try_in_process(source, [scenario]).tried

    assert (ended.outcome, ended.step) == ("policy_error", 2), ended


def test_prints_keep_their_head_and_say_what_was_dropped() -> None:
    limits = dataclasses.replace(LIMITS, print_bytes=10)

    ended = tried("print('0123456789abc'); return [], []", limits)

    assert ended.prints.startswith("0123456789\n[... ")


def test_a_message_is_cut_to_its_limit() -> None:
    limits = dataclasses.replace(LIMITS, failure_text_chars=100)

    ended = tried("raise ValueError('y' * 5000)", limits)

    assert ended.message is not None
    assert len(ended.message) < 200


def test_a_message_larger_than_any_frame_is_still_the_policys_error() -> None:
    ended = tried("raise ValueError('\U0001f600' * 3_000_000)")

    assert (ended.outcome, ended.line is not None) == ("policy_error", True), ended
    assert "at least 18000 more characters were dropped" in (ended.message or "")


@pytest.mark.parametrize(
    ("source", "outcome", "told"),
    [
        (
            "while True: pass\n",
            "call_timeout",
            "loading the policy used more than 0.25 CPU seconds",
        ),
        ("print('x')\n1 / 0\n", "load_error", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_policy_that_cannot_be_loaded_is_loaded_once(
    source: str, outcome: str, told: str
) -> None:
    first, *others = try_in_process(source, [small_scenario(name) for name in "abc"], LIMITS).tried

    assert (first.outcome, first.message) == (outcome, told)
    assert first.policy_cpu_seconds > 0
    assert [(t.scenario, t.outcome, t.message, t.line) for t in others] == [
        (name, outcome, told, first.line) for name in "bc"
    ]
    assert [(t.policy_cpu_seconds, t.simulator_cpu_seconds) for t in others] == [(0.0, 0.0)] * 2
    assert [t.prints for t in others] == ["", ""]


@pytest.mark.parametrize("body", ["while True: pass", "os.read(3, 1)"])
def test_after_a_limit_of_time_the_rest_is_not_tried(body: str) -> None:
    limits = dataclasses.replace(LIMITS, blocked_seconds=0.5)
    scenarios = [small_scenario(name) for name in "abc"]

    first, *others = try_in_process(that_does(body), scenarios, limits).tried

    assert first.outcome in TIME_LIMITS
    assert [(one.scenario, one.outcome, one.policy_cpu_seconds) for one in others] == [
        (name, NOT_TRIED, 0.0) for name in "bc"
    ]
    for one in others:
        assert one.message == f"not tried: {first.outcome} in the scenario a ({first.message})"


def test_a_candidate_has_one_budget_of_cpu_time_for_all_scenarios() -> None:
    limits = dataclasses.replace(LIMITS, candidate_cpu_seconds=0.3)
    work = "s.busy = s.busy or sum(range(3_000_000)); return _step(s, results, pipelines)"
    source = that_does(work).replace("s.waiting = []", "s.waiting = []; s.busy = 0")

    tried = try_in_process(source, [small_scenario(f"s{n}") for n in range(24)], limits).tried

    outcomes = [one.outcome for one in tried]
    limit = outcomes.index("cpu_limit")
    assert 0 < limit < 23
    assert outcomes == ["ok"] * limit + ["cpu_limit"] + [NOT_TRIED] * (23 - limit)
    assert "more than 0.3 CPU seconds over all scenarios" in (tried[limit].message or "")


def test_a_candidate_has_one_budget_of_wall_time_for_all_scenarios() -> None:
    limits = dataclasses.replace(LIMITS, candidate_wall_seconds=1.0, blocked_seconds=60.0)

    ended = tried("os.read(3, 1)", limits)

    assert (ended.outcome, ended.message) == (
        "wall_limit",
        "all scenarios together took more than 1 s",
    )


def test_the_simulators_work_on_a_policys_decisions_is_limited_and_charged_to_it() -> None:
    limits = dataclasses.replace(LIMITS, simulator_cpu_seconds=0.5, policy_cpu_seconds=60.0)
    source = """
@register_scheduler_init(key="tiny")
def init(s):
    s.waiting, s.size = [], 1e-9

@register_scheduler(key="tiny")
def step(s, results, pipelines):
    s.waiting.extend(pipelines)
    out = []
    for p in s.waiting:
        for op in p.runtime_status().get_assignable_ops():
            s.size += 1e-12
            out.append(Assignment([op], 0.01, s.size, p.priority, 0, p.pipeline_id))
    return [], out
"""

    first, second = try_in_process(
        source, [small_scenario(name, duration=100_000) for name in "ab"], limits
    ).tried

    assert (first.outcome, second.outcome) == ("cpu_limit", NOT_TRIED)
    assert "the simulator used more than 0.5 CPU seconds" in (first.message or "")


def test_more_decisions_than_allowed_are_refused() -> None:
    limits = dataclasses.replace(LIMITS, decisions_per_call=3)

    ended = tried("return [Suspend('c1', 0)] * 4, []", limits)

    assert (ended.outcome, ended.stats) == ("invalid_decision", None)
    assert "4 decisions; 3 are allowed" in (ended.message or "")


def test_cpu_time_is_that_of_the_policy_alone() -> None:
    idle, busy = (
        tried(f"sum(range({n})); return _step(s, results, pipelines)") for n in (1, 200_000)
    )

    assert idle.outcome == busy.outcome == "ok"
    assert busy.policy_cpu_seconds > idle.policy_cpu_seconds
    assert idle.simulator_cpu_seconds > 0
