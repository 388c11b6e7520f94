"""Flow runs from without: their marks of life, how their process ends, and states that are true."""

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL
from prefect.states import Completed, Crashed

from flows.home import hold, is_held, make_folder
from flows.orchestration.server import drop_stderr, go_to_work

DRAFT = ".new"


def server_url() -> str:
    """Return the address of the API of the server that the user has."""
    return str(PREFECT_API_URL.value() or "")


@lru_cache(maxsize=1)
def end_quietly() -> None:
    """Have this process end without a word of what libraries hold at the end.

    A thread of Prefect's that the interpreter's end finds running is frozen with all that it
    refers to, our modules among it: DuckDB then complains, in dozens of lines, of leaks.
    """
    atexit.register(drop_stderr)


@contextmanager
def alive(home: Path) -> Iterator[Path]:
    """Mark this flow run as alive in ``home``, after runs that died there were called crashed."""
    go_to_work()
    for run in abandoned(home):
        _call_crashed(run)
        forget(home, run)
    with marked(home, flow_run.get_id()):
        yield home


def truthful(status: str, detail: str, data: Any) -> State[Any]:
    """Return a final state named by how the work ended, with losses and budgets in its message."""
    return Completed(name=status.replace("_", " ").title(), message=detail, data=data)


@contextmanager
def marked(home: Path, run: str | None) -> Iterator[None]:
    """Lock the file of a flow run while the block runs; do nothing outside a run."""
    if run is None:
        yield
        return
    path = _folder(home) / run
    draft = path.with_suffix(DRAFT)
    with hold(draft, 0):
        draft.rename(path)  # other processes see it only when it is locked
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def abandoned(home: Path) -> list[str]:
    """Return the flow runs whose processes died without a word."""
    marks = [path for path in sorted(_folder(home).iterdir()) if path.suffix != DRAFT]
    return [path.name for path in marks if _is_free(path)]


def forget(home: Path, run: str) -> None:
    """Remove the mark of a run that is dealt with."""
    (_folder(home) / run).unlink(missing_ok=True)


def _call_crashed(run: str) -> None:
    """End a run whose process was killed, which otherwise runs for ever and keeps others away."""
    message = "its process died; its recorded attempts are kept and will be resumed"
    with get_client(sync_client=True) as client:
        try:
            found = client.read_flow_run(run)  # type: ignore[arg-type]
        except ObjectNotFound:  # it was of another server
            return
        if found.state is not None and not found.state.is_final():
            client.set_flow_run_state(run, Crashed(message=message), force=True)
            get_run_logger().warning(f"flow run {found.name} is marked crashed: {message}")


def _folder(home: Path) -> Path:
    return make_folder(home / "flow-runs")


def _is_free(path: Path) -> bool:
    try:
        return not is_held(path)
    except FileNotFoundError:  # it ended by now
        return False
