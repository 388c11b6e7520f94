"""The examples from a wrong reply to a certificate, with a model's server of our own."""

import json
import shutil
from pathlib import Path

import pytest

from tests.support import model_server as behaves
from tests.support.in_process import command_at
from tests.support.model_server import ModelServer
from tests.support.systems import NAMES, SYSTEMS, system

ORDER = ("wrong", "malformed", "hostile", "memorised", "almost", "right")
FEW_MUTANTS = "mutants = 3\n"

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1800)]


def replies_of(name: str) -> list[str]:
    """Return the replies that were written by hand, the right one last."""
    folder = SYSTEMS / name / "replies"
    found = [folder / f"{kind}.md" for kind in ORDER]
    return [path.read_text(encoding="utf-8") for path in found if path.is_file()]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_is_told_what_is_shown_ends_with_a_certificate(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assay = command_at(tmp_path / "home", monkeypatch, capsys)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    folder = Path(shutil.copytree(SYSTEMS / name, tmp_path / name))
    laws = folder / "laws.toml"
    laws.write_text(FEW_MUTANTS + laws.read_text())

    with ModelServer(*map(behaves.says, replies_of(name))) as server:
        asked = ("--proposer", "openai", "--model", "any", "--base-url", server.url)
        limits = ("--candidates", "12", "--set", "limits.policy_cpu_seconds=20")
        done = assay("bootstrap", name, "--direct", "--cell", "process", *limits, *asked)
        told = " ".join(json.dumps(request.body) for request in server.requests)

    assert done.code == 0, done.err + done.out
    assert f"certificate: {name}/certificate.json" in done.out
    for check in system(name).checks:
        if check.split != "shown" and check.kind != "random":
            assert check.name not in told
    assert (folder / "simulator.py").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_without_a_model_parts_are_put_together_until_one_has_a_certificate(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assay = command_at(tmp_path / "home", monkeypatch, capsys)
    monkeypatch.chdir(tmp_path)
    folder = Path(shutil.copytree(SYSTEMS / name, tmp_path / name))
    laws = folder / "laws.toml"
    laws.write_text(FEW_MUTANTS + laws.read_text())

    done = assay("bootstrap", name, "--direct", "--cell", "process", "--candidates", "200")

    assert done.code == 0, done.err + done.out
    assert f"certificate: {name}/certificate.json" in done.out
    assert "Put together from parts." in (folder / "simulator.py").read_text()
