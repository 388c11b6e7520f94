"""Runs the command line as a user does: another process, a home folder of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

from tests.support.warm import folder_with_assay

NO_ENGINE = "unix:///nonexistent/docker.sock"


def assay(
    *arguments: str | Path,
    home: Path,
    timeout: float = 280,
    stdout: int | IO[str] = subprocess.PIPE,
    folder: Path | None = None,
    before: tuple[str, ...] = (),
    programs: Path | None = None,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Return what ``assay ARGUMENTS`` did; no key and no Prefect server is inherited.

    ``before`` is what starts it, with limits for instance; it then is an interpreter of its own.
    ``programs`` is the folder of another ``assay`` that starts at once, such as a server's.
    """
    real = (*before, sys.executable, "-m", "flows.cli")
    program = real if before else (str((programs or folder_with_assay()) / "assay"),)
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT_", "OPENAI_", "ASSAY_"))
    }
    return subprocess.run(
        [*program, *map(str, arguments)],
        cwd=folder,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        env={**inherited, "ASSAY_HOME": str(home), "ASSAY_PROGRESS": "no", **environment},
        check=False,
    )
