"""Prefect's server as a process of its own, for a machine that has none running."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from urllib.error import URLError
from urllib.request import urlopen

from flows.errors import OrchestratorUnavailable, UserError
from flows.orchestration.tether import Tether

HOST = "127.0.0.1"
LOOK_SECONDS = 0.2
STOP_SECONDS = 20.0


@contextmanager
def running_server(
    port: int, environment: Mapping[str, str], patience_seconds: float
) -> Iterator[str]:
    """Start a server with its pages, yield the address of its API, and stop it in the end.

    It ends with this process even where that is killed.
    """
    if _is_taken(port):
        raise UserError(
            f"port {port} is taken: choose another --port, or set PREFECT_API_URL if it is a "
            "Prefect server that listens there"
        )
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST]
    process = subprocess.Popen(
        [*command, "--port", str(port)],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C at a terminal is for us: we tell it when to go
    )
    with Tether(-process.pid):
        try:
            _await_health(process, f"http://{HOST}:{port}/api", patience_seconds)
            yield f"http://{HOST}:{port}/api"
        finally:
            _stop(process)


def free_port() -> int:
    """Return a port that is free, one of so many that two who ask at once hardly get the same."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _await_health(process: "subprocess.Popen[bytes]", url: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not _is_healthy(url):
        if process.poll() is not None:
            raise OrchestratorUnavailable(
                f"Prefect's server ended with exit code {process.returncode} instead of starting: "
                "what it printed says why"
            )
        if time.monotonic() > deadline:
            raise OrchestratorUnavailable(
                f"Prefect's server did not answer at {url} within {seconds:g} s: try again, or "
                "start `prefect server start` yourself and set PREFECT_API_URL"
            )
        time.sleep(LOOK_SECONDS)


def _is_healthy(url: str) -> bool:
    try:
        with urlopen(f"{url}/health", timeout=5) as reply:
            return bool(reply.status == 200)
    except (URLError, HTTPException, OSError):
        return False


def _is_taken(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End the server and what it started: its group is its own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=STOP_SECONDS)
            return
        except ProcessLookupError:
            process.wait()
            return
        except subprocess.TimeoutExpired:
            continue
