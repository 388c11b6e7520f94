"""Reading input files of any size, packed or plain, with a one-line error for whatever is wrong."""

import bz2
import csv
import gzip
import io
import lzma
import math
import re
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, cast

from simulator.errors import TraceError
from simulator.textfile import parse_json, show

MAX_LINE_CHARS = 1 << 20
MAX_JSON_BYTES = 256 << 20
MAX_NUMBER = 1e9
"""Largest run time or size in GB in a file."""
MAX_COUNT = 1e15
"""Largest number in a file that is not a run time or a size in GB: bytes, clock times, ids."""
MAX_LAYERS = 3
"""Archives inside each other, such as the two of a .tar.gz; more are refused."""
MAX_XZ_BYTES = 256 << 20
MAX_PAX_BYTES = 1 << 20
CHUNK = 1 << 16
NAMES_SHOWN = 5
ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
NOT_READ = {b"Rar!": "RAR", b"7z\xbc\xaf": "7-Zip", b"\x28\xb5\x2f\xfd": "Zstandard"}
PAX_SIZE = re.compile(rb"(?:^|\n)[0-9]{1,9} size=([0-9]{1,18})\n")
BROKEN = (
    OSError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile,
    NotImplementedError, RuntimeError, struct.error, UnicodeError, OverflowError, MemoryError,
)  # fmt: skip

Opener = Callable[[ExitStack], io.BufferedIOBase]
"""What opens the content of a file anew, for as long as the stack is open."""


@contextmanager
def open_plain(path: Path) -> Iterator[io.BufferedIOBase]:
    """Open a file for reading its bytes; .gz, .xz, .bz2, .zip and .tar are unpacked as it is read.

    Content decides how a file is packed, not its name. An archive must hold one file; that file's
    name is never used.
    """
    if path.exists() and not path.is_file():
        raise TraceError(f"{path}: is not a regular file, save the data to a file first")
    try:
        with ExitStack() as stack:
            yield _opener(path)(stack)
    except TraceError:
        raise
    except FileNotFoundError:
        raise TraceError(f"{path}: cannot be read: no such file or directory") from None
    except BROKEN as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise TraceError(f"{path}: cannot be read: {show(reason.lower())[1:-1]}") from None


def read_lines(path: Path, encoding: str = "utf-8-sig") -> Iterator[str]:
    """Yield the lines of a file with their ends, one at a time: the file may be of any size."""
    line = 0
    with open_plain(path) as plain:
        file = io.TextIOWrapper(cast(BinaryIO, plain), encoding=encoding, newline="")
        try:
            while text := file.readline(MAX_LINE_CHARS + 1):
                line += 1
                if len(text) > MAX_LINE_CHARS:
                    raise TraceError(
                        f"{path}:{line}: line of more than {MAX_LINE_CHARS} characters, expected "
                        "a text file with short lines"
                    )
                yield text
        except UnicodeDecodeError:
            raise TraceError(
                f"{path}: not UTF-8 soon after line {line}, save the file as UTF-8"
            ) from None


def read_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of each row of a CSV file that is not blank."""
    reader = csv.reader(read_lines(path))
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise TraceError(f"{path}:{reader.line_num}: not readable as CSV: {error}") from None


def read_table(
    path: Path, columns: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield place and cells of ``columns``, then of ``optional`` ones ("" where a file has none).

    The file begins with a header; its columns may stand in any order, beside others.
    """
    rows = read_rows(path)
    _, names = next(rows, (1, []))
    header = [name.strip() for name in names]
    counts = Counter(header)
    for name in columns:
        if counts[name] != 1:
            raise TraceError(
                f"{path}:1: column {name} is {'given twice' if counts[name] else 'missing'}, "
                f"expected {_listed(columns)} once each"
            )
    absent = [name for name in optional if name not in counts]
    places = {name: place for place, name in enumerate(header + absent)}
    pick = itemgetter(*(places[name] for name in (*columns, *optional)))
    blanks = [""] * len(absent)
    for line, row in rows:
        if len(row) != len(header):
            raise TraceError(
                f"{path}:{line}: {len(row)} cells, expected {len(header)} as in the header"
            )
        yield f"{path}:{line}", pick(row + blanks)


def read_object(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file, packed or plain."""
    with open_plain(path) as plain:
        data = plain.read(MAX_JSON_BYTES + 1)
    if len(data) > MAX_JSON_BYTES:
        raise TraceError(f"{path}: larger than {MAX_JSON_BYTES} bytes, expected a smaller file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise TraceError(
            f"{path}: byte {problem.start} is not UTF-8, save the file as UTF-8"
        ) from None
    return parse_json(text, str(path), TraceError)


def number(place: str, column: str, text: str, low: float = 0.0, high: float = MAX_NUMBER) -> float:
    """Return the number in a cell, ``low`` to ``high``; raise :class:`TraceError` otherwise."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high or not text.isascii() or "_" in text:
        raise TraceError(
            f"{place}: {column} is {show(text)}, expected a number from {low:g} to {high:g}"
        )
    return value


def _listed(columns: Sequence[str]) -> str:
    shown = columns if len(columns) <= 10 else (*columns[:8], "...", columns[-1])
    return ", ".join(shown)


def _opener(path: Path) -> Opener:
    """Return what opens the innermost, plain content of a file."""

    opener: Opener = lambda stack: stack.enter_context(path.open("rb"))  # noqa: E731
    for layer in range(MAX_LAYERS + 1):
        with ExitStack() as stack:
            head = opener(stack).read(tarfile.BLOCKSIZE)
        inner = _inner_opener(path, opener, head, layer)
        if inner is None:
            return opener
        opener = inner
    raise TraceError(f"{path}: packed more than {MAX_LAYERS} times, unpack it first")


def _inner_opener(path: Path, outer: Opener, head: bytes, layer: int) -> Opener | None:
    """Return what opens the content of an archive by how it begins; None if it is no archive."""
    for magic, name in NOT_READ.items():
        if head.startswith(magic):
            raise TraceError(f"{path}: is a {name} archive, unpack it first")
    if head.startswith(b"\x1f\x8b"):
        return lambda stack: stack.enter_context(gzip.GzipFile(fileobj=outer(stack), mode="rb"))
    if head.startswith(b"BZh"):
        return lambda stack: stack.enter_context(bz2.BZ2File(outer(stack)))
    if head.startswith(b"\xfd7zXZ\x00"):
        return lambda stack: io.BufferedReader(_Xz(outer(stack)), CHUNK)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        if layer:
            raise TraceError(f"{path}: is a zip inside another archive, unpack it first")
        return lambda stack: _zip_content(path, outer(stack), stack)
    if len(head) == tarfile.BLOCKSIZE and head[257:262] == b"ustar":
        with ExitStack() as stack:
            names = _tar_names(outer(stack))
        _check_one(path, names)
        return lambda stack: _tar_content(outer(stack))
    return None


def _check_one(path: Path, names: Sequence[str]) -> None:
    if len(names) != 1:
        shown = ", ".join(show(name) for name in names[:NAMES_SHOWN])
        more = " and more" if len(names) > NAMES_SHOWN else ""
        found = f"holds several files ({shown}{more})" if names else "holds no file"
        raise TraceError(f"{path}: {found}, expected one: unpack it and name the file to read")


def _is_data(name: str) -> bool:
    """Tell data from what macOS puts beside it."""
    return not name.startswith("__MACOSX/") and not name.rpartition("/")[2].startswith("._")


def _zip_content(path: Path, file: io.BufferedIOBase, stack: ExitStack) -> io.BufferedIOBase:
    archive = stack.enter_context(zipfile.ZipFile(file))
    members = [each for each in archive.infolist() if not each.is_dir() and _is_data(each.filename)]
    _check_one(path, [each.filename for each in members])
    if members[0].flag_bits & 1:
        raise TraceError(f"{path}: is encrypted, decrypt it first")
    if members[0].compress_type not in ZIP_METHODS:
        raise TraceError(
            f"{path}: is packed with zip method {members[0].compress_type}, expected stored, "
            "deflate or bzip2: unpack it first"
        )
    return cast(io.BufferedIOBase, stack.enter_context(archive.open(members[0])))


def _tar_names(stream: io.BufferedIOBase) -> list[str]:
    """Return the names of the files in a tar, up to one more than a message shows."""
    names: list[str] = []
    while len(names) <= NAMES_SHOWN and (member := _next_in_tar(stream)) is not None:
        name, size = member
        names.append(name)
        _skip(stream, size + -size % tarfile.BLOCKSIZE)
    return names


def _tar_content(stream: io.BufferedIOBase) -> io.BufferedIOBase:
    member = _next_in_tar(stream)
    return io.BufferedReader(_Part(stream, member[1] if member else 0), CHUNK)


def _next_in_tar(stream: io.BufferedIOBase) -> tuple[str, int] | None:
    """Go to the content of the next file in a tar; return its name and size, None at the end.

    Only headers are read into memory, one block at a time, whatever sizes they claim.
    """
    long_size: int | None = None
    while (block := stream.read(tarfile.BLOCKSIZE)).strip(b"\0"):
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        size = info.size if long_size is None else long_size
        if size < 0:
            raise tarfile.ReadError("a member of negative size")
        if info.isreg() and info.type != tarfile.GNUTYPE_SPARSE and _is_data(info.name):
            return info.name, size
        if info.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError("a sparse file in a tar, unpack it first")
        padded = size + -size % tarfile.BLOCKSIZE
        if info.type == tarfile.XHDTYPE and padded <= MAX_PAX_BYTES:
            told = PAX_SIZE.search(stream.read(padded))
            long_size = int(told[1]) if told else None
            continue
        has_content = info.isreg() or info.type not in tarfile.SUPPORTED_TYPES
        if has_content or info.type in (
            tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK
        ):  # fmt: skip
            _skip(stream, padded)
        if info.type not in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
            long_size = None
    return None


def _skip(stream: io.BufferedIOBase, size: int) -> None:
    if isinstance(stream, io.BufferedReader) and isinstance(stream.raw, io.FileIO):
        stream.seek(size, io.SEEK_CUR)
        return
    while size > 0:
        read = len(stream.read(min(size, CHUNK)))
        if not read:
            raise EOFError("the archive is cut off")
        size -= read


class _Part(io.RawIOBase):
    """The next ``size`` bytes of a stream."""

    def __init__(self, stream: io.BufferedIOBase, size: int) -> None:
        self._stream = stream
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(min(len(buffer), self._left))
        if not data and self._left:
            raise EOFError("the archive is cut off")
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)


class _Xz(io.RawIOBase):
    """The content of an .xz file, with a bound on memory that ``lzma.open`` does not offer."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream
        self._decoder = self._new()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = b""
        while not data:
            packed = b""
            if self._decoder.eof:
                packed = self._decoder.unused_data.lstrip(b"\0")
                packed = packed or self._stream.read(CHUNK).lstrip(b"\0")
                if not packed:
                    return 0
                self._decoder = self._new()
            elif self._decoder.needs_input and not (packed := self._stream.read(CHUNK)):
                raise EOFError("the archive is cut off")
            data = self._decoder.decompress(packed, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    @staticmethod
    def _new() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_XZ_BYTES)
