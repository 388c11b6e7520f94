"""Which kind of cell a command asks for; nothing weaker than asked for is ever used."""

from flows.cli.errors import say
from sandbox.limits import Limits
from sandbox.process_cells import ProcessCells
from sandbox.provider import DOCKER


def check_cell(kind: str) -> None:
    """Refuse an embedded cell where none can be had, and say loudly what any of them lacks."""
    if kind == DOCKER:
        return
    setting = ProcessCells(Limits()).open()
    lacking = "; ".join(setting.warnings)
    say(f"assay: WARNING: policies run without a container, as {setting.isolation}: {lacking}")
