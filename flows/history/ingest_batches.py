"""Cuts what is new in the journals into batches, each of which goes into the database whole."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.history.journal import JournalLine, complete_lines, journal_files
from flows.history.journal_lines import JOURNAL_VERSION, Recorded, Unreadable
from flows.history.records import ROW_KINDS

BATCH_BYTES = 32 * 1024 * 1024
BATCH_LINES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedLine:
    """A complete line that gave no row; it stays in its journal."""

    journal_file: str
    start_byte: int
    byte_count: int
    reason: str

    def __str__(self) -> str:
        return f"{self.journal_file}, byte {self.start_byte}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A recorded row and the journal that holds it."""

    found: Recorded
    journal_file: str

    @property
    def order(self) -> tuple[Any, ...]:
        """Of two rows with the same key the one with the higher order counts, in any read order."""
        return (self.found.recorded_at, self.journal_file)


@dataclass(slots=True, kw_only=True)
class Batch:
    """Rows by table and key, each key once, and how far the files were read for them."""

    rows: dict[str, dict[tuple[Any, ...], Located]] = field(default_factory=dict)
    skipped: list[SkippedLine] = field(default_factory=list)
    read_bytes: dict[str, int] = field(default_factory=dict)
    unknown_fields: set[str] = field(default_factory=set)
    lines: int = 0
    size_bytes: int = 0

    def add(self, name: str, line: JournalLine) -> None:
        """Take in one line of the named journal file."""
        self.lines += 1
        self.size_bytes += line.byte_count
        self.read_bytes[name] = line.start_byte + line.byte_count
        match line.content:
            case Recorded() as found:
                located = Located(found=found, journal_file=name)
                rows = self.rows.setdefault(found.kind.table, {})
                known = rows.get(found.key)
                if known is None or known.order <= located.order:
                    rows[found.key] = located
                self.unknown_fields |= {f"{found.kind.kind}.{f}" for f in found.unknown_fields}
            case Unreadable(reason=reason):
                self.skipped.append(
                    SkippedLine(
                        journal_file=name,
                        start_byte=line.start_byte,
                        byte_count=line.byte_count,
                        reason=reason,
                    )
                )


def new_batches(home: Path, read_bytes: Mapping[str, int]) -> Iterator[Batch]:
    """What the journals hold beyond the given positions; nothing when there is nothing new."""
    batch = Batch()
    for path in journal_files(home):
        start_byte = read_bytes.get(path.name, 0)
        size = path.stat().st_size
        if size == start_byte:
            continue
        # A file that got shorter was replaced; reading it again from the start doubles nothing.
        for line in complete_lines(path, start_byte if size > start_byte else 0):
            batch.add(path.name, line)
            if batch.size_bytes >= BATCH_BYTES or batch.lines >= BATCH_LINES:
                yield batch
                batch = Batch()
    if batch.lines:
        yield batch


def shrunken_files(home: Path, read_bytes: Mapping[str, int]) -> tuple[str, ...]:
    """Names of journal files that are shorter than what was once read from them."""
    sizes = {path.name: path.stat().st_size for path in journal_files(home)}
    return tuple(n for n, size in sizes.items() if size < read_bytes.get(n, 0))


def reader_fingerprint() -> str:
    """Which rows this version can read; when it changes, all journals are read again."""
    known = [JOURNAL_VERSION, [(kind.kind, kind.columns) for kind in ROW_KINDS]]
    return hashlib.sha256(json.dumps(known).encode("ascii")).hexdigest()
