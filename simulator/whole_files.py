"""Writing files that are there whole or not at all, also after an interrupt."""

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from simulator.errors import InputError
from simulator.textfile import is_endless, reason_of


def write_text(path: Path, text: str, error: type[InputError]) -> None:
    """Write ``text`` as UTF-8 without touching its line ends; raise ``error`` with one line.

    The file is there whole, or as it was before, also after an interrupt.
    """
    write_texts({path: text}, error)


def write_texts(texts: Mapping[Path, str], error: type[InputError]) -> None:
    """Write several files as ``write_text`` does; all of them appear, or none."""
    drafts: dict[Path, Path] = {}
    try:
        for path, text in texts.items():
            try:
                if is_endless(path):  # such as /dev/stdout, beside which nothing is drafted
                    path.write_bytes(text.encode())
                    continue
                target = path.resolve()
                drafts[target] = target.with_name(f".{target.name}.{os.getpid()}")
                drafts[target].write_bytes(text.encode())
            except (OSError, ValueError, RuntimeError) as problem:
                raise error(f"{path}: cannot be written: {reason_of(problem)}") from None
        put_in_place(drafts, error)
    finally:
        for draft in drafts.values():
            with suppress(OSError):  # it was put in place, or could not be made
                draft.unlink()


def put_in_place(drafts: Mapping[Path, Path], error: type[InputError]) -> None:
    """Give each draft the name for which it was made; no interrupt comes between two of them."""
    with uninterrupted():
        for target, draft in drafts.items():
            try:
                draft.replace(target)
            except OSError as problem:
                raise error(f"{target}: cannot be written: {reason_of(problem)}") from None


@contextmanager
def draft_folder(beside: Path | None = None) -> Iterator[Path]:
    """Give a new hidden folder inside another, or where temporary files are; it is removed after.

    Unlike that of ``tempfile`` it is removed whole also when Ctrl-C comes meanwhile.
    """
    place = Path(tempfile.mkdtemp(dir=beside, prefix=".assay-"))
    try:
        yield place
    finally:
        with uninterrupted():
            shutil.rmtree(place, ignore_errors=True)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C and an end from outside wait for the end of the ``with`` block.

    The block must be short: it is for what would be half done otherwise.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # which signals never interrupt
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not None  # not Python's, which could not be put back
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for each in came:
            signal.raise_signal(each)
