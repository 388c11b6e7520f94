"""What a machine does every hour to keep itself in order."""

from pathlib import Path

import pytest

from flows.history.journal import Journal
from flows.home import published_path
from tests.support.command import NO_ENGINE
from tests.support.history_rows import experiment


def test_a_machine_without_an_engine_still_brings_its_history_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.orchestration.prefect_flows import tidy

    monkeypatch.setenv("DOCKER_HOST", NO_ENGINE)
    with Journal(tmp_path, "night") as journal:
        journal.append(experiment(experiment_id="night"))

    told = tidy(tmp_path)

    assert "no cells were looked for" in told and "1 rows ingested" in told
    assert published_path(tmp_path).is_file()
