"""Programs that start at once: a process with everything imported forks for each command.

Each command has a process, an environment, a folder and streams of its own, and the interpreter
ends with it as always. What a real start does besides, tests look at that start the interpreter.
"""

import atexit
import gc
import json
import os
import selectors
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
MODULES = (
    "flows.cli.main",
    "flows.cli.watching",
    "flows.experiment",
    "flows.history.export",
    "flows.history.store",
    "flows.judging.comparison",
    "flows.orchestration.server",
    "flows.proposers.model",
    "flows.proposers.offline.proposer",
    "flows.proposers.replay",
    "flows.report.attempts",
    "flows.report.page",
    "sandbox.docker_cells",
    "sandbox.doctor",
    "sandbox.process_cells",
    "sandbox.trial",
    "simulator.domains.faas.cell",
    "simulator.domains.faas.host",
    "simulator.domains.pipelines.cell",
    "simulator.domains.pipelines.contract",
    "simulator.domains.pipelines.host",
    "encodings.utf_8_sig",
    "filelock",
    "numpy.ma",
    "rich.live",
    "rich.table",
)
"""What commands import sooner or later; never Prefect, which reads settings when imported."""
PROGRAMS = {
    "assay": ("flows.cli.main", "main", "flows.cli"),
    "prefect": ("prefect.cli", "app", "prefect"),
    "dask-worker": ("distributed.cli.dask_worker", "main", "distributed.cli.dask_worker"),
}
"""The function of each program, in its module, and the module that runs as the program."""
OF_PYTHON, SAFE_PATH = "PYTHON", "PYTHONSAFEPATH"
"""Beginning of Python's own settings, and the one that no program has that lies in a folder."""
LONGEST_REQUEST = 1 << 20
CLIENT = '''#!{python} -SE
"""Has the process at {address} fork for this command; starts it itself where Python's own
settings are others."""
import array, json, os, signal, socket, sys

def settings():
    names = [k for k in os.environ if k.startswith("PYTHON") and k != "PYTHONSAFEPATH"]
    return {{k: os.environ[k] for k in names}}

def main():
    if settings() != {settings}:
        os.execv(sys.executable, [sys.executable, "-m", {module!r}, *sys.argv[1:]])
    door = socket.socket(socket.AF_UNIX)
    door.connect({address!r})
    wish = {{"program": {program!r}, "words": sys.argv[1:], "folder": os.getcwd()}}
    wish["environment"] = dict(os.environ)
    streams = array.array("i", [0, 1, 2])
    data = json.dumps(wish).encode("utf-8", "surrogateescape") + b"\\n"
    door.sendmsg([data[:1]], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
    door.sendall(data[1:])
    answers = door.makefile()
    pid = int(answers.readline())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: os.kill(pid, number))
    code = int(answers.readline())
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)

main()
'''


@cache
def folder_with_assay() -> Path:
    """Return a folder with a program ``assay``, to be the first on a PATH; it is removed later."""
    folder, end = _started(("assay",), MODULES, os.environ)
    atexit.register(end)
    return folder


@contextmanager
def warm_programs(
    *programs: str, modules: tuple[str, ...], environment: Mapping[str, str]
) -> Iterator[Path]:
    """Yield a folder with these programs, which have ``modules`` imported in an ``environment``.

    What a module reads when it is imported is that of this environment, whatever a command has.
    """
    folder, end = _started(programs, modules, environment)
    try:
        yield folder
    finally:
        end()


def _started(
    programs: tuple[str, ...], modules: tuple[str, ...], environment: Mapping[str, str]
) -> tuple[Path, Callable[[], None]]:
    """Return a folder of programs, and what ends the process that forks for them."""
    folder = tempfile.TemporaryDirectory(prefix="assay-tests-")
    address = f"{folder.name}/door"
    inherited = {name: value for name, value in environment.items() if name != SAFE_PATH}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.warm", address, *modules],
        cwd=ROOT,
        env=inherited,
        stdin=subprocess.PIPE,  # whose end is the end of the process
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def end() -> None:
        process.communicate()
        folder.cleanup()

    binaries = Path(folder.name) / "bin"
    binaries.mkdir()
    settings = {k: v for k, v in inherited.items() if k.startswith(OF_PYTHON)}
    for name in programs:
        path = binaries / name
        told = {"address": address, "settings": settings, "program": name}
        path.write_text(CLIENT.format(python=sys.executable, module=PROGRAMS[name][2], **told))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    assert process.stdout.readline() == b"ready\n"
    return binaries, end


def serve(address: str, *modules: str) -> Mapping[str, object] | None:
    """Fork for every command that is asked for; return its wish in the process that is its own."""
    warm_up(modules)
    with socket.socket(socket.AF_UNIX) as door, selectors.DefaultSelector() as ready:
        door.bind(address)
        door.listen()
        ready.register(door, selectors.EVENT_READ)
        ready.register(0, selectors.EVENT_READ)
        print("ready", flush=True)
        while all(key.fileobj is door for key, _ in ready.select()):
            asking, _ = door.accept()
            if os.fork() == 0:
                return attend(asking)
            asking.close()
            while waited():
                pass
    return None


def warm_up(modules: Iterable[str]) -> None:
    """Do once what each program would do when it starts; every child has it."""
    for module in modules:
        import_module(module)
    with suppress(import_module("sandbox.errors").SandboxUnavailable):
        limits = import_module("sandbox.limits").Limits()
        import_module("sandbox.process_cells").ProcessCells(limits).open()  # finds the walls once
    gc.collect()
    gc.freeze()


def waited() -> bool:
    """Take one of the children that have ended, if there is one."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def attend(asking: socket.socket) -> Mapping[str, object]:
    """Fork once more; tell the end to whoever asked, or end the command with him."""
    data, streams, _, _ = socket.recv_fds(asking, LONGEST_REQUEST, 3)
    while not data.endswith(b"\n"):
        data += asking.recv(LONGEST_REQUEST)
    pid = os.fork()
    if pid == 0:
        for stream, place in zip(streams, range(3), strict=True):
            os.dup2(stream, place)
            os.close(stream)
        os.setpgid(0, 0)
        wish: Mapping[str, object] = json.loads(data.decode("utf-8", "surrogateescape"))
        return wish
    asking.sendall(b"%d\n" % pid)
    end = os.pidfd_open(pid)
    with selectors.DefaultSelector() as ready:
        ready.register(end, selectors.EVENT_READ)
        ready.register(asking, selectors.EVENT_READ)
        if all(key.fileobj is asking for key, _ in ready.select()):  # which is not there any more
            os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    try:
        asking.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    finally:
        os._exit(0)


def become(wish: Mapping[str, object]) -> None:
    """Run the command, as a fresh interpreter would."""
    words, environment, folder = wish["words"], wish["environment"], wish["folder"]
    assert isinstance(words, list) and isinstance(environment, dict) and isinstance(folder, str)
    module, function, _ = PROGRAMS[str(wish["program"])]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [str(wish["program"]), *words]
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False, errors="backslashreplace")
    code: object = 0
    try:
        getattr(import_module(module), function)()
    except SystemExit as left:
        code = left.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    end(code)


def end(code: object) -> NoReturn:
    """End the process as the interpreter does, but for objects that it would take apart."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    chosen = serve(*sys.argv[1:])
    if chosen is not None:
        become(chosen)
    os._exit(0)  # without taking anything apart
