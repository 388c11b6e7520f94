"""A search that is started, watched and killed from outside, as often as a test likes."""

import time
from contextlib import suppress
from pathlib import Path

from flows.history.journal import journal_files
from tests.support.zygote import Zygote

SEARCH = "from flows.cli.main import main; import sys; main(sys.argv[1:])"


class Search:
    """The same search again and again: ``assay run --direct`` on a home folder of its own."""

    def __init__(self, zygote: Zygote, home: Path, *arguments: object) -> None:
        self.zygote, self.home = zygote, home
        self.arguments = ("run", "--direct", "--quiet", *arguments)
        home.mkdir(exist_ok=True)

    def start(self) -> None:
        self.zygote.start(
            SEARCH, *self.arguments, output=self.home / "output", ASSAY_HOME=str(self.home)
        )

    def finish(self) -> None:
        self.start()
        assert self.zygote.wait() == 0, (self.home / "output").read_text()

    def ends_within(self, lines: int, seconds: float) -> bool:
        """Wait until so many lines more are recorded and then so long; tell whether it ended."""
        goal = self.lines() + lines
        while self.lines() < goal and self.is_alive():
            time.sleep(0.002)
        due = time.monotonic() + seconds
        while time.monotonic() < due and self.is_alive():
            time.sleep(0.002)
        return not self.is_alive()

    def lines(self) -> int:
        """How many lines its journals have."""
        return sum(path.read_bytes().count(b"\n") for path in journal_files(self.home))

    def is_alive(self) -> bool:
        """Whether the program runs; one that ended waits for its exit code to be asked for."""
        try:
            return Path(f"/proc/{self.zygote.pid}/stat").read_text().split(") ")[1][0] != "Z"
        except FileNotFoundError:
            return False

    def cells(self) -> list[int]:
        """Process ids of the cells that stand ready or try something."""
        found: list[int] = []
        for children in Path(f"/proc/{self.zygote.pid}/task").glob("*/children"):
            with suppress(FileNotFoundError, ProcessLookupError):  # that thread has just ended
                found += map(int, children.read_text().split())
        return found
