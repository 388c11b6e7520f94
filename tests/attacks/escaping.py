"""Attacks on the wall: to reach anything outside the worker's own memory."""

from sandbox.outcome import Outcome
from simulator.cell.seccomp import ARCHITECTURES
from tests.attacks.attack import Attack, fatal, hidden

ALLOWED = {name: sorted(table.numbers.values()) for name, table in ARCHITECTURES.items()}

PROBES = (335, 336)
"""uretprobe and uprobe: newer kernels pass them by every filter and kill who makes them up."""

EVERY_CALL = f"""
skipped = {sorted({number for table in ALLOWED.values() for number in table} | set(PROBES))!r}
passed, tried = [], 0
for number in range(0, 600):
    if number in skipped:
        continue
    tried += 1
    ctypes.set_errno(0)
    result = libc.syscall(number, 0, 0, 0, 0, 0, 0)
    if result != -1 or ctypes.get_errno() != 1:
        passed.append(number)
print("tried", tried > 500, "passed", passed)
"""

ESCAPING: tuple[Attack, ...] = (
    hidden("every-other-system-call", EVERY_CALL, says="tried True passed []"),
    fatal(
        "the-calls-of-kernel-probes",
        "libc.syscall(335); libc.syscall(336)",
        Outcome.WORKER_DIED,
        Outcome.OK,
    ),
    fatal(
        "the-x32-calling-convention",
        "libc.syscall(0x40000000 + 39)",
        Outcome.WORKER_DIED,
        Outcome.OK,
        says="",
    ),
    hidden(
        "sockets-of-every-family",
        """
        socket, opened = sys.modules["socket"], []
        for family in range(0, 46):
            for kind in (1, 2, 3):
                try:
                    socket.socket(family, kind); opened.append(family)
                except OSError as error:
                    if error.errno != 1: opened.append((family, error.errno))
        print("opened", opened)
        """,
        says="opened []",
    ),
    hidden(
        "connect-to-the-world",
        "held(lambda: sys.modules['socket'].create_connection(('192.0.2.1', 80), 1))",
        says="held: ",
    ),
    hidden(
        "ask-for-a-name",
        "held(lambda: sys.modules['socket'].getaddrinfo('example.com', 80))",
        says="held: ",
    ),
    hidden(
        "connect-to-the-engine",
        """
        socket = sys.modules["socket"]
        held(lambda: socket.socket(socket.AF_UNIX).connect("/var/run/docker.sock"))
        """,
    ),
    hidden("replace-the-program", "held(lambda: os.execv('/bin/sh', ['sh', '-c', 'id']))"),
    hidden("run-a-shell", "held(lambda: os.system('id') == 0 and 1)", says="done: False"),
    hidden("write-to-the-root", "held(lambda: open('/owned', 'w'))"),
    hidden(
        "write-over-the-simulator",
        "held(lambda: open('/opt/assay/simulator/domains/pipelines/engine.py', 'w'))",
    ),
    hidden("write-to-the-console-of-pid-1", "held(lambda: open('/proc/1/fd/1', 'w'))"),
    hidden("turn-the-handle-of-the-kernel", "held(lambda: open('/proc/sysrq-trigger', 'w'))"),
    hidden("change-the-core-pattern", "held(lambda: open('/proc/sys/kernel/core_pattern', 'w'))"),
    hidden("hide-from-the-memory-killer", "held(lambda: open('/proc/self/oom_score_adj', 'w'))"),
    hidden("leave-the-control-group", "held(lambda: open('/sys/fs/cgroup/cgroup.procs', 'w'))"),
    hidden("read-a-device", "held(lambda: open('/dev/kmsg', 'rb'))"),
    hidden("link-out-of-the-cell", "held(lambda: os.symlink('/etc', '/tmp/x'))"),
    hidden("become-root", "held(lambda: os.setresuid(0, 0, 0))"),
    hidden("become-the-trusted-user", "held(lambda: os.setuid(64001))"),
    hidden("signal-pid-1", "held(lambda: os.kill(1, 9))"),
    hidden("signal-everyone", "held(lambda: os.kill(-1, 9))"),
    hidden(
        "raise-own-limits",
        """
        resource = sys.modules["resource"]
        held(lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)))
        """,
        says="held: ",
    ),
    hidden(
        "limit-pid-1",
        """
        resource = sys.modules["resource"]
        held(lambda: resource.prlimit(1, resource.RLIMIT_CPU, (0, 0)))
        """,
    ),
    hidden(
        "make-memory-executable",
        """
        libc.mmap.restype = ctypes.c_long
        print("mapped", libc.mmap(None, 4096, 7, 0x22, -1, 0), ctypes.get_errno())
        """,
        says="mapped -1 1",
    ),
    hidden(
        "make-own-code-executable",
        """
        libc.mmap.restype = ctypes.c_long
        page = libc.mmap(None, 4096, 3, 0x22, -1, 0)
        print("protected", libc.mprotect(ctypes.c_void_p(page), 4096, 5), ctypes.get_errno())
        """,
        says="protected -1 1",
    ),
    hidden(
        "make-a-callback-executable",
        """
        held(lambda: ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 0)() or "called")
        """,
        says="",
    ),
    hidden(
        "make-memory-executable-by-its-other-name",
        "print('protected', libc.syscall(329, 0, 4096, 7, 0), ctypes.get_errno())",
        says="protected -1 1",
    ),
    fatal(
        "write-over-the-code-of-the-interpreter",
        """
        start = ctypes.cast(libc.getpid, ctypes.c_void_p).value & ~4095
        print("writable", libc.mprotect(ctypes.c_void_p(start), 4096, 3))
        ctypes.memset(start, 0x90, 4096)
        libc.getpid()
        """,
        Outcome.WORKER_DIED,
    ),
    fatal("give-up-by-abort", "os.abort()", Outcome.WORKER_DIED),
    hidden("unblock-the-pipe-of-prints", "held(lambda: os.set_blocking(1, False))"),
    hidden("write-to-standard-input", "held(lambda: os.write(0, b'x'))", says="held: OSError"),
    hidden("ask-for-a-timer", "held(lambda: sys.modules['signal'].alarm(1) and 1)", says=""),
    hidden(
        "catch-the-signals-of-the-kernel",
        """
        signal = sys.modules["signal"]
        for number in (signal.SIGSEGV, signal.SIGSYS, signal.SIGXCPU):
            signal.signal(number, lambda *a: print("caught"))
        """,
        says="",
        never_says="caught",
    ),
    fatal("crash-the-interpreter", "ctypes.string_at(0)", Outcome.WORKER_DIED, says="SIGSEGV"),
    hidden("load-a-library", "held(lambda: ctypes.CDLL('libsqlite3.so.0'))", says="held: OSError"),
    hidden("import-what-is-not-loaded", "held(lambda: __import__('sqlite3'))", says="held: "),
)
