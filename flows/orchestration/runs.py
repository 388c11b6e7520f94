"""Flow runs from without: the server they need, their marks of life, and states that are true."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL, get_current_settings
from prefect.states import Completed, Crashed

from flows.errors import OrchestratorUnavailable
from flows.orchestration.quiet_exit import end_loop_at_exit
from flows.orchestration.run_marks import abandoned, forget, marked
from flows.orchestration.server import HOST, free_port
from flows.orchestration.tether import Tether

SERVER_TRIES = 3
SERVER_COMMAND = (
    *(sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"),
    *("--host", HOST, "--log-level", "error", "--lifespan", "on"),
)
SERVER_ENVIRONMENT = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
}
"""What Prefect itself tells a server that lives as long as a command."""


def need_server() -> None:
    """Start Prefect's own server, which ends with this process, unless the user has one."""
    if PREFECT_API_URL.value():
        return
    try:
        _start_server()
    except Exception as error:
        raise OrchestratorUnavailable(
            f"Prefect's server did not start: {error}; try again, set PREFECT_API_URL to a "
            "running server, or use --direct for the same search without Prefect"
        ) from error


def server_url() -> str:
    """Return the address of the API of the server that the user has."""
    return str(PREFECT_API_URL.value() or "")


@contextmanager
def alive(home: Path) -> Iterator[Path]:
    """Mark this flow run as alive in ``home``, after runs that died there were called crashed."""
    end_loop_at_exit()
    for run in abandoned(home):
        _call_crashed(run)
        forget(home, run)
    with marked(home, flow_run.get_id()):
        yield home


def truthful(status: str, detail: str, data: Any) -> State[Any]:
    """Return a final state named by how the work ended, with losses and budgets in its message."""
    return Completed(name=status.replace("_", " ").title(), message=detail, data=data)


def _start_server() -> None:
    """Start the server in a session of its own.

    Signals to our whole group, from a terminal or a supervisor, must leave it alive until the flow
    has told it how it ended.
    """
    from prefect.server.api.server import SubprocessASGIServer  # slow, and not always needed

    class Server(SubprocessASGIServer):
        """Prefect's own, out of our process group, and ended by a kill of this process as well."""

        tether: Tether | None = None

        def find_available_port(self) -> int:
            return free_port()  # of its own thousand, two runs that start at once may choose one

        def _run_uvicorn_command(self) -> "subprocess.Popen[Any]":
            self._release()
            settings = get_current_settings().to_environment_variables(exclude_unset=True)
            process = subprocess.Popen(
                [*SERVER_COMMAND, "--port", str(self.port)],
                env={**os.environ, **SERVER_ENVIRONMENT, **settings},
                start_new_session=True,
            )
            self.tether = Tether(process.pid)
            return process

        def stop(self) -> None:
            super().stop()
            self._release()

        def _release(self) -> None:
            if self.tether is not None:
                self.tether.release()
                self.tether = None

    for left in reversed(range(SERVER_TRIES)):
        server = Server()
        try:
            server.start()
            return
        except RuntimeError:  # all patience was in vain
            raise
        except Exception:  # one slow answer is enough for that
            server.stop()
            if not left:
                raise


def _call_crashed(run: str) -> None:
    """End a run whose process was killed, which otherwise runs for ever and keeps others away."""
    message = "its process died without a word; what it had recorded is kept and continued"
    with get_client(sync_client=True) as client:
        try:
            found = client.read_flow_run(run)  # type: ignore[arg-type]
        except ObjectNotFound:  # it was of another server
            return
        if found.state is not None and not found.state.is_final():
            client.set_flow_run_state(run, Crashed(message=message), force=True)
            get_run_logger().warning(f"flow run {found.name} is called crashed: {message}")
