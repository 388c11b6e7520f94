"""A command that was interrupted ends in time, also where a library waits longer."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flows.interrupts import interrupt, interrupts_put_off, with_interrupts
from tests.support.cells import ROOT

DEAF = """
import sys, time
from pathlib import Path
from flows.cli import ending
from flows.interrupts import interrupts_put_off

ending.PATIENCE_SECONDS = 0.2
with ending.Interruptible("a search", Path(sys.argv[1]), at_once=True), interrupts_put_off():
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_goes_on_after_an_interrupt_is_ended_and_says_where_it_was(
    tmp_path: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DEAF, str(tmp_path)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        said = process.stderr.read()

    [stacks] = (tmp_path / "logs").iterdir()
    assert process.returncode == 130
    assert f"not ended within 0.2 s; what it waited for is in {stacks}\n" in said
    assert "a search is interrupted, everything recorded is kept" in said
    assert 'File "<string>"' in stacks.read_text()


def test_an_interrupt_in_a_library_waits_and_one_in_a_call_of_ours_does_not() -> None:
    done: list[str] = []

    def ours() -> None:
        interrupt()
        done.append("went on")

    with pytest.raises(KeyboardInterrupt), interrupts_put_off():
        interrupt()
        done.append("the library went on")
    with pytest.raises(KeyboardInterrupt), interrupts_put_off():
        with_interrupts(ours)

    assert done == ["the library went on"]
    with interrupts_put_off():
        pass  # none is left over
