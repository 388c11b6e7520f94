"""What a name stands for in a comparison: a file, the library, a candidate, an experiment."""

from pathlib import Path

import pytest

from flows.errors import UserError
from flows.names import spoken
from flows.policies import find_contender, find_contenders, read_policy
from simulator.domains.pipelines.library import PIPELINES, policy_source
from tests.support.history_rows import candidate, experiment, remember

FIRST, SECOND = "a1b2c3" + "0" * 58, "a1b2ff" + "0" * 58


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home folder with a search that promoted its second attempt."""
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / ".assay"))
    monkeypatch.chdir(tmp_path)
    remember(
        tmp_path / ".assay",
        [
            experiment(experiment_id="night-1234", name="night"),
            candidate(experiment_id="night-1234", iteration=0, candidate="ba5e", improved=True),
            candidate(
                experiment_id="night-1234",
                iteration=1,
                candidate=FIRST,
                source="first = 1\n",
                improved=True,
            ),
            candidate(
                experiment_id="night-1234", iteration=2, candidate=SECOND, source="second = 2\n"
            ),
            candidate(experiment_id="night-1234", iteration=3, candidate=None, source=None),
        ],
        "night-1234",
    )
    return tmp_path


def test_a_file_goes_before_the_library_and_is_not_taken_for_it(home: Path) -> None:
    (home / "naive").write_text("mine = 1\n", encoding="utf-8")

    found = find_contender("naive", PIPELINES)

    assert (found.label, found.text.source, found.baseline) == ("./naive", "mine = 1\n", False)


def test_a_folder_does_not_go_before_the_library(home: Path) -> None:
    (home / "naive").mkdir()
    (home / "other").mkdir()

    assert find_contender("naive", PIPELINES).baseline
    assert read_policy("naive", PIPELINES).source == policy_source("naive")
    with pytest.raises(UserError, match="other is a directory"):
        find_contender("other", PIPELINES)


def test_a_library_policy_is_a_baseline_however_it_is_spelled(home: Path) -> None:
    found = find_contender("priority_pool", PIPELINES)

    assert (found.label, found.baseline) == ("priority-pool", True)
    assert found.text.source == policy_source("priority-pool")


def test_the_beginning_of_a_sha256_is_enough(home: Path) -> None:
    found = find_contender("a1b2c", PIPELINES)

    assert (found.label, found.text.source) == (FIRST[:8], "first = 1\n")


def test_the_name_that_reports_call_a_candidate_is_enough(home: Path) -> None:
    found = find_contender(spoken(SECOND), PIPELINES)

    assert (found.label, found.text.source) == (spoken(SECOND), "second = 2\n")


def test_a_beginning_of_several_candidates_is_refused(home: Path) -> None:
    with pytest.raises(UserError, match=r"a1b2 begins 2 candidates .* give more characters"):
        find_contender("a1b2", PIPELINES)


def test_an_experiment_stands_for_what_it_promoted_last(home: Path) -> None:
    by_name, by_id = find_contender("night", PIPELINES), find_contender("night-1234", PIPELINES)

    assert by_name == by_id
    assert (by_name.label, by_name.text.source) == ("night-1234", "first = 1\n")


def test_an_unknown_name_is_answered_with_what_could_be_meant(home: Path) -> None:
    with pytest.raises(UserError, match="did you mean priority"):
        find_contender("priorty", PIPELINES)


def test_a_file_that_is_missing_is_called_missing(home: Path) -> None:
    with pytest.raises(UserError, match=r"mine\.py does not exist"):
        find_contender("mine.py", PIPELINES)


def test_policies_of_the_same_name_keep_their_paths(home: Path) -> None:
    for folder in ("a", "b"):
        (home / folder).mkdir()
        (home / folder / "best.py").write_text(f"{folder} = 1\n", encoding="utf-8")

    found = find_contenders(["a/best.py", "b/best.py", "naive"], PIPELINES)

    assert [each.label for each in found] == ["a/best.py", "b/best.py", "naive"]
