"""What the options of several commands take."""

from pathlib import Path

import click

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
SPLITS = click.Choice(["train", "validation", "test"])
CALLS = click.Choice(["every_tick", "on_change"])
CELLS = click.Choice(["docker", "process"])
