"""What PID 1 makes of a worker, seen through policies that end in every way there is."""

import dataclasses

import pytest

from simulator.cell.frames import CellLimits, Tried
from tests.support.cells import HONEST, TIGHT, small_scenario, try_in_process

LIMITS = TIGHT.for_cell()
GET = "import enum\nsys = enum.sys\nos = sys.modules['os']\n"


def tried(body: str, limits: CellLimits = LIMITS) -> Tried:
    """Try a policy that does ``body`` in its first call, in a bare process."""
    source = f"{GET}{HONEST}\n_step = step\ndef again(s, results, pipelines):\n    {body}\n"
    source = source.replace('@register_scheduler(key="honest")\n', "")
    source += 'register_scheduler(key="honest")(again)\n'
    return try_in_process(source, [small_scenario()], limits).tried[0]


@pytest.mark.parametrize(
    ("body", "outcome", "told"),
    [
        ("while True: pass", "call_timeout", "one call used more than 1 CPU seconds"),
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


def test_a_failure_names_the_tick_of_the_call() -> None:
    assert tried("1 / 0").tick == 0


def test_prints_keep_their_head_and_say_what_was_dropped() -> None:
    limits = dataclasses.replace(LIMITS, print_bytes=10)

    ended = tried("print('0123456789abc'); return [], []", limits)

    assert ended.prints.startswith("0123456789\n[... ")


def test_a_message_is_cut_to_its_limit() -> None:
    limits = dataclasses.replace(LIMITS, failure_text_chars=100)

    ended = tried("raise ValueError('y' * 5000)", limits)

    assert ended.message is not None
    assert len(ended.message) < 200


def test_more_decisions_than_allowed_are_refused() -> None:
    limits = dataclasses.replace(LIMITS, decisions_per_call=3)

    ended = tried("return [Suspend('c1', 0)] * 4, []", limits)

    assert (ended.outcome, ended.stats) == ("invalid_decision", None)
    assert "4 decisions; 3 are allowed" in (ended.message or "")


def test_cpu_time_is_that_of_the_policy_alone() -> None:
    idle, busy = (
        tried(f"sum(range({n})); return _step(s, results, pipelines)") for n in (1, 10**6)
    )

    assert idle.outcome == busy.outcome == "ok"
    assert busy.policy_cpu_seconds > idle.policy_cpu_seconds
