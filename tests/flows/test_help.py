"""Help: every command has some, with an example that its own options accept, and it comes fast."""

import re
import resource
import shlex

import click
import pytest

from flows.cli import assay
from tests.support import command

LEAST_OF = 3
SECONDS = 0.5


def commands(group: click.Group, *path: str) -> dict[str, click.Command]:
    """Every command by what one types, groups left out."""
    found: dict[str, click.Command] = {}
    for name, each in group.commands.items():
        words = (*path, name)
        found |= (
            commands(each, *words) if isinstance(each, click.Group) else {" ".join(words): each}
        )
    return found


@pytest.mark.parametrize("name", commands(assay))
def test_every_command_shows_an_example_that_it_accepts(name: str) -> None:
    each = commands(assay)[name]

    examples = [
        re.split(r"   | [|>] ", line.strip())[0]
        for line in (each.help or "").splitlines()
        if line.strip().startswith(f"assay {name}")
    ]

    assert examples, f"assay {name} has no example"
    for example in examples:
        arguments = shlex.split(example)[1 + len(name.split()) :]
        each.make_context(name, arguments, resilient_parsing=False)


@pytest.mark.parametrize("name", commands(assay))
def test_every_option_says_what_it_is_for(name: str) -> None:
    options = [each for each in commands(assay)[name].params if isinstance(each, click.Option)]

    silent = [each.name for each in options if not each.help and each.name not in ("style",)]
    assert silent == []


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]])
def test_help_and_version_come_at_once(
    tmp_path_factory: pytest.TempPathFactory, arguments: list[str]
) -> None:
    home = tmp_path_factory.mktemp("home")
    taken = []
    for _ in range(LEAST_OF):
        before = _seconds_of_children()
        assert command.assay(*arguments, home=home).returncode == 0
        taken.append(_seconds_of_children() - before)

    assert min(taken) < SECONDS


def _seconds_of_children() -> float:
    """CPU seconds of the processes that ended, which a busy machine changes little."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
