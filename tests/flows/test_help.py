"""Help: every command has some, with an example that its own options accept, and it comes fast."""

import re
import resource
import shlex
import subprocess
import sys
from collections.abc import Callable
from typing import Any, get_args

import click
import pytest

from flows.cli.main import assay
from flows.settings.search import SearchConfig
from flows.settings.sections import CellKind, FeedbackConfig
from tests.support import command

COLUMNS = 80
LEAST_OF = 3
SECONDS = 0.5
TIMES_A_START = 4
"""On a slow machine help may take as many times what it takes there only to import click."""


def commands(group: click.Group, *path: str) -> dict[str, click.Command]:
    """Every command by what one types, groups left out."""
    found: dict[str, click.Command] = {}
    for name, each in group.commands.items():
        words = (*path, name)
        found |= (
            commands(each, *words) if isinstance(each, click.Group) else {" ".join(words): each}
        )
    return found


def groups(group: click.Group) -> list[str]:
    """The groups of commands by what one types."""
    return [name for name, each in group.commands.items() if isinstance(each, click.Group)]


def test_the_choices_of_options_are_those_of_the_configuration() -> None:
    """The commands repeat them, as help must not wait for the models of the configuration."""
    chosen = {
        option: tuple(each.type.choices)
        for command_ in commands(assay).values()
        for each in command_.params
        for option in each.opts
        if isinstance(each.type, click.Choice)
    }
    known: dict[str, Any] = {
        "--cell": CellKind,
        "--strategy": SearchConfig.model_fields["strategy"].annotation,
        "--feedback": FeedbackConfig.model_fields["show"].annotation,
    }

    assert {option: chosen[option] for option in known} == {
        option: get_args(kinds) for option, kinds in known.items()
    }


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


@pytest.mark.parametrize("words", ["", *groups(assay), *commands(assay)])
def test_help_fits_a_terminal_and_cuts_no_sentence_short(words: str) -> None:
    each: click.Command = assay
    context = click.Context(each, info_name="assay", terminal_width=COLUMNS)
    for word in words.split():
        assert isinstance(each, click.Group)
        each = each.commands[word]
        context = click.Context(each, parent=context, info_name=word, terminal_width=COLUMNS)

    usage, *lines = each.get_help(context).splitlines()

    assert usage.startswith("Usage: assay")
    assert [line for line in lines if len(line) > COLUMNS or line.endswith("...")] == []


SENTENCE = re.compile(r"[A-Z*a-z][^[]*\.(  \[default: .+\])?", re.DOTALL)
"""What an option's help is: a sentence, and then a default that it does not get from click."""


def test_every_option_says_in_a_sentence_what_it_is_for_and_a_number_its_unit() -> None:
    options = [
        (f"{name} {each.opts[0]}", each)
        for name, command_ in commands(assay).items()
        for each in command_.params
        if isinstance(each, click.Option)
    ]

    assert [name for name, each in options if not SENTENCE.fullmatch(each.help or "")] == []
    numbers = (click.types.IntParamType, click.types.FloatParamType)
    assert [
        name for name, each in options if isinstance(each.type, numbers) and not each.metavar
    ] == []


def test_every_command_ends_with_its_exit_codes_and_names_what_it_takes() -> None:
    silent = []
    for name, each in commands(assay).items():
        assert re.fullmatch(r"Exit codes: 0 done, .*130 interrupted\.", each.epilog or ""), name
        for argument in each.params:
            words = (argument.metavar or argument.name or "").upper().lstrip("[")
            if isinstance(argument, click.Argument) and words not in (each.help or "").upper():
                first = re.split(r"[^A-Z]", words)[0]
                silent += [f"{name} {words}"] if first not in (each.help or "").upper() else []
    assert silent == []


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]])
def test_help_and_version_come_at_once(
    tmp_path_factory: pytest.TempPathFactory, arguments: list[str]
) -> None:
    home = tmp_path_factory.mktemp("home")
    start = [sys.executable, "-c", "import click"]

    least = _least_seconds(lambda: command.assay(*arguments, home=home))
    slow = TIMES_A_START * _least_seconds(lambda: subprocess.run(start))

    assert least < max(SECONDS, slow)


def _least_seconds(run: Callable[[], "subprocess.CompletedProcess[Any]"]) -> float:
    """CPU seconds of a process that ends well, which a busy machine changes little."""
    taken = []
    for _ in range(LEAST_OF):
        before = _seconds_of_children()
        assert run().returncode == 0
        taken.append(_seconds_of_children() - before)
    return min(taken)


def _seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
