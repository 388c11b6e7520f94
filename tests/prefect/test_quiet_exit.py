"""A process that ran a flow ends without a word of what libraries hold at the end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.prefect_machine import ROOT, Machine

pytestmark = [pytest.mark.prefect, pytest.mark.nightly, pytest.mark.timeout(600)]
FLOW = "from flows.orchestration.prefect_flows import maintain; maintain()"


def test_nothing_is_said_to_leak_when_the_process_of_a_flow_ends(
    server: Machine, home: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FLOW],
        cwd=ROOT,
        env={**os.environ, **server.environment, "ASSAY_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Finished in state Completed()" in said
    assert "leak" not in said
    assert said.rstrip().endswith("Finished in state Completed()")
