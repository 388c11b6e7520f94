"""``assay init``: a folder to begin in, with a commented configuration and a policy to change."""

import os
from pathlib import Path
from shlex import quote

from flows.cli.terminal import print_line
from flows.errors import UserError
from flows.settings.page import config_toml

CONFIG, POLICY = "assay.toml", "my_policy.py"
STARTER = Path(__file__).resolve().parent / "starter" / "my_policy.txt"


def init_folder(folder: Path) -> int:
    """Write both files into ``folder``; refuse to overwrite anything."""
    contents = {CONFIG: config_toml(), POLICY: starter_policy()}
    there = [name for name in contents if os.path.lexists(folder / name)]
    if there:
        raise UserError(
            f"{' and '.join(str(folder / name) for name in there)} would be overwritten: move "
            "away what is there, or name another folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in contents.items():
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise UserError(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    print_line(f"{folder / CONFIG}: the configuration of a search, every key with its meaning")
    print_line(f"{folder / POLICY}: a policy to start from")
    config, policy = quote(str(folder / CONFIG)), quote(str(folder / POLICY))
    print_line("next:")
    print_line(f"  assay evaluate {policy}")
    print_line(f"  assay compare {policy} priority")
    print_line(f"  assay run --config {config}")
    return 0


def starter_policy() -> str:
    """Return a policy to start from, short enough to read and better than naive."""
    return STARTER.read_text(encoding="utf-8")
