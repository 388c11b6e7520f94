"""Completion in the shell: scripts for three shells, and names where names are wanted."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.command import assay
from tests.support.terminal import on_terminal
from tests.support.warm import folder_with_assay


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


BASH = """
eval "$(assay completion bash)"
COMP_WORDS=(assay run --suite mi) COMP_CWORD=3
_assay_completion assay
printf '%s\\n' "${COMPREPLY[@]}"
complete -p assay
"""
FISH = """
assay completion fish | source
complete --do-complete 'assay run --suite mi'
"""
ASKS = "\x1b[?2004h"
"""What zsh writes when it waits for a line."""
ZSH = (
    "autoload -U compinit; compinit -u -D; eval \"$(assay completion zsh)\"; PS1='ready> '\n",
    "assay run --suite mi\t",
)


@pytest.mark.parametrize(("shell", "script"), [("bash", BASH), ("fish", FISH)])
def test_a_real_shell_completes_a_name(tmp_path: Path, shell: str, script: str) -> None:
    if shutil.which(shell) is None:
        return  # docs/install.md says in which shells it was tried

    done = subprocess.run(
        [shell, "-c", script], env=of_shell(tmp_path), capture_output=True, text=True, cwd=tmp_path
    )

    assert done.stdout.split()[0] == "mixed", done.stdout + done.stderr


def test_a_real_zsh_completes_a_name_when_tab_is_pressed(tmp_path: Path) -> None:
    if shutil.which("zsh") is None:
        return
    to_type = list(ZSH)

    def answer(shown: str, shell: subprocess.Popen[bytes], keys: int) -> None:
        asked = shown.count(ASKS)
        if to_type and asked > len(ZSH) - len(to_type):
            os.write(keys, to_type.pop(0).encode())
        elif "--suite mixed" in shown:
            shell.kill()

    shown = on_terminal(["zsh", "-f", "-i"], of_shell(tmp_path), answer, (-signal.SIGKILL,))

    assert "--suite mixed" in shown


def of_shell(home: Path) -> dict[str, str]:
    path = os.pathsep.join([str(folder_with_assay()), os.environ["PATH"]])
    return {"PATH": path, "HOME": str(home), "ASSAY_HOME": str(home), "TERM": "xterm"}


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
