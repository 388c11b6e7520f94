"""Finds the experiment that is to be replayed, its rows and its settings."""

from pathlib import Path
from typing import Any

from flows.errors import ConfigError
from flows.history.journal import journal_files, read_rows
from flows.history.records import CandidateRow, ExperimentRow, Row
from flows.settings.sources import NOT_IN_DOTENV

LONGEST_NAME = 50


def recorded_rows(home: Path, wanted: str) -> list[Row]:
    """Return the rows of the experiment with this id or name; refuse what cannot be replayed."""
    found = _found(home, wanted)
    if len(found) > 1:
        raise ConfigError(
            f"proposer.replay_of: {len(found)} experiments are called {wanted!r}: give one of the "
            f"ids {', '.join(found)}"
        )
    return _rows(home, found[0])


def recorded_settings(home: Path, wanted: str) -> dict[str, Any]:
    """Return the settings of an experiment by their dotted keys, with replay as the proposer.

    Where policies run is left out: a history that came with a folder does not decide it.

    Of several experiments with one name it is the newest; the settings name it by its id.
    """
    rows = _rows(home, _found(home, wanted)[-1])
    experiment = next(row for row in rows if isinstance(row, ExperimentRow))
    settings: dict[str, Any] = {}
    for name, value in experiment.config.items():
        if name in NOT_IN_DOTENV:
            continue
        if not isinstance(value, dict):
            settings[name] = value
        elif name != "proposer":
            settings |= {f"{name}.{key}": inner for key, inner in value.items()}
    return {
        **settings,
        "name": f"{experiment.name[:LONGEST_NAME]} replay",
        "proposer.kind": "replay",
        "proposer.replay_of": experiment.experiment_id,
    }


def _found(home: Path, wanted: str) -> list[str]:
    """Return the ids that an id or a name stands for, in the order in which they were begun."""
    known = list(dict.fromkeys(path.name.rsplit(".", 3)[0] for path in journal_files(home)))
    found = [wanted] if wanted in known else [each for each in known if _name(each) == wanted]
    if not found:
        recorded = ", ".join(known) or "none"
        raise ConfigError(
            f"proposer.replay_of: no experiment {wanted!r} is recorded in {home}; recorded: "
            f"{recorded}"
        )
    return found


def _rows(home: Path, experiment_id: str) -> list[Row]:
    rows = list(read_rows(home, experiment_id))
    if not any(isinstance(row, CandidateRow) and row.iteration > 0 for row in rows):
        raise ConfigError(
            f"proposer.replay_of: {experiment_id} holds no attempt that could be replayed: choose "
            "an experiment that tried candidates"
        )
    return rows


def _name(experiment_id: str) -> str:
    """Return the name in an id, which ends in a hash."""
    return experiment_id.rpartition("-")[0]
