"""Randomness in a policy is removed, or detected by a second try in another cell."""

import json
from collections.abc import Iterator

import pytest

from flows.judging.objectives import Reference
from flows.judging.scoring import Scale, judge
from sandbox.outcome import Outcome, Trial
from sandbox.trial import Sandbox
from simulator.domain import find_domain
from tests.support.cells import HONEST, TIGHT, small_scenario

SMALL = small_scenario()
OTHERS = [small_scenario("other"), small_scenario("third", duration=8)]
REFERENCES = {
    name: Reference(
        metrics={"weighted_latency_seconds": 1.0}, stats={}, known={"duration_seconds": 10.0}
    )
    for name in ("small", "other", "third")
}
SCALE = Scale(spec=find_domain().spec)
REACH = "import enum\nsys = enum.sys\nos, ctypes = sys.modules['os'], sys.modules['ctypes']\n"

WITHOUT_CHANCE = {
    "high bits of an address": "id([]) >> 33",
    "low bits of addresses": "[id(object()) for _ in range(99)]",
    "addresses of every size": "[[id(bytes(n)) for _ in range(9)] for n in range(0, 4000, 8)]",
    "large memory": "[id(bytearray(1 << n)) for n in range(10, 22)]",
    "the address of a thread": "sys.modules['threading'].get_ident()",
    "the address of a function of C": "ctypes.cast(ctypes.CDLL(None).read, ctypes.c_void_p).value",
    "the address of a local of C": "ctypes.addressof(ctypes.c_int())",
    "an address in a text": "repr(object())",
    "the hash of an object": "[hash(object()) for _ in range(9)]",
    "the order of a set of objects": "[id(each) for each in {object() for _ in range(99)}]",
    "the hash of a text": "hash('a text')",
    "the order of a set of texts": "list({'x', 'y', 'z'})",
    "the hash of a tuple": "hash((1, 'b', 2.5))",
    "random numbers": "__import__('random').getrandbits(64)",
    "a generator without a seed": "__import__('random').Random().getrandbits(64)",
    "a generator seeded anew": "__import__('random').seed() or __import__('random').random()",
    "the number of the process": "[os.getpid(), ctypes.CDLL(None).getpid()]",
    "the number of the thread": "ctypes.CDLL(None).gettid()",
    "numbers of users": "[os.getuid(), os.geteuid(), os.getgid()]",
    "the time of day": "sys.modules['time'].time()",
    "the time of day of C": "ctypes.CDLL(None).clock_gettime(0, (ctypes.c_int64 * 2)())",
    "a stopwatch": "sys.modules['time'].perf_counter_ns()",
    "its own cpu time": "sys.modules['time'].process_time_ns()",
    "the time of a message in a log": (
        "__import__('logging').LogRecord('a', 1, 'b', 1, 'c', (), None).created"
    ),
    "how much garbage there is": "sys.modules['gc'].get_count()",
    "how often garbage was collected": "sys.modules['gc'].get_stats()",
    "how many objects there are": "len(sys.modules['gc'].get_objects())",
    "how many blocks of memory there are": "sys.getallocatedblocks()",
    "how often an object is in use": "[sys.getrefcount(each) for each in (None, 0, 1, 5, 200)]",
    "the arguments of the program": "[sys.argv, sys.orig_argv, sys.flags]",
    "what the callers know": "known()",
}
"""What may differ from worker to worker elsewhere, by name: an expression in Python."""

FINGERPRINT = (
    REACH
    + """
def known():
    frame, found = sys._getframe(2), []
    while frame is not None:
        values = frame.f_locals.items() if frame.f_code.co_name != "<module>" else ()
        found.append([(k, v) for k, v in values if isinstance(v, (int, str, tuple))])
        frame = frame.f_back
    return found

def short(text):
    return text if len(text) < 200 else text[:100] + str(hash(text))

print(sys.modules["json"].dumps({name: short(repr(eval(text))) for name, text in LOOKS.items()}))
"""
)

SHUT_OUT = {
    "noise of the kernel": "os.urandom(2)[0]",
    "random numbers of the system": "__import__('random').SystemRandom().randrange(1 << 30)",
    "a file of noise": "open('/dev/urandom', 'rb').read(1)[0]",
    "a clock of the kernel": "sys.modules['time'].clock_gettime(0)",
    "the number of an open file": "os.fstat(3).st_ino",
}
KERNEL_NOISE = """
def kernel_noise():
    find = ctypes.CDLL(None).getauxval
    find.restype = ctypes.c_ulong
    return ctypes.c_uint64.from_address(find(25)).value >> 8

"""
"""Reads the noise that the kernel gives each program: one of the last things that differ."""

KINDS = [pytest.param("docker", marks=pytest.mark.docker), "process"]


@pytest.fixture(scope="module", params=KINDS)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(TIGHT, cell=request.param, ready=False) as opened:
        yield opened


def leaning_on(value: str) -> str:
    """Return the honest policy, but for the memory of a container, which follows ``value``."""
    source = HONEST.replace("Assignment([op], 1, 4,", "Assignment([op], 1, 4 + extra,")
    source = source.replace(
        "    for p in s", f"    extra = int({value}) % 997 / 4096\n    for p in s"
    )
    return REACH + source.replace("ram >= 4", "ram >= 5")


def looks_of(trial: Trial) -> list[dict[str, str]]:
    assert trial.outcome is Outcome.OK, trial
    return [json.loads(one.prints) for one in trial.evaluations]


def test_every_worker_of_every_cell_looks_the_same_to_a_policy(sandbox: Sandbox) -> None:
    source = f"LOOKS = {WITHOUT_CHANCE!r}\n{FINGERPRINT}{HONEST}"
    scenarios = [small_scenario(name) for name in "abcdefg"]

    looks = looks_of(sandbox.try_unscreened(source, scenarios))
    looks += looks_of(sandbox.try_unscreened(source, [*scenarios[:2], *scenarios[:2]]))

    seen = {name: {look[name] for look in looks} for name in WITHOUT_CHANCE}
    assert {name: values for name, values in seen.items() if len(values) > 1} == {}


def test_unseeded_choices_give_the_same_decisions_in_every_cell(sandbox: Sandbox) -> None:
    value = f"hash(repr(({', '.join(WITHOUT_CHANCE.values())})))"
    source = leaning_on(value).replace("known()", "0")

    trials = [sandbox.try_unscreened(source, [SMALL, SMALL]) for _ in range(2)]

    assert {trial.outcome for trial in trials} == {Outcome.OK}
    assert len({one.decision_sha256 for trial in trials for one in trial.evaluations}) == 1
    assert judge(trials[0], REFERENCES, SCALE).outcome is Outcome.OK


def test_remaining_randomness_is_detected_by_the_second_try(sandbox: Sandbox) -> None:
    source = KERNEL_NOISE + leaning_on("kernel_noise()")

    alone = sandbox.try_unscreened(source, [SMALL, *OTHERS])
    again = sandbox.try_unscreened(source, [SMALL, *OTHERS, SMALL])

    assert {one.outcome for one in (*alone.evaluations, *again.evaluations)} == {Outcome.OK}
    assert judge(alone, REFERENCES, SCALE).outcome is Outcome.OK  # within a cell it is the same
    assert judge(again, REFERENCES, SCALE).outcome is Outcome.NONDETERMINISTIC


@pytest.mark.parametrize("value", SHUT_OUT.values(), ids=SHUT_OUT)
def test_system_randomness_is_refused(sandbox: Sandbox, value: str) -> None:
    (ended,) = sandbox.try_unscreened(leaning_on(value), [SMALL]).evaluations

    assert ended.outcome is Outcome.POLICY_ERROR
    assert ended.problem is not None
    assert "Error: " in ended.problem.message
    assert "Operation not permitted" in ended.problem.message
