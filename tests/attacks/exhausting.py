"""Attacks on the machine: to use more than the limits allow, or never to end."""

from sandbox.outcome import Outcome
from tests.attacks.attack import Attack, fatal, hidden, module

ASLEEP = "waited for something that never comes"
LOCKED = "lock = sys.modules['threading'].Lock(); lock.acquire(); lock.acquire()"

EXHAUSTING: tuple[Attack, ...] = (
    fatal("spin", "while True: pass", Outcome.CALL_TIMEOUT),
    module(
        "spin-while-loading",
        "while True: pass\n",
        Outcome.CALL_TIMEOUT,
        says="loading the policy used more than 0.25 CPU seconds",
    ),
    fatal(
        "spin-and-catch-everything",
        """
        while True:
            try:
                while True: pass
            except BaseException:
                pass
        """,
        Outcome.CALL_TIMEOUT,
    ),
    fatal("spin-in-one-instruction", "x = 9 ** 9 ** 9", Outcome.CALL_TIMEOUT, Outcome.MEMORY_LIMIT),
    fatal(
        "backtrack-in-a-pattern",
        "import re; re.match(r'(a+)+$', 'a' * 64 + 'b')",
        Outcome.CALL_TIMEOUT,
    ),
    module(
        "stay-just-below-the-limit-of-a-call",
        """
        @register_scheduler_init(key="slow")
        def init(s):
            pass

        @register_scheduler(key="slow")
        def step(s, results, pipelines):
            sum(range(4_000_000))
            s.wake_in(0.1)
            return [], []
        """,
        Outcome.CPU_LIMIT,
    ),
    fatal(
        "ignore-every-signal-and-spin",
        """
        signal = sys.modules["signal"]
        for number in range(1, 65):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        while True: pass
        """,
        Outcome.CALL_TIMEOUT,
    ),
    fatal(
        "take-all-memory",
        "kept = []\nwhile True: kept.append(bytearray(1 << 20))",
        Outcome.MEMORY_LIMIT,
    ),
    fatal("take-all-memory-in-one-piece", "kept = bytearray(1 << 40)", Outcome.MEMORY_LIMIT),
    module("take-all-memory-while-loading", "kept = [0] * (1 << 34)\n", Outcome.MEMORY_LIMIT),
    fatal(
        "take-all-memory-and-catch",
        """
        kept = []
        while True:
            try:
                kept.append(bytearray(1 << 20))
            except MemoryError:
                pass
        """,
        Outcome.CALL_TIMEOUT,
        Outcome.MEMORY_LIMIT,
    ),
    fatal(
        "an-integer-of-a-tebibit", "x = 1 << (1 << 43)", Outcome.MEMORY_LIMIT, Outcome.POLICY_ERROR
    ),
    hidden("fork", "held(os.fork)"),
    hidden(
        "fork-bomb-and-catch",
        """
        refused = 0
        for _ in range(200):
            try:
                os.fork()
            except OSError:
                refused += 1
        print("refused", refused)
        """,
        says="refused 200",
    ),
    hidden(
        "start-a-thread",
        "held(lambda: sys.modules['threading'].Thread(target=print).start())",
        says="held: RuntimeError",
    ),
    hidden(
        "start-a-process", "held(lambda: sys.modules['os'].posix_spawn('/bin/true', ['x'], {}))"
    ),
    hidden("use-up-the-files", "held(lambda: [os.dup(1) for _ in range(10_000)])"),
    hidden("make-a-memory-file", "held(lambda: os.memfd_create('x'))"),
    hidden("write-a-huge-file", "held(lambda: open('/tmp/x', 'wb').truncate(1 << 50))"),
    fatal(
        "flood-stdout",
        "while True: print('x' * 10_000)",
        Outcome.CALL_TIMEOUT,
        says="more bytes were dropped",
    ),
    fatal(
        "flood-stderr-directly",
        "while True: os.write(2, b'x' * 65_536)",
        Outcome.CALL_TIMEOUT,
        says="more bytes were dropped",
    ),
    hidden(
        "print-ten-megabytes-and-go-on",
        "for _ in range(100): print('y' * 100_000)",
        says="more bytes were dropped",
    ),
    hidden("drip-output", "for _ in range(20_000): os.write(1, b'.')", says="...."),
    fatal("recurse-without-end", "def f(): f()\nf()", Outcome.POLICY_ERROR, says="RecursionError"),
    fatal(
        "recurse-without-limit",
        "sys.setrecursionlimit(10**9)\ndef f(): f()\nf()",
        Outcome.MEMORY_LIMIT,
        Outcome.WORKER_DIED,
        Outcome.CALL_TIMEOUT,
        Outcome.POLICY_ERROR,
    ),
    fatal(
        "recurse-in-c",
        """
        sys.setrecursionlimit(10**9)
        deep = []
        for _ in range(200_000): deep = [deep]
        repr(deep)
        """,
        Outcome.WORKER_DIED,
        Outcome.MEMORY_LIMIT,
        Outcome.POLICY_ERROR,
        Outcome.CALL_TIMEOUT,
    ),
    hidden("sleep", "held(lambda: sys.modules['time'].sleep(3600))"),
    hidden("stop-oneself", "held(lambda: os.kill(os.getpid(), 19))"),
    fatal("wait-for-ever", LOCKED, Outcome.WALL_LIMIT, says=ASLEEP),
    fatal(
        "wait-for-an-event",
        "sys.modules['threading'].Event().wait()",
        Outcome.WALL_LIMIT,
        says=ASLEEP,
    ),
    fatal(
        "doze-in-short-naps",
        """
        lock = sys.modules["threading"].Lock()
        lock.acquire()
        while True: lock.acquire(timeout=0.005)
        """,
        Outcome.CALL_TIMEOUT,
    ),
    fatal(
        "doze-and-print-to-look-busy",
        """
        lock = sys.modules["threading"].Lock()
        lock.acquire()
        while True: lock.acquire(timeout=0.1), os.write(1, b".")
        """,
        Outcome.CALL_TIMEOUT,
    ),
    hidden(
        "nap-once-for-an-hour",
        """
        lock = sys.modules["threading"].Lock()
        lock.acquire()
        print("woken", lock.acquire(timeout=3600))
        """,
        says="woken False",
    ),
    hidden(
        "sleep-in-the-kernels-own-wait",
        """
        word, forever = ctypes.c_uint32(0), (ctypes.c_int64 * 2)(3600, 0)
        print("slept", libc.syscall(202, ctypes.byref(word), 0, 0, forever, 0, 0))
        """,
        says="slept -1",
    ),
    fatal("read-the-socket-dry", "while True: os.read(3, 1)", Outcome.WALL_LIMIT, says=ASLEEP),
    fatal(
        "write-out-a-huge-number",
        "sys.set_int_max_str_digits(0); str(1 << 40_000_000)",
        Outcome.CALL_TIMEOUT,
    ),
    fatal(
        "a-decimal-of-a-billion-digits",
        """
        import decimal
        decimal.getcontext().prec = decimal.MAX_PREC
        decimal.Decimal(1) / 3
        """,
        Outcome.MEMORY_LIMIT,
        Outcome.POLICY_ERROR,
    ),
    fatal("a-text-of-a-terabyte", "f'{1:>{10**12}}'", Outcome.MEMORY_LIMIT, Outcome.POLICY_ERROR),
    fatal(
        "compile-a-nest-of-brackets",
        "compile('(' * 200_000, 'x', 'exec')",
        Outcome.POLICY_ERROR,
        Outcome.MEMORY_LIMIT,
    ),
    fatal(
        "compile-a-nest-that-fits-no-stack",
        "sys.setrecursionlimit(10**9); compile('-' * 1_000_000 + '1', 'x', 'eval')",
        Outcome.POLICY_ERROR,
        Outcome.MEMORY_LIMIT,
        Outcome.WORKER_DIED,
        Outcome.CALL_TIMEOUT,
    ),
    fatal(
        "a-key-that-collides-for-ever",
        """
        class Key:
            def __hash__(self): return 1
            def __eq__(self, other): return False
        table = {}
        while True: table[Key()] = 1
        """,
        Outcome.CALL_TIMEOUT,
        Outcome.MEMORY_LIMIT,
    ),
    hidden(
        "leave-a-finaliser-that-spins",
        """
        class Last:
            def __del__(self):
                while True: pass
        sys.modules["os"].kept = Last()
        """,
        says="",
    ),
    fatal(
        "a-message-of-100-mb",
        "raise ValueError('x' * 10_000_000)",
        Outcome.POLICY_ERROR,
        Outcome.PROTOCOL_ERROR,
        Outcome.MEMORY_LIMIT,
    ),
    module(
        "twenty-thousand-decisions-in-a-call",
        """
        @register_scheduler_init(key="many")
        def init(s):
            pass

        @register_scheduler(key="many")
        def step(s, results, pipelines):
            return [Suspend(f"c{i}", 0) for i in range(20_000)], []
        """,
        Outcome.INVALID_DECISION,
    ),
    module(
        "a-decision-without-end",
        """
        import itertools

        @register_scheduler_init(key="endless")
        def init(s):
            pass

        @register_scheduler(key="endless")
        def step(s, results, pipelines):
            return itertools.repeat(1), itertools.repeat(2)
        """,
        Outcome.INVALID_DECISION,
        Outcome.MEMORY_LIMIT,
        Outcome.CALL_TIMEOUT,
    ),
)
