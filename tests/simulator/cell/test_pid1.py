"""The trusted process by itself, outside any container: protocol, order of work, faults."""

import struct
import subprocess
import sys

import pytest

from simulator.cell.frames import CellLimits, Job, pack_job
from simulator.cell.pid1 import EXIT_FAULT, EXIT_IDLE
from simulator.domains.pipelines.library import PIPELINES
from tests.support.cells import (
    HONEST,
    NONCE,
    ROOT,
    TIGHT,
    run_pid1,
    small_scenario,
    try_in_process,
)

FUZZ = """
import enum
sys = enum.sys
os = sys.modules["os"]
import random

@register_scheduler_init(key="fuzz")
def init(s):
    s.noise = random.Random(int(s.params["duration"]))

@register_scheduler(key="fuzz")
def step(s, results, pipelines):
    noise = s.noise
    for _ in range(noise.randrange(1, 6)):
        size = noise.choice([0, 1, 9, 10, 100, 5000])
        data = noise.randbytes(size)
        if noise.random() < 0.7:
            kind = noise.choice([16, 17, 18, 19, 20])
            length = len(data) if noise.random() < 0.8 else noise.randrange(1 << 32)
            data = length.to_bytes(4, "little") + (3).to_bytes(4, "little") + bytes([kind]) + data
        os.write(3, data)
    os._exit(1)
"""


def test_every_scenario_is_tried_in_its_order_by_a_worker_of_its_own() -> None:
    scenarios = [small_scenario(name) for name in ("one", "two", "three")]

    report = try_in_process(HONEST, scenarios)

    assert [(t.scenario, t.outcome) for t in report.tried] == [
        ("one", "ok"),
        ("two", "ok"),
        ("three", "ok"),
    ]
    assert len({t.decision_sha256 for t in report.tried}) == 1


def test_the_same_job_gives_the_same_figures() -> None:
    first, second = (try_in_process(HONEST, [small_scenario()]).tried[0] for _ in range(2))

    assert (first.stats, first.metrics) == (second.stats, second.metrics)
    assert first.decision_sha256 == second.decision_sha256


def test_random_and_hashes_repeat_from_trial_to_trial() -> None:
    source = "import random\nprint(random.random(), hash('a'), list({'x', 'y', 'z'}))\n" + HONEST

    prints = {try_in_process(source, [small_scenario()]).tried[0].prints for _ in range(3)}

    assert len(prints) == 1


def test_the_report_says_what_was_in_force() -> None:
    facts = try_in_process(HONEST, [small_scenario()], isolation="one-uid").isolation

    assert facts["worker_seccomp"] == 2
    assert facts["no_new_privs"] is True
    assert facts["own_pid_namespace"] is False


def test_a_worker_without_its_seal_is_reported_as_such() -> None:
    facts = try_in_process(HONEST, [small_scenario()], isolation="none").isolation

    assert facts["asked"] == "none"
    assert facts["worker_filters"] == facts["worker_seccomp"] == facts["trusted_seccomp"] == 0


@pytest.mark.parametrize("start", range(1, 61, 20))
def test_whatever_a_worker_writes_ends_in_an_outcome(start: int) -> None:
    scenarios = [small_scenario(f"s{n}", duration=n) for n in range(start, start + 20)]

    report = try_in_process(FUZZ, scenarios)

    assert report.fault is None
    assert len(report.tried) == 20
    allowed = {"protocol_error", "worker_died", "policy_error", "load_error", "invalid_decision"}
    assert {tried.outcome for tried in report.tried} <= allowed


@pytest.mark.parametrize(
    "stdin",
    [
        b"",
        b"\x01",
        struct.pack("<I", 10) + b"short",
        struct.pack("<I", 5) + b"noise",
        struct.pack("<I", 0xFFFFFFFF) + b"x",
    ],
    ids=["nothing", "one byte", "cut short", "noise", "4 GiB announced"],
)
def test_a_job_that_is_none_is_our_fault_and_gives_no_report(stdin: bytes) -> None:
    ended = run_pid1(stdin, hang_up=True)

    assert (ended.exit_code, ended.stdout) == (EXIT_FAULT, b"")
    assert "Error" in ended.stderr


def test_a_scenario_that_cannot_be_read_is_a_fault_in_an_authentic_report() -> None:
    job = Job(
        nonce=NONCE,
        domain_sha256=PIPELINES.sha256,
        source=HONEST,
        scenarios=[b"noise"],
        limits=CellLimits(),
    )

    report = run_pid1(pack_job(job)).report()

    assert report.tried == []
    assert report.fault is not None
    assert "not an encoded scenario" in report.fault


def test_more_scenarios_than_workers_is_a_fault() -> None:
    scenarios = [small_scenario("a").data, small_scenario("b").data]
    job = Job(
        nonce=NONCE,
        domain_sha256=PIPELINES.sha256,
        source=HONEST,
        scenarios=scenarios,
        limits=TIGHT.for_cell(),
    )

    report = run_pid1(pack_job(job)).report()

    assert report.fault == "CellFault: 2 scenarios for 1 workers"


def test_fewer_scenarios_than_workers_leave_the_others_alone() -> None:
    scenarios = [small_scenario("a").data, small_scenario("b").data]
    job = Job(
        nonce=NONCE,
        domain_sha256=PIPELINES.sha256,
        source=HONEST,
        scenarios=scenarios,
        limits=TIGHT.for_cell(),
    )

    report = run_pid1(pack_job(job), workers=4).report()

    assert report.fault is None
    assert [(one.scenario, one.outcome) for one in report.tried] == [("a", "ok"), ("b", "ok")]


def test_a_cell_gives_up_when_its_caller_is_gone() -> None:
    source = "while True: pass\n"
    limits = CellLimits(call_cpu_seconds=600.0, policy_cpu_seconds=600.0, wall_seconds=600.0)
    job = Job(
        nonce=NONCE,
        domain_sha256=PIPELINES.sha256,
        source=source,
        scenarios=[small_scenario().data],
        limits=limits,
    )

    report = run_pid1(pack_job(job), hang_up=True).report()

    assert report.fault == "CallerGone: whoever gave the job is gone"


def test_a_cell_gives_up_when_its_caller_is_gone_though_the_policy_answers_at_once() -> None:
    wakeful = HONEST.replace("    s.waiting.ext", "    s.wake_in(0)\n    s.waiting.ext")
    job = Job(
        nonce=NONCE,
        domain_sha256=PIPELINES.sha256,
        source=wakeful,
        scenarios=[small_scenario(duration=1_000_000).data],
        limits=CellLimits(),
    )

    report = run_pid1(pack_job(job), hang_up=True).report()

    assert report.fault == "CallerGone: whoever gave the job is gone"


def test_a_cell_without_a_job_ends_itself() -> None:
    command = [sys.executable, "-m", "simulator.cell.pid1"]
    idle = subprocess.Popen(
        [*command, "--isolation", "one-uid", "--idle-seconds", "0.2"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )

    assert idle.wait(timeout=120) == EXIT_IDLE
    idle.communicate()


def test_wrong_arguments_are_refused() -> None:
    assert run_pid1(b"", "--memory-mb", "much").exit_code == 2
