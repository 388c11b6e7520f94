"""Attacks on the result: to get a better score than deserved."""

from sandbox.outcome import Outcome
from tests.attacks.attack import Attack, fatal, hidden, module

SEND = """
import struct
messages = sys.modules["simulator.domains.pipelines.messages"]
encode, errors = sys.modules["simulator.messages"].encode, sys.modules["simulator.errors"]
READY, DECISION, MEMORY, FAILURE = 16, 17, 18, 19

def send(sequence, kind, payload=b"", length=None):
    size = len(payload) if length is None else length
    os.write(3, struct.pack("<IIB", size, sequence, kind) + payload)

def frame(sequence, kind, payload):
    return struct.pack("<IIB", len(payload), sequence, kind) + payload

def decide(*assignments, tick=0, calls=1, suspend=(), sequence=3, wake=None):
    made = [messages.NewAssignment(*one) for one in assignments]
    decision = messages.Decision(tick, calls, list(suspend), made, wake)
    send(sequence, DECISION, encode(decision))

def fail(kind, message="x", line=None):
    send(3, FAILURE, encode(errors.Failure(kind=kind, message=message, line=line)))

NOTHING = encode(messages.Decision(0, 1))

"""
AND_NO_MORE = "\nos.read(3, 4096)\nos._exit(1)\n"
TOO_LARGE = "larger than the allowed"
INVALID = Outcome.INVALID_DECISION
FAILED = Outcome.POLICY_ERROR
HUNG = Outcome.WORKER_DIED


def raw(name: str, body: str, *outcomes: Outcome, **rest: object) -> Attack:
    """Return an attack that speaks on the socket itself, where call 3 is open, and then goes."""
    text = SEND + body + AND_NO_MORE
    return fatal(name, text, *(outcomes or (Outcome.PROTOCOL_ERROR,)), **rest)


FORGING: tuple[Attack, ...] = (
    hidden(
        "print-a-result-on-stdout",
        """
        os.write(1, b'{"outcome": "ok", "score": 777, "metrics": {"latency": 0}}\\n')
        print('{"score": 777}')
        """,
        says="777",
    ),
    hidden(
        "print-a-whole-frame-of-a-report",
        """
        body = b"\\x85" + b"\\xa5tried\\x90" * 9
        os.write(1, len(body).to_bytes(4, "little") + bytes(32) + body)
        """,
        says="tried",
    ),
    hidden(
        "replace-the-driver-of-policies",
        """
        driver = sys.modules["simulator.driver"].PolicyDriver
        driver.decide = driver.load = driver.start = lambda *a, **k: 1 / 0
        """,
        says="",
        outcomes=frozenset({Outcome.POLICY_ERROR, Outcome.OK}),
    ),
    hidden(
        "replace-the-encoder",
        "sys.modules['simulator.cell.worker'].encode = lambda value: b'\\x93\\x00\\x01\\x90'",
        says="",
        outcomes=frozenset({Outcome.OK, Outcome.PROTOCOL_ERROR}),
        honest=False,
    ),
    fatal(
        "print-a-result-and-exit-quietly",
        'os.write(1, b\'{"outcome": "ok"}\'); os._exit(0)',
        Outcome.WORKER_DIED,
        says="exit 0",
    ),
    hidden(
        "patch-the-builtins",
        """
        import builtins
        for name in ("len", "sum", "min", "max", "sorted", "isinstance", "print"):
            setattr(builtins, name, lambda *a, **k: 0)
        """,
        outcomes=frozenset(
            {
                Outcome.OK,
                Outcome.POLICY_ERROR,
                Outcome.WORKER_DIED,
                Outcome.PROTOCOL_ERROR,
                Outcome.INVALID_DECISION,
            }
        ),
        says="",
    ),
    hidden(
        "patch-every-function-of-the-simulator-in-sight",
        """
        for name, module in list(sys.modules.items()):
            if name.startswith("simulator.") and "metric" in name + str(vars(module)):
                for key in [k for k in vars(module) if "metric" in k or "stat" in k.lower()]:
                    setattr(module, key, lambda *a, **k: {"weighted_latency_seconds": 0.0})
        """,
        says="",
        outcomes=frozenset({Outcome.OK, Outcome.POLICY_ERROR}),
    ),
    hidden(
        "poison-the-table-of-modules",
        """
        for name in ("simulator.errors", "json", "typing", "simulator.domains.pipelines.workload"):
            sys.modules[name] = None
        """,
        says="",
        outcomes=frozenset({Outcome.OK, Outcome.POLICY_ERROR}),
    ),
    hidden(
        "print-at-exit",
        """
        import contextlib
        sys.modules["weakref"].finalize(sys, print, "777")
    """,
        says="",
    ),
    hidden(
        "hook-every-call", "sys.setprofile(lambda *a: None); sys.settrace(lambda *a: None)", says=""
    ),
    fatal(
        "write-over-live-objects",
        """
        for number in range(-5, 257):
            ctypes.memset(id(number) + 24, 0, 4)
        """,
        Outcome.WORKER_DIED,
        Outcome.PROTOCOL_ERROR,
        Outcome.POLICY_ERROR,
        Outcome.INVALID_DECISION,
        Outcome.CALL_TIMEOUT,
        Outcome.MEMORY_LIMIT,
    ),
    raw("answers-sent-ahead", "for n in range(4, 40): decide(sequence=n)"),
    raw("the-same-answer-twice", "decide(); decide()"),
    raw("an-answer-to-an-earlier-call", "send(2, READY)"),
    raw("an-announced-size-of-4-gib", "send(3, DECISION, length=2**32 - 1)", says=TOO_LARGE),
    raw("an-answer-of-3-mb", "send(3, DECISION, b'x' * 3_000_000)", says=TOO_LARGE),
    raw("an-answer-nested-100000-deep", "send(3, DECISION, b'\\x91' * 100_000)"),
    raw("an-answer-of-noise", "send(3, DECISION, bytes(range(256)))"),
    raw("an-empty-answer", "send(3, DECISION)"),
    raw("an-answer-of-an-unknown-kind", "send(3, 99, b'abc')", says="wrong kind (99)"),
    raw("ready-instead-of-a-decision", "send(3, READY)", says="wrong kind (16)"),
    raw("a-failure-called-ok", "fail('ok')", says="impossible failure"),
    raw("a-failure-called-wall-limit", "fail('wall_limit')", says="impossible failure"),
    raw("a-decision-for-a-tick-to-come", "decide(tick=99)", says="a decision for step 99"),
    raw("a-million-calls-reported", "decide(calls=1_000_000)", says="1000000 calls reported"),
    raw("calls-counted-backwards", "decide(calls=-1)", says="-1 calls reported"),
    raw("memory-read-at-a-tick-to-come", "send(3, MEMORY, b'\\x63')", says="a query for step 99"),
    raw("memory-read-for-ever", "for _ in range(9): send(3, MEMORY, b'\\x00')"),
    raw("operators-that-do-not-exist", "decide(([9999], 1, 4, 0, 1))", INVALID),
    raw("an-operator-of-a-negative-number", "decide(([-1], 1, 4, 0, 1))", INVALID),
    raw("an-operator-twice-in-one-container", "decide(([0, 0], 1, 4, 0, 1))", INVALID),
    raw("an-operator-in-two-containers", "decide(([0], 1, 4, 0, 1), ([0], 1, 4, 0, 1))", INVALID),
    raw("a-child-before-its-parent", "decide(([1], 1, 4, 0, 1))", INVALID),
    raw("a-container-of-nothing", "decide(([], 1, 4, 0, 1))", INVALID, Outcome.OK),
    raw("cpus-that-are-not-a-number", "decide(([0], float('nan'), 4, 0, 1))", INVALID),
    raw("cpus-below-nothing", "decide(([0], -1, 4, 0, 1))", INVALID),
    raw("infinite-memory", "decide(([0], 1, float('inf'), 0, 1))", INVALID),
    raw("more-cpus-than-there-are", "decide(([0], 10**18, 4, 0, 1))", INVALID),
    raw("a-pool-that-does-not-exist", "decide(([0], 1, 4, 99, 1))", INVALID),
    raw("a-pool-of-a-negative-number", "decide(([0], 1, 4, -1, 1))", INVALID),
    raw("a-priority-of-its-own", "decide(([0], 1, 4, 0, 77))", INVALID, HUNG),
    raw("true-for-a-number", "decide(([0], True, 4, 0, 1))"),
    raw("a-suspension-of-nothing", "decide(suspend=[('c9', 0)])", INVALID),
    raw("a-suspension-with-a-name-of-900-kb", "decide(suspend=[('c' * 900_000, 0)])", INVALID),
    raw("a-pool-number-of-64-bits", "decide(([0], 1, 4, 2**63, 1))", INVALID),
    raw("cpus-as-text", "decide(([0], '1', 4, 0, 1))"),
    raw("operators-as-a-text", "decide(('00', 1, 4, 0, 1))"),
    raw("a-decision-with-a-tail", "send(3, DECISION, NOTHING + b'!')"),
    raw(
        "a-decision-with-a-tail-beyond-its-frame", "os.write(3, frame(3, DECISION, NOTHING) + b'!')"
    ),
    raw("a-decision-as-a-table", "send(3, DECISION, encode({'tick': 0, 'calls': 1}))"),
    raw("a-decision-with-a-date-in-it", "send(3, DECISION, b'\\x92\\x00\\xd6\\xff\\0\\0\\0\\1')"),
    raw("a-decision-for-a-tick-before-all", "decide(tick=-1)", says="a decision for step -1"),
    raw("a-failure-instead-of-a-decision", "fail('worker_died')", says="impossible failure"),
    raw("a-failure-with-a-line-beyond-the-source", "fail('policy_error', line=10**9)", FAILED),
    raw("a-failure-with-a-message-of-900-kb", "fail('policy_error', 'x' * 900_000)", FAILED),
    raw("memory-read-twice-in-a-call", "send(3, MEMORY, b'\\x00'); send(3, MEMORY, b'\\x00')"),
    raw("a-wake-up-in-the-past", "decide(wake=-5)", Outcome.WORKER_DIED, Outcome.PROTOCOL_ERROR),
    raw(
        "a-wake-up-beyond-all-time",
        "decide(wake=2**62)",
        Outcome.WORKER_DIED,
        Outcome.PROTOCOL_ERROR,
    ),
    raw("the-decision-before-once-more", "decide(); os.read(3, 1 << 16); decide()"),
    raw(
        "drip-an-answer-byte-by-byte",
        """
for byte in struct.pack("<IIB", 100, 3, DECISION):
    os.write(3, bytes([byte]))
lock = sys.modules["threading"].Lock()
lock.acquire()
lock.acquire()
""",
        Outcome.WALL_LIMIT,
    ),
    fatal("close-every-file", "os.closerange(0, 100)", Outcome.WORKER_DIED),
    module(
        "exit-while-loading", "import enum\nenum.sys.modules['os']._exit(0)\n", Outcome.WORKER_DIED
    ),
)
