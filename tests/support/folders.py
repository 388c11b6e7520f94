"""A folder of policies and a fake sandbox that tries them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flows.orchestration.folder import FolderResult, evaluate_folder
from flows.settings.sections import FolderConfig
from flows.trials import Machinery, Trials
from tests.support.search_fakes import FakeSandbox
from tests.support.small_suite import write_suite


class Fake(FakeSandbox):
    """A sandbox that also says what it is."""

    def prepare(self, scenarios: int) -> None:
        pass

    def info(self) -> dict[str, Any]:
        return {"image_id": "sha256:fake"}


def evaluate(folder: Path, sandbox: Fake, home: Path | None = None, **changes: Any) -> FolderResult:
    """Evaluate the policies beneath ``folder`` with a fake sandbox and without waits."""

    @contextmanager
    def trials(_: Machinery) -> Iterator[Trials]:
        yield sandbox

    config = FolderConfig(
        folder=folder / "policies",
        suite=str(write_suite(folder)),
        split="train",
        baselines=("naive",),
        **changes,
    )
    return evaluate_folder(
        config, home or folder / "home", open_trials=trials, around=lambda hop, label, call: call()
    )


def write(folder: Path, **latencies: int) -> None:
    """Put policies into the folder beneath ``folder``."""
    (folder / "policies").mkdir(exist_ok=True)
    for name, latency in latencies.items():
        (folder / "policies" / f"{name}.py").write_text(f"latency = {latency} # {name}\n")
