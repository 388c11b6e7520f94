"""Certificates that somebody made up: whatever is in them is answered with a sentence."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.bootstrap.starter_files import write_starter
from simulator.sealed.certificate import sealed_with_hash
from tests.support.in_process import command_at

RIGHT = Path(__file__).parent / "policies" / "right.py"
WHOLE: dict[str, Any] = {
    "certificate": 1,
    "seed": 0,
    "hashes": {},
    "checks": [],
    "mutants": {},
    "calibration": None,
}
CHANGES: dict[str, dict[str, Any]] = {
    "seed: ": {"seed": "0"},
    "hashes: ": {"hashes": []},
    "hashes.laws.toml: ": {"hashes": {"laws.toml": 1}},
    "checks.0.name: ": {"checks": [{"sha256": "a"}]},
    "mutants: ": {"mutants": None},
    "mutants.pace.times: ": {"mutants": {"pace": {"times": -1, "least_cpu_seconds": 1}}},
    "calibration.parameters.overhead: ": {
        "calibration": {"parameters": {"overhead": [1]}, "held_error": {"error": 0.0}}
    },
    "has another hash": {},
}


def test_a_made_up_certificate_is_refused_with_the_key_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assay = command_at(tmp_path / "home", monkeypatch, capsys)
    folder = tmp_path / "queue"
    write_starter(folder, "queue")
    (folder / "simulator.py").write_text(RIGHT.read_text())

    for told, change in CHANGES.items():
        certificate = sealed_with_hash(WHOLE | change)
        (folder / "certificate.json").write_text(json.dumps(certificate))
        done = assay("domains", "verify", folder / "certificate.json", "--quick")

        assert done.code == 2, told
        assert told in done.out + done.err, done

    text = (folder / "certificate.json").read_text().replace('"seed": 0', '"seed": 1e999')
    (folder / "certificate.json").write_text(text)
    assert (
        "its own hash is wrong"
        in assay("domains", "verify", folder / "certificate.json", "--quick").err
    )
