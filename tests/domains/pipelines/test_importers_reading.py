"""Packed input files: each kind is read as it stands, and hostile or odd ones give one line."""

import bz2
import gzip
import io
import lzma
import os
import resource
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.domains.pipelines.importers.swf import import_swf
from simulator.errors import TraceError
from simulator.readers.files import MAX_PAX_BYTES, read_lines, read_object
from tests.support.examples import at_night

LOG = b"1 7 0 100 4 -1 -1 4 200 -1 1 1 1 1 1 1 -1 -1\n" * 50


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def tarred(*members: tuple[str, bytes], layout: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=layout) as archive:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


LONG = "long/" * 40 + "\u00fc.swf"
PACKED: dict[str, bytes] = {
    "gzip": gzip.compress(LOG),
    "two gzip streams": gzip.compress(LOG[:900]) + gzip.compress(LOG[900:]),
    "xz": lzma.compress(LOG),
    "two xz streams": lzma.compress(LOG[:900]) + b"\0" * 4 + lzma.compress(LOG[900:]),
    "bzip2": bz2.compress(LOG),
    "zip": zipped(("../../etc/passwd", LOG)),
    "zip of a Mac": zipped(("log.swf", LOG), ("__MACOSX/._log.swf", b"\0")),
    "stored zip": zipped(("log.swf", LOG), method=zipfile.ZIP_STORED),
    "tar": tarred(("/absolute.swf", LOG)),
    "tar with a long name": tarred((LONG, LOG)),
    "GNU tar with a long name": tarred((LONG, LOG), layout=tarfile.GNU_FORMAT),
    "tar of a Mac": tarred(("._log.swf", b"\0\1"), ("log.swf", LOG)),
    "tar.gz": gzip.compress(tarred(("log.swf", LOG))),
    "tar.xz": lzma.compress(tarred(("log.swf", LOG))),
    "tar of a gz": tarred(("log.swf.gz", gzip.compress(LOG))),
    "zip of a tar": zipped(("log.tar", tarred(("log.swf", LOG)))),
}


def refusal(path: Path, read: Callable[[Path], object] = import_swf) -> str:
    """Return the one line that says why a file is refused."""
    with pytest.raises(TraceError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_every_kind_of_packing_gives_what_is_inside(tmp_path: Path) -> None:
    path = tmp_path / "named.as.nothing"
    for kind, data in PACKED.items():
        path.write_bytes(data)

        assert "".join(read_lines(path)).encode() == LOG, kind
        assert len(import_swf(path).workload.pipelines) == 50, kind


def test_a_packed_workflow_is_read(tmp_path: Path) -> None:
    path = tmp_path / "w.json.gz"
    path.write_bytes(gzip.compress(b'\xef\xbb\xbf{"a": 1}'))

    assert read_object(path) == {"a": 1}


def test_an_archive_that_is_not_one_readable_file_says_why(tmp_path: Path) -> None:
    encrypted = bytearray(zipped(("a.swf", LOG)))
    central = encrypted.index(b"PK\x01\x02")
    for at in (6, central + 8):
        encrypted[at] |= 1
    many = [(f"day{number}\n.csv", LOG) for number in range(9)]
    big_header = tarfile.TarInfo("x")
    big_header.type, big_header.size = tarfile.XHDTYPE, 1 << 50
    negative = bytearray(tarred(("log.swf", LOG))[512:])
    negative[124:136] = b"\xff" * 12
    negative[148:156] = b" " * 8
    negative[148:156] = b"%06o\0 " % sum(negative[:512])
    layers = LOG
    for _ in range(5):
        layers = gzip.compress(layers)
    cases = {
        zipped(*many): "holds several files ('day0\\n.csv', 'day1",
        gzip.compress(tarred(*many)): "and more), expected one",
        zipped(("a/", b"")): "holds no file",
        tarred(): "holds no file",
        bytes(encrypted): "is encrypted",
        zipped(("a", LOG), method=zipfile.ZIP_LZMA): "zip method 14",
        gzip.compress(zipped(("a", LOG))): "a zip inside another archive",
        layers: "packed more than 3 times",
        b"Rar!\x1a\x07": "is a RAR archive",
        gzip.compress(LOG)[:-20]: "cannot be read",
        lzma.compress(LOG)[:-20]: "cannot be read",
        tarred(("log.swf", LOG))[:1500]: "cannot be read",
        zipped(("a", LOG))[:-30]: "cannot be read",
        big_header.tobuf(): "cannot be read",
        bytes(negative): "cannot be read",
    }
    path = tmp_path / "f"
    for data, expected in cases.items():
        path.write_bytes(data)

        assert expected in refusal(path), expected


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert "not a regular file" in refusal(tmp_path / "pipe")
    assert "not a regular file" in refusal(tmp_path)
    assert "no such file" in refusal(tmp_path / "missing")


@settings(
    max_examples=at_night(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    kind=st.sampled_from(sorted(PACKED)),
    damage=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=8)), min_size=1, max_size=4),
    cut=st.floats(0, 1),
)
def test_a_damaged_archive_is_read_or_refused(
    tmp_path: Path, kind: str, damage: list[tuple[float, bytes]], cut: float
) -> None:
    data = bytearray(PACKED[kind])
    for share, piece in damage:
        at = int(share * len(data))
        data[at : at + len(piece)] = piece
    path = tmp_path / "f"
    path.write_bytes(data[: len(data) - int(cut * cut * cut * len(data))])

    try:
        "".join(read_lines(path))
    except TraceError as error:
        assert "\n" not in str(error)


BOMBS: dict[str, Callable[[], bytes]] = {
    "a long line": lambda: gzip.compress(b"1 " * (32 << 20), 1),
    "zip": lambda: zipped(("a", b"\0" * (64 << 20))),
    "a huge header in a tar": lambda: gzip.compress(
        _pax(64 << 20) + b"9" * (64 << 20) + tarred(("log.swf", LOG)), 1
    ),
    "xz that wants a gigabyte": lambda: lzma.compress(
        b"1\n" * 1000, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}]
    ),
}


def _pax(size: int) -> bytes:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, size
    assert size > MAX_PAX_BYTES
    return info.tobuf(tarfile.USTAR_FORMAT)


def test_a_bomb_needs_little_memory(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from simulator.errors import TraceError\n"
        "from simulator.domains.pipelines.importers.swf import import_swf\n"
        "try: import_swf(Path(sys.argv[1]))\n"
        "except TraceError as error: pass\n"
        "status = Path('/proc/self/status').read_text()\n"
        "print(status.partition('VmHWM:')[2].split()[0])\n"  # not ru_maxrss, which a fork inherits
    )
    for kind, bomb in BOMBS.items():
        path = tmp_path / "bomb"
        path.write_bytes(bomb())

        done = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            capture_output=True,
            text=True,
            check=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30)),
        )

        assert int(done.stdout) < 60_000, kind


def test_sizes_in_a_tar_beyond_eight_gigabytes_are_understood(tmp_path: Path) -> None:
    size = 9 << 30
    record = b"20 size=" + str(size).encode() + b"\n"
    head = tarfile.TarInfo("x")
    head.type, head.size = tarfile.XHDTYPE, len(record)
    member = tarfile.TarInfo("log.swf")
    path = tmp_path / "t.tar"
    with path.open("wb") as file:
        file.write(head.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0"))
        file.write(member.tobuf(tarfile.USTAR_FORMAT) + LOG)
        file.truncate(file.tell() + size - len(LOG) + 1024)

    lines = read_lines(path)

    assert [next(lines) for _ in range(50)] == LOG.decode().splitlines(keepends=True)
