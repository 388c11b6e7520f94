"""A folder of policies, tried once whoever tries: fakes for cells, real files for the rest."""

import os
from pathlib import Path

import pytest

from flows.errors import ConfigError, UserError
from flows.orchestration.server import check_runner
from flows.settings.sections import RunnerConfig
from sandbox.errors import CellFailed
from tests.support.folders import Fake, evaluate, write
from tests.support.histories import lines_of


def test_what_is_recorded_is_not_tried_again(tmp_path: Path) -> None:
    write(tmp_path, a=20, b=30)
    first = evaluate(tmp_path, Fake(), slots=2)
    write(tmp_path, c=25)

    second = evaluate(tmp_path, Fake())

    assert (first.tried_here, second.tried_here) == (3, 1)
    assert [row.title for row in second.candidates] == ["naive", "a.py", "b.py", "c.py"]
    assert (second.status, second.status_detail) == ("finished", "4 policies were tried")
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


def test_what_is_no_policy_is_passed_over_and_named(tmp_path: Path) -> None:
    write(tmp_path, a=20)
    policies = tmp_path / "policies"
    (policies / "away.py").symlink_to(tmp_path / "nothing")
    (policies / "folder.py").mkdir()
    (policies / ".#a.py").symlink_to("somebody@somewhere.123")  # an editor's lock
    os.mkfifo(policies / "pipe.py")

    found = evaluate(tmp_path, Fake())

    assert [row.title for row in found.candidates] == ["naive", "a.py"]
    assert [each.split("/policies/")[1].split(",")[0] for each in found.passed_over] == [
        "away.py does not exist",
        "folder.py is no regular file",
        "pipe.py is no regular file",
    ]


def test_a_folder_with_nothing_but_odd_entries_says_why_it_holds_no_policies(
    tmp_path: Path,
) -> None:
    (tmp_path / "policies" / "folder.py").mkdir(parents=True)

    with pytest.raises(UserError, match=r"holds no policies: .*folder\.py is no regular file"):
        evaluate(tmp_path, Fake())


def test_a_runner_whose_extra_is_missing_is_refused() -> None:
    check_runner(RunnerConfig(kind="threads"))
    with pytest.raises(ConfigError, match=r"'ray', which needs .* install assay\[ray\]"):
        check_runner(RunnerConfig.model_construct(kind="ray"))  # type: ignore[arg-type]
