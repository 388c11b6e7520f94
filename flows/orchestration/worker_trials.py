"""Trials in other processes: what travels to a worker, and the one sandbox that it keeps."""

import atexit
import threading
from collections.abc import Callable, Sequence
from typing import Any

from flows.orchestration.runs import end_quietly
from flows.trials import Machinery
from sandbox.limits import Limits
from sandbox.outcome import Trial
from sandbox.trial import Payload, Sandbox

MOST_AT_ONCE = 64
"""More trials than a worker process has threads; how many run at once is its own affair."""

Submit = Callable[[dict[str, Any]], Any]
"""Runs :func:`work` with these parameters in some worker and returns what it returned."""

_sandboxes: dict[tuple[Limits, str], Sandbox] = {}
_opening = threading.Lock()


def work(
    source: str | None, scenarios: Sequence[tuple[str, bytes]], limits: Limits, cell: str
) -> Trial | dict[str, Any]:
    """Try a policy in the sandbox of this process; without a source, say what trials run on."""
    sandbox = _sandbox(limits, cell)
    if source is None:
        return sandbox.info()
    return sandbox.try_policy(source, [Payload(name=name, data=data) for name, data in scenarios])


class WorkerTrials:
    """Sends each trial to a worker. Cells are not started ahead: a worker outlives a search."""

    def __init__(self, config: Machinery, submit: Submit) -> None:
        self._config, self._submit = config, submit
        self._info: dict[str, Any] = self._send(None, ())

    def try_policy(self, source: str, scenarios: Sequence[Payload]) -> Trial:
        trial = self._send(source, scenarios)
        assert isinstance(trial, Trial)
        return trial

    def prepare(self, scenarios: int) -> None:
        """Do nothing: no worker keeps cells in stock."""

    def info(self) -> dict[str, Any]:
        """Return what the first worker that answered runs trials on."""
        return self._info

    def _send(self, source: str | None, scenarios: Sequence[Payload]) -> Any:
        return self._submit(
            {
                "source": source,
                "scenarios": [(each.name, each.data) for each in scenarios],
                "limits": self._config.limits,
                "cell": self._config.cell,
            }
        )


def _sandbox(limits: Limits, cell: str) -> Sandbox:
    """Return this process's sandbox, opened at the first need and closed when the process ends."""
    with _opening:
        end_quietly()
        if (limits, cell) not in _sandboxes:
            sandbox = Sandbox(limits=limits, slots=MOST_AT_ONCE, ready=False, cell=cell)
            _sandboxes[limits, cell] = sandbox.__enter__()
            atexit.register(sandbox.close)
        return _sandboxes[limits, cell]
