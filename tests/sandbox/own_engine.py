"""A second Docker engine, in namespaces of its own, that a test may kill, restart and fill up."""

import os
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType

from sandbox.daemon import engine_address

MACHINES_ENGINE = engine_address(os.environ).host
ANSWER_SECONDS = 240.0
INIT = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN); print(1, flush=True); {wait}"
WAIT = "signal.pause()"
NAMESPACES = ("unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child")


class OwnEngine:
    """An engine whose files, processes and containers all end with it.

    Its files lie in memory, ``disk_mb`` at most; it shares nothing with the machine's engine but
    the kernel.
    """

    def __init__(self, folder: Path, disk_mb: int) -> None:
        self.socket = folder / "engine.sock"
        self._log = folder / "dockerd.log"
        self._init = _first_process()
        self._inside = ("nsenter", "--target", str(_child_of(self._init.pid)), "--mount", "--net")
        self._daemon: subprocess.Popen[bytes] | None = None
        self.run("mount", "--make-rprivate", "/")
        self.run("mount", "-t", "tmpfs", "none", "/run")
        self.run("mkdir", "-p", "/var/lib/docker")
        self.run("mount", "-t", "tmpfs", "-o", f"size={disk_mb}m", "none", "/var/lib/docker")
        self.start()

    @property
    def address(self) -> str:
        """What DOCKER_HOST must be."""
        return f"unix://{self.socket}"

    def __enter__(self) -> "OwnEngine":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._daemon is not None and self._daemon.poll() is None:
            self.stop(signal.SIGTERM)
        self._init.kill()  # the first process of the namespaces goes with it, and all others
        self._init.communicate()

    def start(self) -> None:
        """Start the engine and wait until it answers."""
        daemon = ("dockerd", "--host", self.address, "--bridge=none", "--iptables=false")
        with self._log.open("ab") as log:
            self._daemon = subprocess.Popen(
                [*self._inside, "--pid", *daemon], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + ANSWER_SECONDS
        while self.docker("version").returncode:
            answers = self._daemon.poll() is None and time.monotonic() < deadline
            assert answers, self._log.read_text("utf-8", "replace")[-3000:]

    def stop(self, number: signal.Signals) -> None:
        """Send a signal to the engine and wait for its end; nobody stops what it had started."""
        assert self._daemon is not None
        (dockerd,) = _children_of(self._daemon.pid)
        os.kill(dockerd, number)
        self._daemon.wait()

    def restart(self) -> None:
        """Start the engine again, over what a killed one left behind."""
        self.run("rm", "-f", "/run/docker.pid", "/var/run/docker.pid", str(self.socket))
        self.start()

    def load(self, image: str) -> None:
        """Give the engine an image of the machine's engine."""
        source = ["docker", "--host", MACHINES_ENGINE, "save", image]
        saved = subprocess.Popen(source, stdout=subprocess.PIPE)
        taken = subprocess.run(self._client("load"), stdin=saved.stdout, capture_output=True)
        assert saved.stdout is not None
        saved.stdout.close()
        assert (saved.wait(), taken.returncode) == (0, 0), taken.stderr

    def docker(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the docker command against this engine."""
        return subprocess.run(self._client(*arguments), capture_output=True, text=True)

    def containers(self) -> list[str]:
        """Return the names of all containers that the engine knows."""
        return self.docker("ps", "--all", "--format", "{{.Names}}").stdout.split()

    def run(self, *command: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command where the engine's files are."""
        return subprocess.run([*self._inside, *command], check=True, capture_output=True)

    def _client(self, *arguments: str) -> list[str]:
        return ["docker", "--host", self.address, *arguments]


def _first_process() -> subprocess.Popen[bytes]:
    program = ["/usr/bin/env", "python3", "-c", INIT.format(wait=f"\nwhile True: {WAIT}")]
    init = subprocess.Popen([*NAMESPACES, *program], stdout=subprocess.PIPE)
    assert init.stdout is not None
    assert init.stdout.readline() == b"1\n"
    return init


def _child_of(pid: int) -> int:
    (child,) = _children_of(pid)
    return child


def _children_of(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return [int(one) for one in listed.split()]
