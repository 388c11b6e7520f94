"""Which process works on which policy of a folder: locks that end with their process."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from io import TextIOWrapper
from pathlib import Path

from flows.home import make_folder

DONE, BEGUN = "done", "begun"


class Claim(Enum):
    """The result of a claim on a piece of work."""

    FRESH = "fresh"
    """It is ours, and no process started it before."""
    LEFT = "left"
    """It is ours; a process started it and died. Look up what it recorded."""
    DONE = "done"
    TAKEN = "taken"
    """Another process works on it."""


class Claims:
    """Claims in one folder; processes on several machines may share it if they share its locks."""

    def __init__(self, folder: Path) -> None:
        self._folder = make_folder(folder)

    def number(self, pieces: Sequence[str], known: Mapping[str, int]) -> dict[str, int]:
        """Return a number above 0 for each piece: the known one, the noted one, or the next."""
        path = self._folder / "numbers"
        with self._open("numbers.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = json.loads(path.read_text("ascii") or "{}") if path.exists() else {}
            noted: dict[str, int] = {**before, **known}
            fresh = [piece for piece in dict.fromkeys(pieces) if piece not in noted]
            first = max(noted.values(), default=0) + 1
            noted |= {piece: first + place for place, piece in enumerate(fresh)}
            draft = path.with_suffix(".new")
            draft.write_text(json.dumps(noted), "ascii")
            draft.replace(path)  # a kill leaves either the old or the new notes, complete
        return {piece: noted[piece] for piece in pieces}

    @contextmanager
    def claim(self, piece: str, *, wait: bool) -> Iterator[Claim]:
        """Hold a piece of work while the block runs, unless it is done or another has it."""
        with self._open(piece) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield Claim.TAKEN
                return
            noted = file.read()
            if noted == DONE:
                yield Claim.DONE
                return
            _rewrite(file, BEGUN)
            yield Claim.LEFT if noted else Claim.FRESH

    def done(self, piece: str) -> None:
        """Note that a piece that is held is recorded."""
        with self._open(piece) as file:
            _rewrite(file, DONE)

    def _open(self, name: str) -> TextIOWrapper:
        descriptor = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        return os.fdopen(descriptor, "r+", encoding="ascii")


def _rewrite(file: TextIOWrapper, text: str) -> None:
    file.seek(0)
    file.write(text)
    file.truncate()
    file.flush()
