"""``assay doctor`` and ``assay reap``: the machine on which cells run."""

import json

from flows.cli.errors import NO_SANDBOX, say
from flows.cli.terminal import print_line, print_table
from flows.errors import UserError
from flows.untrusted import counted
from sandbox.doctor import examine
from sandbox.limits import Limits
from sandbox.process_cells import ProcessCells
from sandbox.provider import DOCKER
from sandbox.reaper import reap


def examine_machine(as_json: bool, cell: str, runtime: str | None) -> int:
    """Print every check; return 0 only if all of them are well."""
    if runtime is not None and cell != DOCKER:
        raise UserError(f"--runtime {runtime} is for --cell docker: leave one of them out")
    report = examine(cell=cell, runtime=runtime)
    if as_json:
        print_line(json.dumps(report.to_mapping()))
        return 0 if report.ok else NO_SANDBOX
    rows = [("ok" if check.ok else "FAILED", check.name, check.detail) for check in report.checks]
    print_table("the sandbox of this machine", ("", "check", "found"), rows)
    for check in report.checks:
        if not check.ok and check.remedy:
            print_line(f"{check.name}: {check.remedy}")
    print_line(
        "untrusted policies are contained here"
        if report.ok
        else "do not run untrusted policies here: see the failed checks above"
    )
    return 0 if report.ok else NO_SANDBOX


def reap_cells(everything: bool) -> int:
    """Remove stray cells and print how many there were."""
    reaped = reap(everything=everything)
    for each in reaped.skipped:
        say(f"assay: {each}")
    print_line(f"removed {counted(len(reaped.removed), 'stray cell')}")
    return 0


def check_cell(kind: str) -> None:
    """Refuse an embedded cell where the machine has none; warn of what every one of them lacks."""
    if kind == DOCKER:
        return
    setting = ProcessCells(Limits()).open()
    lacking = "; ".join(setting.warnings)
    say(f"assay: WARNING: policies run without a container, as {setting.isolation}: {lacking}")
