"""Attacks on the broker: by simulators, by policies, and by both together. Each says what holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import dedent, indent
from typing import Any

from sandbox.outcome import Outcome
from tests.support.sealed import source

GOOD = source("simulators", "good")
FIFO = source("policies", "fifo")

HELP = """
import enum
sys = enum.sys
os, gc, ctypes = sys.modules["os"], sys.modules["gc"], sys.modules["ctypes"]
libc = ctypes.CDLL(None, use_errno=True)

def held(act):
    try:
        found = act()
    except BaseException:
        return
    raise RuntimeError(f"not held: {found!r}"[:200])

def in_memory(wanted):
    for thing in gc.get_objects():
        for part in gc.get_referents(thing):
            if type(part) is type(wanted) and part == wanted:
                raise RuntimeError(f"found {wanted!r} in a {type(thing).__name__}")

def fail(kind, message):
    text = lambda word: bytes([0xA0 + len(word)]) + word.encode()
    fields = [text("kind"), text(kind), text("message"), text(message), text("step"), b"\\xc0"]
    frame(19, b"\\x84" + b"".join(fields) + text("line") + b"\\xc0")
    os.read(3, 1)

def frame(kind, payload, sequence=None):
    caller = sys._getframe()
    while caller and caller.f_code.co_name != "_act":
        caller = caller.f_back
    sequence = caller.f_locals["sequence"] if sequence is None else sequence
    head = len(payload).to_bytes(4, "little") + sequence.to_bytes(4, "little") + bytes([kind])
    os.write(3, head + payload)

def say(mirror, **fields):
    said = {"step": 0, "calls": 1, "then": "asks", "events": []} | fields
    Said = sys.modules["simulator.sealed.log"].Said
    type(mirror).decide = lambda self, step, turn, answer: Said(**said)
"""
RAW = """
mirror = log.__self__
kinds = {name: number for name, (number, _) in mirror._events.items()}
def raw(kind, time, *args):
    mirror._waiting.append((kinds.get(kind, kind), time, args))
"""
WEBS = "AF_INET, AF_UNIX = 2, 1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One threat, by the sources of both sides; ``honest``: the figures are those of GOOD, FIFO."""

    name: str
    simulator: str = GOOD
    policy: str = FIFO
    outcomes: frozenset[Outcome] = frozenset({Outcome.SIMULATOR_FAILED})
    says: str = ""
    honest: bool = False
    outside: bool = False
    """Whether a container, or the split of users, stops it in its own way."""
    body: str = ""
    """What the policy does in its first call, before it is FIFO."""


def lie(name: str, body: str, says: str) -> Attack:
    """Return a simulator that logs what is not true; ``raw`` passes by what ``log`` checks."""
    head = '@register_simulator(key="lie")\ndef simulate(scenario, parameters, rng, log):\n'
    text = HELP + head + indent(RAW + dedent(body) + "\nyield\n", "    ")
    return Attack(name=name, simulator=text, says=says)


def bad_simulator(name: str, body: str, says: str = "", **rest: Any) -> Attack:
    """Return a simulator that does ``body`` first, and is good after it."""
    inside = indent(dedent(body).strip("\n"), "    ") + "\n"
    text = HELP + GOOD.replace("    jobs, ends", inside + "    jobs, ends", 1)
    return Attack(name=name, simulator=text, says=says, **rest)


def bad_policy(name: str, body: str, *outcomes: Outcome, says: str = "", **rest: Any) -> Attack:
    """Return a policy that does ``body`` in its first call, and is fair after it."""
    policy = _once(indent(dedent(body).strip("\n"), " " * 8))
    kinds = frozenset(outcomes)
    return Attack(name=name, policy=policy, outcomes=kinds, says=says, body=body, **rest)


def _once(body: str) -> str:
    once = "    if not done:\n        done.append(1)\n" + body
    return HELP + "done = []\n" + FIFO.replace("    waiting =", once + "\n    waiting =", 1)


def one_of(bodies: Sequence[str]) -> str:
    """Return the policy that does one of these in its first call, and is fair after it.

    It does the one whose number is what the first job is estimated to take.
    """
    made = "".join(
        f"def body_{number}(state):\n{indent(dedent(body).strip(chr(10)) or 'pass', '    ')}\n"
        for number, body in enumerate(bodies, start=1)
    )
    return made + _once(
        "        found = globals()[f'body_{state.row(\"jobs\", 0).estimate}'](state)\n"
        "        if found is not None:\n            return found\n"
    )


def fair(**rest: object) -> dict[str, Any]:
    return {"outcomes": frozenset({Outcome.OK}), "honest": True, **rest}


ARRIVE = "raw('arrived', 0, 0)\nyield\n"
LIES = (
    lie(
        "arrivals-come-early", ARRIVE + "raw('started', 0, 0); raw('arrived', 0, 1)", "jobs arrive"
    ),
    lie("an-arrival-comes-late", "raw('arrived', 1, 0)", "jobs arrive when the scenario says"),
    lie(
        "service-is-short", ARRIVE + "raw('started', 0, 0); raw('finished', 9, 0)", "service takes"
    ),
    lie("a-kind-of-event-that-is-none", "raw(77, 0)", "the contract names the event"),
    lie("a-kind-of-event-below-zero", "raw(-1, 0)", "not a valid Said"),
    lie("a-row-beyond-the-table", "raw('arrived', 0, 3)", "a row is there"),
    lie("a-row-below-zero", "raw('arrived', 0, -1)", "a row is there"),
    lie(
        "time-goes-back",
        ARRIVE + "raw('started', 0, 0)\n" + "raw('arrived', 1_000_000, 1)\nyield\n"
        "raw('started', 5, 1)",
        "time never goes back",
    ),
    lie("an-event-after-the-horizon", "raw('arrived', 60_000_001, 0)", "a run ends at its horizon"),
    lie("a-time-below-zero", "raw('arrived', -5, 0)", "not a valid Said"),
    lie("a-time-that-is-a-fraction", "raw('arrived', 0.5, 0)", "not a valid Said"),
    lie("a-time-that-is-no-number", "raw('arrived', float('nan'), 0)", "not a valid Said"),
    lie("a-row-that-is-a-truth-value", "raw('arrived', 0, False)", "not a valid Said"),
    lie("a-row-that-is-a-text", "raw('arrived', 0, '0')", "not a valid Said"),
    lie("a-number-of-sixty-bits", "raw('arrived', 0, 1 << 60)", "not a valid Said"),
    lie("a-number-of-a-thousand-bits", "raw('arrived', 0, 1 << 1000)", "simulator failed"),
    lie("an-event-with-too-many-fields", "raw('arrived', 0, 0, 0)", "an event has its fields"),
    lie("an-event-with-a-hundred-fields", "raw('arrived', 0, *range(100))", "not a valid Said"),
    lie("an-event-without-fields", "raw('arrived', 0)", "an event has its fields"),
    lie("an-event-twice", "raw('arrived', 0, 0); raw('arrived', 0, 0)", "row 0 of jobs is waiting"),
    lie(
        "finishing-what-never-started", ARRIVE + "raw('finished', 0, 0)", "row 0 of jobs is waiting"
    ),
    lie(
        "starting-without-a-decision",
        "raw('arrived', 0, 0); raw('started', 0, 0)",
        "only a decision causes it",
    ),
    lie(
        "carrying-out-a-decision-twice",
        ARRIVE + "raw('started', 0, 0); raw('started', 0, 0)",
        "only a decision causes it",
    ),
    lie("carrying-out-another-decision", ARRIVE + "raw('arrived', 0, 1)", "jobs arrive"),
    lie(
        "ignoring-a-decision", ARRIVE + "raw('arrived', 1_000_000, 1)", "a decision is carried out"
    ),
    lie("ending-with-a-decision-open", ARRIVE + "return", "a decision is carried out"),
    lie("never-asking", "raw('arrived', 0, 0); raw('arrived', 1_000_000, 1)", "gets its turn"),
    lie("ending-before-the-policy-is-asked", "raw('arrived', 0, 0)\nreturn", "gets its turn"),
    lie("leaving-out-an-arrival", "return", "every job arrives"),
    lie(
        "leaving-out-an-end",
        ARRIVE + "raw('started', 0, 0)\n"
        "raw('arrived', 1_000_000, 1)\nyield\nraw('arrived', 50_000_001, 2)\nyield\nreturn",
        "finish",
    ),
    lie(
        "a-chunk-that-is-too-long",
        "sys.modules['simulator.sealed.writer_side'].MOST_IN_CHUNK = 9000\n"
        "for _ in range(5000): raw('arrived', 0, 0)",
        "not a valid Said",
    ),
    lie(
        "a-message-of-two-megabytes",
        "sys.modules['simulator.sealed.writer_side'].MOST_IN_CHUNK = 1 << 20\n"
        "for _ in range(120_000): raw('arrived', 1 << 40, 1 << 40)",
        "larger than the allowed",
    ),
)

FORGING = (
    lie("more-is-to-come-for-ever", "say(mirror, then='more')", "a run has an end"),
    lie("asking-for-ever", "say(mirror, then='asks')", "a run has an end"),
    lie("an-ending-of-its-own", "say(mirror, then='won')", "Said"),
    lie("a-step-that-is-not-open", "say(mirror, step=1 << 40)", "outside 0 to 60000000"),
    lie("calls-below-zero", "say(mirror, calls=-1)", "calls reported"),
    lie("a-second-answer", "frame(17, b'\\x94\\x00\\x00\\xa4done\\x90')", ""),
    lie("an-answer-to-another-question", "frame(17, b'', 9999)", "while call"),
    lie(
        "a-query-that-nobody-answers",
        "frame(18, b'\\x00')\nos.read(3, 1)",
        "an answer of the wrong kind",
    ),
    lie("ready-once-more", "frame(16, b'')\nos.read(3, 1)", "an answer of the wrong kind"),
    lie(
        "a-failure-of-the-policy",
        "fail('invalid_decision', 'ouch')",
        "the simulator failed (invalid_decision): ouch",
    ),
    lie(
        "a-failure-that-only-the-broker-finds", "fail('cpu_limit', 'ouch')", "an impossible failure"
    ),
    lie("an-answer-that-is-no-message", "frame(17, b'\\xc1')\nos.read(3, 1)", "not a valid Said"),
)

STALLING = (
    bad_simulator("the-simulator-spins", "while True: pass", "call_timeout"),
    bad_simulator("the-simulator-sleeps", "sys.modules['threading'].Event().wait()", "waited for"),
    bad_simulator("the-simulator-reads-what-never-comes", "os.read(3, 1)", "waited for"),
    bad_simulator(
        "the-simulator-takes-all-memory",
        "kept = []\nwhile True: kept.append(bytes(1 << 20))",
        "memory_limit",
        outside=True,
    ),
    bad_simulator("the-simulator-logs-for-ever", "while True: log('arrived', 0, job=0)", "failed"),
    bad_simulator("the-simulator-ends-itself", "os._exit(0)", "worker_died", outside=True),
    bad_simulator("the-simulator-hangs-up", "os.close(3)", "worker_died"),
    bad_simulator("the-simulator-crashes", "ctypes.string_at(1)", "worker_died"),
    bad_simulator(
        "the-simulator-goes-too-deep", "def deeper(): return deeper()\ndeeper()", "Recursion"
    ),
    bad_simulator("the-simulator-floods-its-prints", "print('x' * (1 << 22))", **fair()),
    bad_simulator("the-simulator-exits", "raise SystemExit('fine')", "tried to end the program"),
    bad_simulator(
        "the-simulator-spins-a-little-in-each-turn",
        "class Slow(type(scenario)):\n    @property\n    def jobs(self):\n"
        "        for _ in range(10 ** 9): pass\nscenario.__class__ = Slow",
        "failed",
    ),
)

PEEKING = (
    bad_simulator(
        "the-simulator-looks-for-the-policy",
        "in_memory(''.join(['Starts the job that ', 'has waited longest.']))",
        **fair(outside=True),
    ),
    bad_simulator(
        "the-simulator-opens-memory",
        "held(lambda: open('/proc/self/mem', 'rb'))",
        **fair(outside=True),
    ),
    bad_simulator(
        "the-simulator-lists-processes", "held(lambda: os.listdir('/proc'))", **fair(outside=True)
    ),
    bad_simulator(
        "the-simulator-reads-the-other-process",
        "held(lambda: 1 / (libc.process_vm_readv(os.getppid() + 1, 0, 0, 0, 0, 0) + 1))",
        **fair(outside=True),
    ),
    bad_simulator(
        "the-simulator-traces-the-other-process",
        "held(lambda: 1 / (libc.ptrace(16, os.getppid() + 1, 0, 0) + 1))",
        **fair(outside=True),
    ),
    bad_simulator(
        "the-simulator-signals-everyone", "held(lambda: os.kill(-1, 9))", **fair(outside=True)
    ),
    bad_simulator(
        "the-simulator-becomes-another-user", "held(lambda: os.setuid(64002))", **fair(outside=True)
    ),
    bad_simulator(
        "the-simulator-has-one-connection",
        "for number in range(4, 64):\n    held(lambda: os.fstat(number))",
        **fair(),
    ),
    bad_policy(
        "the-policy-looks-for-true-times",
        "in_memory(int('7654' + '321'))",
        Outcome.OK,
        honest=True,
        outside=True,
    ),
    bad_policy(
        "the-policy-looks-for-later-arrivals",
        "in_memory(int('500' + '00001'))",
        Outcome.OK,
        honest=True,
        outside=True,
    ),
    bad_policy(
        "the-policy-looks-for-the-seed", "in_memory(int('98765' + '4321'))", Outcome.OK, honest=True
    ),
    bad_policy(
        "the-policy-asks-for-a-hidden-column",
        "held(lambda: state.row('jobs', 0).service)",
        Outcome.OK,
        honest=True,
    ),
    bad_policy(
        "the-policy-asks-for-a-later-row",
        "held(lambda: state.row('jobs', 2))",
        Outcome.OK,
        honest=True,
    ),
    bad_policy(
        "the-policy-signals-everyone",
        "held(lambda: os.kill(-1, 9))",
        Outcome.OK,
        honest=True,
        outside=True,
    ),
    bad_policy(
        "the-policy-opens-the-simulator",
        "held(lambda: open('simulator.py'))",
        Outcome.OK,
        honest=True,
        outside=True,
    ),
)

BLAMING = (
    bad_policy(
        "the-policy-starts-what-is-to-come",
        "return [start(job=2)]",
        Outcome.INVALID_DECISION,
        says="job is coming, expected waiting",
    ),
    bad_policy(
        "the-policy-starts-twice",
        "return [start(job=0)] * 2",
        Outcome.INVALID_DECISION,
        says="start(job=0)",
    ),
    bad_policy(
        "the-policy-starts-too-much",
        "return [start(job=n) for n in (0, 1)]",
        Outcome.INVALID_DECISION,
        says="job is coming",
    ),
    bad_policy(
        "the-policy-starts-a-row-that-is-none",
        "return [start(job=1 << 40)]",
        Outcome.INVALID_DECISION,
        says="no row of jobs",
    ),
    bad_policy(
        "the-policy-floods",
        "return [start(job=0)] * 20_000",
        Outcome.INVALID_DECISION,
        says="one call made 20000 decisions",
    ),
    bad_policy(
        "the-policy-speaks-as-a-simulator",
        "frame(17, b'\\x94\\x00\\x01\\xa4done\\x90')\nos.read(3, 1)",
        Outcome.PROTOCOL_ERROR,
    ),
    bad_policy(
        "the-policy-decides-what-is-no-decision",
        "frame(17, b'\\x93\\x00\\x01\\x91\\x92\\x63\\x90')\nos.read(3, 1)",
        Outcome.INVALID_DECISION,
        says="decision number 99",
    ),
    bad_policy(
        "the-policy-blames-the-simulator",
        "fail('simulator_failed', 'ouch')",
        Outcome.PROTOCOL_ERROR,
        says="impossible failure",
    ),
    bad_policy("the-policy-sleeps", "sys.modules['threading'].Event().wait()", Outcome.WALL_LIMIT),
    bad_policy("the-policy-spins", "while True: pass", Outcome.CALL_TIMEOUT),
    bad_policy(
        "the-policy-takes-all-memory",
        "kept = []\nwhile True: kept.append(bytes(1 << 20))",
        Outcome.MEMORY_LIMIT,
        outside=True,
    ),
    bad_policy("the-policy-ends-itself", "os._exit(0)", Outcome.WORKER_DIED),
)


def together(name: str, simulator: str, policy: str, **rest: Any) -> Attack:
    """Return a simulator and a policy that know of each other, in their first turn."""
    first = bad_simulator(name, simulator)
    second = bad_policy(name, policy, Outcome.OK)
    return Attack(
        name=name,
        simulator=first.simulator,
        policy=second.policy,
        body=second.body,
        **fair(**rest),
    )


TALKS_IN_TURNS = GOOD.replace(
    "        for decision in (yield):",
    "        decisions = yield\n"
    "        for _ in range(jobs[0].service % 7):\n"
    "            assert not (yield)\n"
    "        for decision in decisions:",
)
"""Tells a hidden number by how often it gives the policy a turn, if the policy were asked."""
COLLUDING = (
    together(
        "they-share-no-memory", "sys.told = scenario.jobs[0].service", "held(lambda: sys.told)"
    ),
    together(
        "they-share-no-builtin",
        "__builtins__['told'] = 1\nsys.modules['builtins'].told = 1",
        "held(lambda: sys.modules['builtins'].told)",
    ),
    together(
        "they-share-no-module",
        "sys.modules['simulator.sealed.log'].told = 1",
        "held(lambda: sys.modules['simulator.sealed.log'].told)",
    ),
    together(
        "they-share-no-file",
        "held(lambda: open('/tmp/told', 'w'))",
        "held(lambda: open('/tmp/told'))",
        outside=True,
    ),
    together(
        "they-share-no-directory",
        "held(lambda: os.mkdir('/dev/shm/told'))",
        "held(lambda: os.listdir('/dev/shm'))",
        outside=True,
    ),
    together(
        "they-share-no-socket",
        WEBS + "held(lambda: sys.modules['socket'].socket(AF_UNIX))",
        WEBS + "held(lambda: sys.modules['socket'].socket(AF_INET))",
        outside=True,
    ),
    together("they-share-no-pipe", "held(os.pipe)", "held(os.pipe)"),
    together(
        "they-share-no-shared-memory",
        "held(lambda: 1 / (libc.shmget(7, 4096, 0o1666) + 1))",
        "held(lambda: 1 / (libc.shmget(7, 4096, 0o666) + 1))",
        outside=True,
    ),
    together(
        "they-share-no-user",
        "held(lambda: 1 / (os.getuid() and 0))",
        "held(lambda: 1 / (os.getuid() and 0))",
    ),
    together(
        "they-share-no-clock",
        "held(lambda: 1 // int(sys.modules['time'].monotonic()))",
        "held(lambda: 1 // int(sys.modules['time'].monotonic()))",
    ),
    together(
        "a-thread-that-counts-is-no-clock",
        "for _ in range(10 ** 6): pass",
        "held(lambda: sys.modules['threading'].Thread(target=print).start())",
    ),
    together(
        "the-time-that-the-other-used-is-no-clock",
        "for _ in range(10 ** 6): pass",
        "clock = sys.modules['time'].clock_gettime\n"
        "for near in (-3, -2, -1, 1, 2, 3):\n"
        "    held(lambda: clock((~(os.getpid() + near) << 3) | 2))",
    ),
    together(
        "they-share-no-queue-and-no-semaphore",
        "held(lambda: 1 / (libc.msgget(7, 0o1666) + 1))",
        "held(lambda: 1 / (libc.semget(7, 1, 0o1666) + 1))",
    ),
    together(
        "they-share-no-lock",
        "for number in range(4): held(lambda: 1 / (libc.flock(number, 6) + 1))",
        "for number in range(4): held(lambda: 1 / (libc.lockf(number, 2, 1) + 1))",
    ),
    together(
        "they-share-no-priority",
        "held(lambda: os.nice(5))",
        "for near in (-3, -2, -1, 0, 1, 2, 3):\n"
        "    held(lambda: os.getpriority(0, os.getpid() + near))",
    ),
    together("a-print-is-not-for-the-other", "print('told')", "print('heard nothing')"),
    Attack(
        name="turns-without-news-tell-nothing",
        simulator=TALKS_IN_TURNS,
        **fair(),
    ),
)

ATTACKS = (*LIES, *FORGING, *STALLING, *PEEKING, *BLAMING, *COLLUDING)
