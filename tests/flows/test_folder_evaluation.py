"""A folder of policies, tried once whoever tries: fakes for cells, real files for the rest."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flows.errors import ConfigError, UserError
from flows.loop.trials import Machinery, Trials
from flows.orchestration.folder_evaluation import FolderResult, evaluate_folder
from flows.orchestration.task_runners import check_runner, make_runner
from flows.settings.trial import FolderConfig
from sandbox.errors import CellFailed
from tests.support.histories import lines_of
from tests.support.search_fakes import FakeSandbox
from tests.support.small_suite import write_suite


class Fake(FakeSandbox):
    """A sandbox that also says what it is."""

    def prepare(self, scenarios: int) -> None:
        pass

    def info(self) -> dict[str, Any]:
        return {"image_id": "sha256:fake"}


def evaluate(folder: Path, sandbox: Fake, **changes: Any) -> FolderResult:
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
        config, folder / "home", open_trials=trials, around=lambda hop, label, call: call()
    )


def write(folder: Path, **latencies: int) -> None:
    (folder / "policies").mkdir(exist_ok=True)
    for name, latency in latencies.items():
        (folder / "policies" / f"{name}.py").write_text(f"latency = {latency} # {name}\n")


def test_what_is_recorded_is_not_tried_again(tmp_path: Path) -> None:
    write(tmp_path, a=20, b=30)
    first = evaluate(tmp_path, Fake(), slots=2)
    write(tmp_path, c=25)

    second = evaluate(tmp_path, Fake())

    assert (first.tried_here, second.tried_here) == (3, 1)
    assert [row.title for row in second.candidates] == ["naive", "a.py", "b.py", "c.py"]
    assert (second.status, second.status_detail) == ("finished", "4 policies are tried")
    assert len(lines_of(tmp_path / "home", "candidate")) == 4


def test_a_policy_that_was_lost_is_made_up_for_by_the_next_run(tmp_path: Path) -> None:
    write(tmp_path, a=20)

    first = evaluate(tmp_path, Fake([CellFailed("the engine is gone")]))
    second = evaluate(tmp_path, Fake())

    assert first.status == "finished_with_losses" and "1 were lost" in first.status_detail
    assert first.lost == ("a.py: the engine is gone",)
    assert (second.status, second.lost, second.tried_here) == ("finished", (), 1)


def test_equal_sources_are_tried_once(tmp_path: Path) -> None:
    write(tmp_path, a=20)
    (tmp_path / "policies" / "copy.py").write_text("latency = 20 # a\n")

    assert len(evaluate(tmp_path, Fake()).candidates) == 2


def test_a_folder_without_policies_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a folder"):
        evaluate(tmp_path, Fake())
    (tmp_path / "policies").mkdir()
    with pytest.raises(UserError, match="holds no policies"):
        evaluate(tmp_path, Fake())


def test_a_runner_whose_extra_is_missing_is_refused(tmp_path: Path) -> None:
    ray = FolderConfig.model_validate({"folder": ".", "runner": {"kind": "ray"}}).runner
    threads = FolderConfig.model_validate({"folder": "."}).runner

    check_runner(threads)
    with pytest.raises(ConfigError, match=r"'ray', which needs .* install assay\[ray\]"):
        make_runner(ray)
