"""What is shown of long work: a bar on a terminal, elsewhere a line every few seconds.

Both go to standard error, and work that ends soon shows nothing. Ctrl-C takes the bar away. What
prints lines of its own, as a search does, is only helped where it would be silent for long.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from flows.cli.errors import say
from flows.clock import SystemClock, time_text
from flows.untrusted import for_log

if TYPE_CHECKING:
    from rich.table import Table

EVERY_SECONDS = 5.0
"""Between two lines about one piece of work."""
SILENCE_SECONDS = 30.0
"""Without a line of its own, after which a search says what it does."""
BAR_AFTER_SECONDS = 0.5
DRAWN_EVERY_SECONDS = 0.25
BAR_WIDTH = 30
VARIABLE = "ASSAY_PROGRESS"
"""Set to ``no`` it turns lines and bars of this module off, for logs that want none."""
FDS, FDINFO = Path("/proc/self/fd"), Path("/proc/self/fdinfo")

Told = Callable[[str, int, int], None]
"""Takes what goes on, how much of it is done, and how much there is; 0 is an unknown amount."""


@contextmanager
def working(what: str, files: Sequence[Path] = ()) -> Iterator[Told]:
    """Show what goes on inside the ``with`` block, and how far it is, until the block ends.

    The block says more by calling what it is given; beside that, how much of ``files``, which it
    reads one after the other, has been read is seen from outside.
    """
    work = _Work(what, files)
    with _beside(work.show, work.over.set):
        yield work.told


@contextmanager
def breaking_silence(words: Callable[[], str]) -> Iterator[Callable[[], None]]:
    """Say what goes on inside the ``with`` block whenever the block was silent for long.

    ``words`` returns what goes on. The block calls what it is given with each line of its own.
    """
    silence = _Silence(words)
    with _beside(silence.keep, silence.end):
        yield silence.broken


@contextmanager
def _beside(show: Callable[[], None], end: Callable[[], None]) -> Iterator[None]:
    """Let a thread ``show`` something beside the block, until ``end`` is called after it."""
    if os.environ.get(VARIABLE) == "no":
        yield
        return
    shown = Thread(target=show, name="progress", daemon=True)
    shown.start()
    try:
        yield
    finally:
        end()
        shown.join()


def bar(words: str, done: int, total: int, after: str = "") -> "Table":
    """Return one line with a bar between two texts; it has no end where ``total`` is 0."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    drawn = ProgressBar(total=total or None, completed=done, width=BAR_WIDTH, pulse=not total)
    row = Table.grid(padding=(0, 1))
    row.add_row(Text(for_log(words), no_wrap=True), drawn, Text(after, style="dim", no_wrap=True))
    return row


def bytes_read(files: Sequence[Path]) -> tuple[int, int] | None:
    """Return how many bytes of ``files`` were read and how many they have, as this process reads.

    It reads them in their order, so those before the one that is open are done. None where none is.
    """
    sizes = [path.stat().st_size if path.is_file() else 0 for path in files]
    places = {os.path.realpath(path): place for place, path in enumerate(files)}
    for opened in FDS.iterdir():
        with suppress(OSError, KeyError):  # it may be closed by now, and is often another file
            place = places[str(opened.readlink())]
            position = int((FDINFO / opened.name).read_text(encoding="ascii").split()[1])
            return sum(sizes[:place]) + position, sum(sizes)
    return None


class _Work:
    """What one piece of work says of itself, and the thread's way to show it."""

    def __init__(self, what: str, files: Sequence[Path]) -> None:
        self._step = (what, 0, 0)
        self._files = files
        self._clock = SystemClock()
        self._since = self._clock.seconds()
        self.over = Event()

    def told(self, what: str, done: int = 0, total: int = 0) -> None:
        """Take in how far the work is."""
        self._step = (what, done, total)

    def show(self) -> None:
        """Show the work until it is over."""
        with suppress(OSError):  # nobody reads standard error any more
            if _draws():
                if not self.over.wait(BAR_AFTER_SECONDS):
                    self._draw()
                return
            while not self.over.wait(EVERY_SECONDS):
                say(f"assay: {self._line()}")

    def _draw(self) -> None:
        from rich.console import Console
        from rich.live import Live

        # Lines that the work prints meanwhile come above the bar, if they go to the same place.
        with Live(
            console=Console(stderr=True, highlight=False),
            auto_refresh=False,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
        ) as live:
            while True:
                live.update(bar(*self._now(), self._seconds()), refresh=True)
                if self.over.wait(DRAWN_EVERY_SECONDS):
                    return

    def _line(self) -> str:
        words, _, _ = self._now()
        return for_log(f"{words}, {self._seconds()}")

    def _now(self) -> tuple[str, int, int]:
        """Return what goes on and how far in words, and both amounts."""
        what, done, total = self._step
        if total:
            return f"{what}: {done} of {total}", done, total
        read = bytes_read(self._files)
        if read is None:
            return what, 0, 0
        done, total = read
        return f"{what}: {done / 1e6:.0f} of {total / 1e6:.0f} MB read", done, total

    def _seconds(self) -> str:
        return time_text(self._clock.seconds() - self._since)


class _Silence:
    """A thread's way to break it, as long as nobody else does."""

    def __init__(self, words: Callable[[], str]) -> None:
        self._words = words
        self._broken = Event()
        self._over = False

    def broken(self) -> None:
        """Take in that a line was printed."""
        self._broken.set()

    def end(self) -> None:
        """Say no more."""
        self._over = True
        self._broken.set()

    def keep(self) -> None:
        """Say what goes on each time that nobody else said anything for a while."""
        with suppress(OSError):  # nobody reads standard error any more
            while not self._over:
                if self._broken.wait(SILENCE_SECONDS):
                    self._broken.clear()
                else:
                    say(f"assay: {for_log(self._words())}")


def _draws() -> bool:
    """Return whether standard error is a terminal that can move its cursor."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
