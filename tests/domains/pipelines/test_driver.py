"""Loading and calling a policy: everything that goes wrong is a value with the policy's line."""

import pytest

from simulator.domains.pipelines.contract import CONTRACT
from simulator.domains.pipelines.engine import make_setup
from simulator.domains.pipelines.messages import Decision, Observation
from simulator.domains.pipelines.params import Params
from simulator.driver import PolicyDriver
from simulator.errors import Failure, PolicyFailure

PAIR = """
@register_scheduler_init(key="mine")
def init(s):
    pass

@register_scheduler(key="mine")
def step(s, results, pipelines):
    return [], []
"""


def _load_failure(source: str) -> Failure:
    with pytest.raises(PolicyFailure) as caught:
        PolicyDriver(CONTRACT, source).load()
    return caught.value.failure


def _decide(source: str, quiet_until: int = 0) -> Decision:
    driver = PolicyDriver(CONTRACT, source)
    driver.load()
    driver.start(make_setup(Params(num_pools=1, ticks_per_second=10)))
    decision: Decision = driver.decide(
        Observation(tick=0, quiet_until=quiet_until), lambda tick: None
    )
    return decision


def _failure(body: str, quiet_until: int = 0) -> Failure:
    with pytest.raises(PolicyFailure) as caught:
        _decide(PAIR.replace("return [], []", body), quiet_until)
    return caught.value.failure


LOAD_ERRORS = {
    "def broken(:\n": ("SyntaxError: ", 1),
    "x = 1\n1 / 0\n": ("ZeroDivisionError: division by zero", 2),
    "import os.nothing\n": ("ModuleNotFoundError: ", 1),
    "from eudoxia.plots import draw\n": ("ModuleNotFoundError: no module named", 1),
    "from eudoxia.workload import Missing\n": ("ImportError: cannot import name 'Missing'", 1),
    "": ("the policy registers nothing", None),
    "x = '\0'": ("", None),
    PAIR + PAIR.replace("mine", "other"): ("registers more than one scheduler", None),
    PAIR + PAIR: ("KeyError: ", 10),
    PAIR.split("\n\n", maxsplit=1)[0]: (
        "registers init functions for ['mine'] and step functions for []",
        None,
    ),
    PAIR.replace('er(key="mine")', 'er(key="x")'): ("registers more than one scheduler", None),
    "raise SystemExit(3)\n": ("the policy tried to end the program: SystemExit: 3", 1),
    "raise KeyboardInterrupt\n": ("the policy tried to end the program: KeyboardInterrupt", 1),
}


@pytest.mark.parametrize("source", LOAD_ERRORS)
def test_what_cannot_be_loaded_is_a_load_error(source: str) -> None:
    message, line = LOAD_ERRORS[source]

    failure = _load_failure(source)

    assert failure.kind == "load_error"
    if "\0" not in source and 'er(key="x")' not in source:
        assert message in failure.message
        assert failure.line == line


def test_an_exception_names_the_innermost_line_of_the_policy() -> None:
    failure = _failure("return [], sorted([1, 2], key=lambda x: 1 / 0)", quiet_until=5)

    assert failure == Failure(
        kind="policy_error", message="ZeroDivisionError: division by zero", step=0, line=8
    )


def test_the_cause_of_a_failure_is_kept() -> None:
    with pytest.raises(PolicyFailure) as caught:
        _decide(PAIR.replace("return [], []", "raise MemoryError"))

    assert isinstance(caught.value.__cause__, MemoryError)


def test_an_exception_on_a_quiet_tick_names_that_tick() -> None:
    body = "if s.clock.now_ticks() == 3: raise KeyError('x')\n    return [], []"

    assert _failure(body, quiet_until=9).step == 3


def test_an_exception_whose_text_cannot_be_read_is_still_reported() -> None:
    source = PAIR.replace("return [], []", "raise Odd") + (
        "\nclass Odd(Exception):\n    def __str__(self):\n        raise ValueError\n"
    )
    with pytest.raises(PolicyFailure) as caught:
        _decide(source)

    assert caught.value.failure.message == "Odd: (its text cannot be read)"


WRONG_ANSWERS = [
    "return None",
    "return []",
    "return [], [], []",
    "return None, []",
    "return [], None",
    "return [], 'ab'",
    "return [1], []",
    "return [], [1]",
    "return [Suspend(3, 0)], []",
    "return [Suspend('c1', 'x')], []",
    "return [Suspend('c1', 0.5)], []",
    "return [Suspend('c1', float('nan'))], []",
    "return [Suspend('c1', 10**30)], []",
]


@pytest.mark.parametrize("quiet_until", [0, 7])
@pytest.mark.parametrize("body", WRONG_ANSWERS)
def test_an_answer_of_another_shape_is_an_invalid_decision(body: str, quiet_until: int) -> None:
    failure = _failure(body, quiet_until)

    assert failure.kind == "invalid_decision"
    assert "expected" in failure.message


def test_an_empty_tuple_of_tuples_is_an_empty_decision() -> None:
    assert _decide(PAIR.replace("return [], []", "return (), ()"), 5).tick == 5


@pytest.mark.parametrize(
    "line",
    [
        "from eudoxia.workload import Pipeline, OperatorState, ASSIGNABLE_STATES",
        "from eudoxia.workload.runtime_status import OperatorState",
        "from eudoxia.executor.assignment import Assignment, Suspend, ExecutionResult",
        "from eudoxia.scheduler.decorators import register_scheduler, register_scheduler_init",
        "from eudoxia.scheduler import register_scheduler, register_scheduler_init",
        "from eudoxia.utils import Priority, DISK_SCAN_GB_SEC",
        "from eudoxia.scheduler.waiting_queue import WaitingQueueJob, RetryStats",
        "import eudoxia.workload as w; w.Pipeline",
        "import eudoxia.executor.assignment; eudoxia.executor.assignment.Suspend",
        "from eudoxia.workload import *; Pipeline",
        "from typing import List, Tuple",
    ],
)
def test_imports_of_policies_written_for_eudoxia_work(line: str) -> None:
    PolicyDriver(CONTRACT, line + PAIR).load()


def test_imports_work_inside_functions_too() -> None:
    body = "from eudoxia.utils import Priority as P; assert P is Priority\n    return [], []"

    assert _decide(PAIR.replace("return [], []", body)).assignments == []


def test_dataclasses_with_postponed_annotations_can_be_defined() -> None:
    head = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    body = "@dataclass\nclass Note:\n    size: int = 3\n"

    PolicyDriver(CONTRACT, head + body + PAIR).load()


def test_a_policy_cannot_change_the_names_of_another() -> None:
    PolicyDriver(
        CONTRACT, PAIR + "Assignment = None\nimport eudoxia; eudoxia.Priority = None"
    ).load()

    assert _decide(PAIR).tick == 0


def test_silly_wake_times_are_the_policys_error() -> None:
    assert _failure("s.wake_in(float('nan'))").message.startswith("ValueError: time to wake at")
    assert _failure("s.wake_at('soon')").message.startswith("ValueError: time to wake at")
    assert _decide(PAIR.replace("return [], []", "s.wake_in(1e300)\n    return [], []")).tick == 0


def test_a_policy_may_use_any_name_on_s_for_its_own_notes() -> None:
    body = (
        "s.tick = s.now = s.wakes = s._wakes = s.mirror = 3\n    s.wake_in(0.4)\n    return [], []"
    )

    assert _decide(PAIR.replace("return [], []", body)).wake_tick == 4
