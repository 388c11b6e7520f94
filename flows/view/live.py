"""Tells open pages that the history has changed: a line for each change, over one connection.

A mark stands for what the journals hold. A page carries the mark of what it shows, and asks for
itself again when it hears another one.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from time import monotonic

from flows.errors import UserError
from flows.history.journal import journal_files
from flows.history.store import refreshed

POLL_SECONDS = 1.0
"""Between two looks at the journals, while a page is open."""
REST = 4.0
"""Bringing the history up to date may take one part in so many of the time."""
HEARTBEAT_SECONDS = 15.0
"""After which a listener is told that nothing has changed; one that has left is noticed then."""
MOST_LISTENERS = 32
"""Pages that are told at the same time; others are asked to come again."""
WAIT_SECONDS = 1.0
"""For another process that brings the history up to date."""


def journal_sizes(home: Path) -> dict[str, int]:
    """Return how many bytes each journal holds."""
    sizes = {}
    for path in journal_files(home):
        with suppress(OSError):  # it was moved away a moment ago
            sizes[path.name] = path.stat().st_size
    return sizes


def mark_of(sizes: Mapping[str, int], experiment: str | None = None) -> str:
    """Return the mark of all journals, or of those of an experiment."""
    digest = sha256()
    for name in sorted(sizes):
        if experiment is None or name.rsplit(".", 3)[0] == experiment:
            digest.update(f"{len(name)} {name} {sizes[name]}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


class Changes:
    """Looks at the journals while anybody listens, and brings the history up to date."""

    def __init__(self, home: Path, *, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self._home = home
        self._heartbeat = heartbeat
        self._sizes = journal_sizes(home)
        self._changed = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._left = False
        self.listeners = 0

    def leave(self) -> None:
        """End what listeners are told, as the server is about to end."""
        self._left = True
        self._wake()

    async def told(self, experiment: str | None) -> AsyncIterator[str]:
        """Yield what one listener is sent: the mark now, each later one, and a sign of life."""
        last = ""
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())
        while not self._left:
            changed = self._changed
            mark = mark_of(self._sizes, experiment)
            yield ": as before\n\n" if mark == last else f"data: {mark}\n\n"
            last = mark
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), self._heartbeat)

    def _wake(self) -> None:
        before, self._changed = self._changed, asyncio.Event()
        before.set()

    async def _watch(self) -> None:
        while self.listeners and not self._left:
            began = monotonic()
            sizes = await asyncio.to_thread(journal_sizes, self._home)
            if sizes != self._sizes:
                with suppress(UserError):  # the page that asks next says it
                    await asyncio.to_thread(refreshed, self._home, WAIT_SECONDS)
                self._sizes = sizes
                self._wake()
            await asyncio.sleep(max(POLL_SECONDS, REST * (monotonic() - began)))
