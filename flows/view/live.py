"""Tells open pages that the history has changed: a line for each change, over one connection.

A mark stands for what the journals hold, and for which searches have a living process: one that is
killed writes nothing. A page carries the mark of what it shows, and asks for itself again when it
hears another one.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import monotonic

from flows.errors import UserError
from flows.history.journal import journal_files
from flows.history.store import refreshed
from flows.home import is_held

POLL_SECONDS = 1.0
"""Between two looks at the journals and the locks, while a page is open."""
REST = 4.0
"""Bringing the history up to date may take one part in so many of the time."""
HEARTBEAT_SECONDS = 15.0
"""After which a listener is told that nothing has changed; one that has left is noticed then."""
MOST_LISTENERS = 32
"""Pages that are told at the same time; others are asked to come again."""
WAIT_SECONDS = 1.0
"""For another process that brings the history up to date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What tells one state of the history from another, without a look into the database."""

    sizes: Mapping[str, int]
    """Bytes of each journal."""
    at_work: frozenset[str]
    """Experiments whose lock a living process holds."""

    def mark(self, experiment: str | None = None) -> str:
        """Return the mark of all experiments, or of one."""
        digest = sha256()
        for name in sorted(self.sizes):
            if experiment in (None, name.rsplit(".", 3)[0]):
                digest.update(_bytes(f"{len(name)} {name} {self.sizes[name]}\n"))
        for name in sorted(self.at_work):
            if experiment in (None, name):
                digest.update(_bytes(f"{len(name)} {name}\n"))
        return digest.hexdigest()[:16]


def look(home: Path) -> Seen:
    """Return how the history and its searches are now."""
    sizes, at_work = {}, set[str]()
    for path in journal_files(home):
        with suppress(OSError):  # it was moved away a moment ago
            sizes[path.name] = path.stat().st_size
    for lock in home.glob("experiments/*/lock"):
        with suppress(OSError, ValueError):
            if is_held(lock):
                at_work.add(lock.parent.name)
    return Seen(sizes=sizes, at_work=frozenset(at_work))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


class Changes:
    """Looks at journals and locks while anybody listens, and brings the history up to date."""

    def __init__(self, home: Path, *, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self._home = home
        self._heartbeat = heartbeat
        self._seen = look(home)
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
            mark = self._seen.mark(experiment)
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
            seen = await asyncio.to_thread(look, self._home)
            if seen != self._seen:
                if seen.sizes != self._seen.sizes:
                    with suppress(UserError):  # the page that asks next says it
                        await asyncio.to_thread(refreshed, self._home, WAIT_SECONDS)
                self._seen = seen
                self._wake()
            await asyncio.sleep(max(POLL_SECONDS, REST * (monotonic() - began)))
