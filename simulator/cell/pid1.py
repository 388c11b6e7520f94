"""The trusted process of a cell, ``python -m simulator.cell.pid1``: one job in, one report out.

The order of its steps is the design: the workers are forked and sealed before the simulator is
loaded and before the job is read, so that nothing worth stealing was ever in memory they share.
The simulator is loaded before rights are given up, since its files may be the caller's alone.
"""

import argparse
import gc
import importlib
import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import NoReturn

from simulator.cell import crew, kernel, seal
from simulator.cell.frames import LENGTH, MAX_JOB_BYTES, CellReport, pack_report, unpack_job
from simulator.cell.lean import without_needless
from simulator.cell.wire import read_exactly, write_all
from simulator.domain import DEFAULT, POLICIES, ROLES, SHIPPED, Domain

EXIT_FAULT = 70
EXIT_IDLE = 75


def run(arguments: list[str] | None = None) -> NoReturn:
    """Do one job, say on standard error what went wrong, and end the process."""
    code = EXIT_FAULT
    try:
        code = main(arguments)
    except Exception:
        os.write(2, traceback.format_exc().encode("utf-8", "backslashreplace"))
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else EXIT_FAULT
    finally:
        sys.stdout.flush()
        os._exit(code)


def main(arguments: list[str] | None = None) -> int:
    """Do one job and return the exit code, which says nothing about the candidate."""
    options = _options(arguments)
    _end_if_idle_for(options.idle_seconds)
    gc.disable()  # nothing here makes cycles but a scenario that ends; see trying
    domain = Domain(options.domain.resolve(), options.role)  # its domain.toml is not needed here
    contracts = crew.preload(domain)
    worker_seal = seal.Seal(
        isolation=options.isolation,
        memory_bytes=options.memory_mb << 20,
        cpu_seconds=options.cpu_seconds,
        clocks=kernel.find_clocks(),
    )
    notes = crew.Notes(read_exactly(0, LENGTH.size))  # nothing that a worker sees depends on it
    members = crew.fork_workers(notes, worker_seal, contracts)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # rights are given up by each thread for itself
    with without_needless():
        trying = importlib.import_module("simulator.cell.trying")
        _ = domain.cell, domain.sha256
    seal.shed_privileges(options.isolation)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    (length,) = LENGTH.unpack(read_exactly(0, LENGTH.size))
    if length > MAX_JOB_BYTES:
        raise ValueError(f"a job of {length} bytes is larger than the allowed {MAX_JOB_BYTES}")
    job = unpack_job(read_exactly(0, length))
    signal.setitimer(signal.ITIMER_REAL, 0)
    gc.freeze()
    report: CellReport = trying.try_job(job, members, options.isolation, domain)
    write_all(1, pack_report(report, job.nonce))
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="simulator.cell.pid1", description=__doc__)
    parser.add_argument("--domain", type=Path, default=SHIPPED / DEFAULT, help="its folder")
    parser.add_argument("--role", choices=ROLES, default=POLICIES, help="what candidates are")
    parser.add_argument("--isolation", choices=seal.ISOLATIONS, default=seal.SPLIT)
    parser.add_argument("--memory-mb", type=int, default=256, help="of a worker's address space")
    parser.add_argument("--cpu-seconds", type=int, default=20, help="of a worker, at the very most")
    parser.add_argument("--idle-seconds", type=float, default=600.0, help="to wait for the job")
    return parser.parse_args(arguments)


def _end_if_idle_for(seconds: float) -> None:
    """End the cell when no job comes; the first process of a namespace needs a handler for that."""

    def give_up(_signal: int, _frame: FrameType | None) -> None:
        os.write(2, b"no job came in time\n")
        os._exit(EXIT_IDLE)

    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)


if __name__ == "__main__":
    run()
