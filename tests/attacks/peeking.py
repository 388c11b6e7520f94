"""Attacks on what a policy may not know: true needs, the future, secrets, and earlier scenarios."""

from sandbox.outcome import Outcome
from tests.attacks.attack import Attack, fatal, hidden

PEEKING: tuple[Attack, ...] = (
    fatal(
        "ask-for-the-true-needs",
        "next(iter(pipelines[0].values)).get_segments()",
        Outcome.POLICY_ERROR,
        says="estimate",
    ),
    hidden(
        "search-all-objects-for-true-needs",
        """
        words = ("baseline_cpu", "storage_read", "memory_gb", "segments", "workload", "nonce")
        found = set()
        for thing in gc.get_objects():
            kind = type(thing).__module__ + "." + type(thing).__name__
            if kind.startswith((
                "simulator.domains.pipelines.workload", "simulator.domains.pipelines.engine",
                "simulator.domains.pipelines.scenario", "simulator.domains.pipelines.cell",
            )):
                found.add(kind)
        found |= {n for n in sys.modules if n in (
            "simulator.domains.pipelines.engine", "simulator.domains.pipelines.scenario_codec",
            "simulator.cell.trying",
            "simulator.domains.pipelines.jobs", "numpy")}
        print("found", sorted(found))
        """,
        says="found []",
    ),
    hidden(
        "search-all-objects-for-pipelines-to-come",
        """
        names = [o for o in gc.get_objects() if type(o).__name__ == "Pipeline"]
        print("seen", len(names), "of", len(pipelines))
        """,
        says="seen 1 of 1",
    ),
    hidden(
        "walk-the-frames-for-secrets",
        """
        frame, found = sys._getframe(), set()
        while frame is not None:
            found |= set(frame.f_locals) & {"job", "nonce", "scenario", "workload"}
            frame = frame.f_back
        print("found", sorted(found))
        """,
        says="found []",
    ),
    hidden("read-the-random-seed", "print('seed', s.params['random_seed'])", says="seed 0"),
    hidden("read-the-environment", "print('environment', dict(os.environ))", says="environment {}"),
    hidden(
        "read-the-source-of-the-engine",
        """
        engine = "/opt/assay/simulator/domains/pipelines/engine.py"
        lines = sys.modules["linecache"].getlines(engine)
        print("lines", len(lines))
        held(lambda: sys.modules["importlib"].import_module("simulator.domains.pipelines.engine"))
        """,
        says="lines 0\nheld: ",
    ),
    hidden(
        "list-the-processes-of-the-cell",
        "held(lambda: os.listdir('/proc')); held(lambda: open('/proc/1/status'))",
        says="held: PermissionError\nheld: PermissionError",
    ),
    hidden(
        "ask-for-the-parent",
        "held(os.getppid) if libc.getppid() > 0 else print('hidden')",
        says="hidden",
    ),
    hidden(
        "search-memory-for-the-frames-of-a-job",
        """
        found = [type(o).__name__ for o in gc.get_objects()
                 if type(o).__name__ in ("Job", "CellReport", "Scenario", "Workload", "Channel")
                 and not type(o).__module__.endswith(".contract")]
        print("found", found)
        """,
        says="found []",
    ),
    hidden(
        "read-a-clock",
        """
        time = sys.modules["time"]
        held(lambda: time.clock_gettime(0))
        held(lambda: time.clock_gettime(1))
        print("stands at", time.time(), time.monotonic_ns(), time.localtime().tm_year)
        """,
        says="held: PermissionError\nheld: PermissionError\nstands at 0.0 0 1970",
    ),
    hidden(
        "count-own-cpu-time",
        "held(lambda: sys.modules['resource'].getrusage(0))",
    ),
    hidden(
        "read-the-cpu-clock-of-pid-1",
        "held(lambda: sys.modules['time'].clock_gettime((~1 << 3) | 2))",
    ),
    hidden(
        "ask-for-own-number-and-user",
        "print('process', os.getpid(), libc.gettid(), 'user', libc.getuid())",
        says="process 0 0 user -1",
    ),
    hidden("look-at-own-files", "held(lambda: os.fstat(3)); held(lambda: os.fstat(0))"),
    hidden("open-the-trace", "held(lambda: open('/opt/assay/simulator/_traces/x.csv'))"),
    hidden("list-the-image", "held(lambda: os.listdir('/opt/assay'))"),
    hidden("read-the-memory-of-pid-1", "held(lambda: open('/proc/1/mem', 'rb'))"),
    hidden("read-the-environment-of-pid-1", "held(lambda: open('/proc/1/environ', 'rb'))"),
    hidden("read-own-memory-map", "held(lambda: open('/proc/self/maps'))"),
    hidden(
        "look-for-other-files",
        """
        for fd in range(4, 64):
            try:
                os.read(fd, 0); print("open", fd)
            except OSError:
                pass
        held(lambda: os.read(0, 1) and 1/0)
        """,
        says="done: b''",
        never_says="open ",
    ),
    hidden(
        "read-ahead-on-the-socket",
        """
        held(lambda: sys.modules["socket"].socket(fileno=3).recv(10, 0x40))
        """,
        says="held: PermissionError",
    ),
    hidden(
        "find-what-an-earlier-scenario-left",
        """
        import random
        print("left", getattr(random, "left_behind", None))
        random.left_behind = 1
        """,
        says="left None",
    ),
)
