"""What a trial costs that a cluster makes, beside one made here; ``python -m benchmarks hosts``.

All processes are on this machine and share its cores: a Prefect server, a Dask scheduler, workers,
and this one, which is the search. Bytes are counted on the connections of this process to the
scheduler. CPU time is that of each process, so that the last table can say which is the first to
need a whole core.
"""

import argparse
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, cast

from benchmarks.measure import sized
from flows.history.journal import Journal
from flows.history.records import Row
from flows.history.store import ingest
from flows.judging.comparison import scenario_payloads
from flows.judging.splits import suite_scenarios
from flows.orchestration.server import START_SECONDS, free_port, prepare_prefect, running_server
from flows.settings.sections import CompareConfig, RunnerConfig
from flows.trials import side_by_side
from sandbox.outcome import Outcome, Trial
from sandbox.trial import Payload
from simulator.domains.pipelines import library
from tests.support.history_rows import candidate, evaluation

ROOT = Path(__file__).resolve().parents[1]
SUITE = "mixed"
INSTANT = library.policy_source("priority") + "\nimport os\n"
"""A policy of usual length that the screen refuses: its trial needs no cell."""
REAL = library.policy_source("priority")
WAIT_SECONDS = sized(8.0, 0.1)
"""About as long as a candidate of ``mixed`` takes."""
LEAST_MS = 0.01
"""The clock of a process is no finer."""
SETTLE_SECONDS = sized(5.0, 0.0)
ROLES = {"scheduler": "dask_scheduler", "workers": "dask_worker", "Prefect": "prefect server"}
SEARCH = "search"
TRIALS_OF_CANDIDATE = 1.5
CELL_SECONDS = 8.4
"""Of a candidate on ``mixed``, half of them confirmed; see docs/scale-out.md."""
SAMPLES = 340
"""Numbers in a row's metrics, as in ``bench_history``."""


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--trials", type=int, default=sized(100, 4), help="instant ones, each way; 0 for none"
    )
    parser.add_argument("--real", type=int, default=sized(12, 2), help="real ones, each way")
    parser.add_argument("--workers", type=int, nargs="*", default=sized([1, 2, 3], [1]))
    options = parser.parse_args(arguments)
    before = dict(os.environ)
    with TemporaryDirectory() as folder, ExitStack() as stack:
        home = Path(folder)
        prepare_prefect(home, os.environ)
        os.environ["PREFECT_API_URL"] = stack.enter_context(
            running_server(os.environ, START_SECONDS)
        )
        _measured(home, options.trials, options.real, options.workers)
        _flush_log()
    os.environ.clear()
    os.environ.update(before)


def _measured(home: Path, trials: int, real: int, workers: Sequence[int]) -> None:
    """Take all measurements within one flow run, as trials of a search are."""
    from prefect import flow

    @flow(name="bench", persist_result=False)
    def bench() -> None:
        if trials:
            terms = _costs(home, trials)
            _limits({**terms, **_history(home)})
        if workers:
            _rates(home, workers, real)

    bench()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one trial cost, on average."""

    wall_ms: float
    cpu_ms: Mapping[str, float]
    """By the role of a process."""
    sent: float
    received: float
    """Bytes."""


def _costs(home: Path, trials: int) -> dict[str, float]:
    """Print what an instant trial costs, each way; return the terms of the last table."""
    scenarios = _scenarios("train")
    size = sum(len(each.data) for each in scenarios[:-1])
    print(
        f"one instant trial, {len(scenarios) - 1} scenarios of {SUITE}, {size / 1e3:.0f} kB; "
        f"means of {trials}, one at a time"
    )
    costs: dict[str, Cost] = {}
    from flows.orchestration.tasks import NamedTrials, in_a_task, open_trials

    with open_trials(_config(RunnerConfig())) as here:
        costs["here"] = _measure(here, scenarios, trials, None)
        costs["here, Prefect"] = _measure(NamedTrials(here, in_a_task), scenarios, trials, None)
    with _cluster(home, 1, threads=1) as relay:
        with closing(_Plain(relay.address)) as plain:
            costs["Dask"] = _measure(plain, scenarios, trials, relay)
        with open_trials(_config(RunnerConfig(kind="dask", address=relay.address))) as there:
            rows = _rows_of_prefect()
            costs["Dask, Prefect"] = cost = _measure(there, scenarios, trials, relay)
            rows = _rows_of_prefect() - rows
            costs["and scenarios"] = _measure(_Whole(there), scenarios, trials, relay)
    names = [SEARCH, *ROLES]
    print(f"  {'':14} {'ms':>7} {'sent':>9} {'received':>9}  CPU ms: {', '.join(names)}")
    for name, each in costs.items():
        cpu = " ".join(f"{each.cpu_ms[role]:6.1f}" for role in names)
        print(f"  {name:14} {each.wall_ms:7.1f} {each.sent:9.0f} {each.received:9.0f}  {cpu}")
    print(f"  Prefect's database gains {rows / trials:.1f} rows with each trial", flush=True)
    terms = {f"{role}, ms": cost.cpu_ms[role] for role in names}
    return {**terms, "Prefect, rows": rows / trials}


def _measure(trials: Any, scenarios: Sequence[Payload], count: int, relay: "_Relay | None") -> Cost:
    trials.try_policy(INSTANT, scenarios)
    cpu, began = _cpu_seconds(), time.perf_counter()
    sent, received = relay.counts if relay is not None else (0, 0)
    for _ in range(count):
        trial: Trial = trials.try_policy(INSTANT, scenarios)
        assert trial.outcome is Outcome.REJECTED, trial.outcome
    wall = time.perf_counter() - began
    after = _cpu_seconds()
    sent_now, received_now = relay.counts if relay is not None else (0, 0)
    return Cost(
        wall_ms=1e3 * wall / count,
        cpu_ms={role: 1e3 * (after[role] - cpu[role]) / count for role in after},
        sent=(sent_now - sent) / count,
        received=(received_now - received) / count,
    )


def _rates(home: Path, workers: Sequence[int], trials: int) -> None:
    """Print candidates per minute with real trials, and with trials that wait."""
    scenarios = _scenarios("train", "smoke")[:2]
    print(
        f"trials per minute: real ones in embedded cells, {len(scenarios)} scenarios of smoke; and "
        f"ones that wait {WAIT_SECONDS:g} s in the worker; as many at a time as workers"
    )
    print(
        "  workers  real, here  real, cluster  waiting  of the possible  received/trial  CPU ms: "
        + ", ".join([SEARCH, *ROLES])
    )
    for count in workers:
        rate = _rate(home, count, trials, scenarios)
        cpu = " ".join(f"{rate.cpu_ms[role]:6.1f}" for role in [SEARCH, *ROLES])
        share = 100 * rate.waiting / (60 / WAIT_SECONDS * count)
        print(
            f"  {count:7} {rate.here:11.0f} {rate.cluster:14.0f} {rate.waiting:8.0f} {share:14.0f} "
            f"% {rate.received:15.0f}  {cpu}",
            flush=True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Trials a minute: in cells here, with the workers of a cluster, and of ones that wait."""

    here: float
    cluster: float
    waiting: float
    received: float
    """Bytes of a real trial."""
    cpu_ms: Mapping[str, float]
    """Of a real trial in a cluster, by the role of a process."""


def _rate(home: Path, count: int, trials: int, scenarios: Sequence[Payload]) -> Rate:
    from flows.orchestration.hosts import WorkerTrials
    from flows.orchestration.tasks import open_trials

    with open_trials(_config(RunnerConfig(), slots=count)) as here:
        here.prepare(len(scenarios))
        local = _per_minute(lambda: here.try_policy(REAL, scenarios), trials, count)
    with (
        _cluster(home, count, threads=1) as relay,
        open_trials(_config(RunnerConfig(kind="dask", address=relay.address))) as there,
    ):
        _per_minute(lambda: there.try_policy(REAL, scenarios), 2 * count, count)
        received, cpu = relay.counts[1], _cpu_seconds()
        far = _per_minute(lambda: there.try_policy(REAL, scenarios), trials, count)
        received, after = relay.counts[1] - received, _cpu_seconds()
        sender: Any = there
        idle = WorkerTrials(replace(sender.send, task=_waiting_task()), {})
        waiting = _per_minute(lambda: idle.try_policy(REAL, []), sized(4, 2) * count, count)
    return Rate(
        here=local,
        cluster=far,
        waiting=waiting,
        received=received / trials,
        cpu_ms={role: 1e3 * (after[role] - cpu[role]) / trials for role in after},
    )


def _waiting_task() -> Any:
    """Return a task that waits in a worker in place of a trial."""
    from prefect import task

    return task(name="wait", persist_result=False)(wait_in_worker)


def wait_in_worker(wanted: Any, job: Any) -> Trial:
    """Wait, as a cell on another machine would be waited for; no core is busy."""
    time.sleep(WAIT_SECONDS)
    return Trial(candidate="", outcome=Outcome.OK, evaluations=())


def _per_minute(call: Callable[[], object], count: int, at_once: int) -> float:
    numbers = iter(range(count))
    lock = threading.Lock()

    def one_after_another(_: int) -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            call()

    began = time.perf_counter()
    side_by_side(one_after_another, range(at_once))
    return 60 * count / (time.perf_counter() - began)


def _history(home: Path) -> dict[str, float]:
    """Return what the rows of a candidate cost that keeps the journal, and who reads it."""
    tries = len(_scenarios("train")) + len(_scenarios("validation"))
    metrics = {"timeline": [number / 7 for number in range(SAMPLES)]}
    count = sized(60, 4)
    taken = []
    with Journal(home, "night") as journal:
        for number in range(count):
            rows: list[Row] = [
                *(
                    evaluation(iteration=number, scenario=f"s{k}", metrics=metrics)
                    for k in range(tries)
                ),
                candidate(iteration=number, candidate=f"c{number}", source=REAL),
            ]
            began = time.perf_counter()
            journal.append_all(rows)
            taken.append(time.perf_counter() - began)
        size = journal.path.stat().st_size / count
    cpu = time.process_time()
    ingest(home)
    cpu = time.process_time() - cpu
    return {
        "journal, ms": 1e3 * median(taken),
        "ingest, ms": 1e3 * cpu / count,
        "journal, bytes": size,
    }


def _limits(terms: Mapping[str, float]) -> None:
    """Print how many candidates a second each part carries alone, and what a million costs."""
    each_ms = {
        "one search": TRIALS_OF_CANDIDATE * terms["search, ms"] + terms["journal, ms"],
        "one scheduler": TRIALS_OF_CANDIDATE * terms["scheduler, ms"],
        "one Prefect server": TRIALS_OF_CANDIDATE * terms["Prefect, ms"],
        "one ingest": terms["ingest, ms"],
    }
    each_ms = {name: max(ms, LEAST_MS) for name, ms in each_ms.items()}
    need = 50 * 2 / CELL_SECONDS
    print(
        f"the model: 50 hosts of 2 cores, {CELL_SECONDS:g} s of a core a candidate, "
        f"{TRIALS_OF_CANDIDATE:g} trials: {need:.1f} candidates/s, a million in "
        f"{1e6 / need / 3600:.0f} h"
    )
    print(f"  {'':20} {'ms':>6} {'candidates/s':>13} {'hosts':>6} {'a million, h':>13}")
    for name, ms in sorted(each_ms.items(), key=lambda each: -each[1]):
        rate = 1e3 / ms
        print(
            f"  {name:20} {ms:6.1f} {rate:13.1f} {rate * CELL_SECONDS / 2:6.0f} "
            f"{1e6 * ms / 3.6e6:13.0f}"
        )
    print(
        f"  a million candidates: {terms['journal, bytes'] / 1e3:.0f} GB of journal, "
        f"{TRIALS_OF_CANDIDATE * terms['Prefect, rows']:.1f} million rows in Prefect's database"
    )


class _Plain:
    """Sends trials to a cluster without Prefect."""

    def __init__(self, address: str) -> None:
        from distributed import Client

        from flows.orchestration.hosts import Hosts, WorkerTrials, wanted_for, work

        self._client: Any = cast(Any, Client)(address, set_as_default=False)
        wanted = wanted_for(_config(RunnerConfig()))
        hosts = Hosts(self._client, wanted, print)
        info = hosts.require_all()
        self._trials = WorkerTrials(
            lambda job: self._client.submit(
                work, wanted, job, workers=list(hosts.ready()), pure=False
            ).result(),
            info,
        )

    def try_policy(self, source: str, scenarios: Sequence[Payload]) -> Trial:
        return self._trials.try_policy(source, scenarios)

    def close(self) -> None:
        """Leave the cluster."""
        self._client.close()


class _Whole:
    """Sends the data of all scenarios with every trial."""

    def __init__(self, trials: Any) -> None:
        self._trials = trials

    def try_policy(self, source: str, scenarios: Sequence[Payload]) -> Trial:
        from flows.orchestration.hosts import Job, sha256_of

        data = {sha256_of(each.data): each.data for each in scenarios}
        named = tuple((each.name, sha256_of(each.data)) for each in scenarios)
        answer = self._trials.send(Job(source=source, scenarios=named, data=data))
        assert isinstance(answer, Trial)
        return answer


class _Relay:
    """Passes on what goes between this process and a scheduler, and counts the bytes."""

    def __init__(self, port: int) -> None:
        self._port, self._lock = port, threading.Lock()
        self._counts = [0, 0]
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def counts(self) -> tuple[int, int]:
        """Bytes that went to the scheduler, and that came from it."""
        with self._lock:
            return self._counts[0], self._counts[1]

    def _accept(self) -> None:
        while True:
            near = self._listener.accept()[0]
            try:
                far = socket.create_connection(("127.0.0.1", self._port))
            except OSError:  # the scheduler has ended
                near.close()
                continue
            for place, pair in enumerate(((near, far), (far, near))):
                for each in pair:
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass, args=(place, *pair), daemon=True).start()

    def _pass(self, place: int, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                with self._lock:
                    self._counts[place] += len(data)
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@contextmanager
def _cluster(home: Path, workers: int, threads: int) -> Iterator[_Relay]:
    """Start a scheduler and workers as processes of their own; yield the way to the scheduler."""
    port = free_port()
    with ExitStack() as stack:
        log = stack.enter_context((home / "dask.log").open("ab"))

        def start(*words: str, **variables: str) -> None:
            process = subprocess.Popen(
                [sys.executable, "-m", *words, "--no-dashboard"],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)

        start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port))
        address = f"tcp://127.0.0.1:{port}"
        for number in range(workers):
            start(
                *("distributed.cli.dask_worker", address, "--nthreads", str(threads)),
                *("--no-nanny", "--local-directory", str(home)),
                ASSAY_HOST=f"host-{number + 1}",
            )
        _await_workers(address, workers)
        yield _Relay(port)


def _await_workers(address: str, workers: int) -> None:
    from distributed import Client

    with cast(Any, Client)(address, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(workers, timeout=120)


def _cpu_seconds() -> dict[str, float]:
    """Return the CPU seconds so far of this process and, by role, of those that it started."""
    found = {SEARCH: time.process_time(), **dict.fromkeys(ROLES, 0.0)}
    for process in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            int(process.name)
            words = (process / "cmdline").read_bytes().decode().replace("\0", " ")
            role = next((name for name, sign in ROLES.items() if sign in words), None)
            if role is not None and _is_below(int(process.name)):
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                found[role] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def _is_below(process: int) -> bool:
    """Return whether this process started it, or what started it."""
    while process > 1 and process != os.getpid():
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        process = int(fields[1])
    return process == os.getpid()


def _rows_of_prefect() -> int:
    """Return how many rows the database of the server has."""
    time.sleep(SETTLE_SECONDS)  # it writes events and logs a little later
    path = Path(os.environ["PREFECT_HOME"]) / "prefect.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        counts = [database.execute(f'SELECT count(*) FROM "{name}"') for (name,) in tables]
        return sum(each.fetchone()[0] for each in counts)


def _scenarios(split: str, suite: str = SUITE) -> list[Payload]:
    domain = _config(RunnerConfig()).domain
    return scenario_payloads(suite_scenarios(suite, domain, split), domain)


def _config(runner: RunnerConfig, slots: int = 1) -> CompareConfig:
    return CompareConfig(policies=("naive",), cell="process", slots=slots, runner=runner)


def _flush_log() -> None:
    """Send what Prefect still has to log while its server is there."""
    from prefect.logging.handlers import APILogHandler

    APILogHandler().flush()


if __name__ == "__main__":
    main(sys.argv[1:])
