"""Completion in the shell: scripts for three shells, and names where names are wanted."""

import subprocess
from pathlib import Path

import pytest

from tests.support.command import assay


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(tmp_path: Path, shell: str) -> None:
    done = assay("completion", shell, home=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert "_ASSAY_COMPLETE" in done.stdout
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=True)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("assay run --suite mi", ["mixed"]),
        ("assay run --baseline right", ["right-size"]),
        ("assay run --replay sea", ["search-1a2b3c4d", "search-2b3c4d5e"]),
        ("assay report demo", ["demo-3c4d5e6f"]),
        ("assay run --strategy b", ["best_of_n"]),
        ("assay comp", ["compare", "completion"]),
    ],
)
def test_names_are_offered(tmp_path: Path, words: str, offered: list[str]) -> None:
    for name in ("search-1a2b3c4d", "search-2b3c4d5e", "demo-3c4d5e6f"):
        (tmp_path / "experiments" / name).mkdir(parents=True)

    assert completed(tmp_path, words) == offered


def test_files_are_offered_beside_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").touch()
    (tmp_path / "mine.txt").touch()

    assert completed(tmp_path, "assay run --suite mi") == ["mixed", "mine.toml"]


def completed(home: Path, words: str) -> list[str]:
    """What bash is offered at the end of ``words``."""
    done = assay(
        home=home,
        _ASSAY_COMPLETE="bash_complete",
        COMP_WORDS=words,
        COMP_CWORD=str(len(words.split()) - 1),
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines()]
