"""Standard output and error of a container, separated however the bytes are cut."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.docker_cells import OutputParts, TooMuchOutput

PIECES = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=20)), max_size=10)


def framed(pieces: list[tuple[int, bytes]]) -> bytes:
    return b"".join(struct.pack(">BxxxL", which, len(data)) + data for which, data in pieces)


@settings(deadline=None)
@given(PIECES, st.lists(st.integers(1, 9), max_size=60))
def test_both_streams_come_out_whole_however_they_are_cut(
    pieces: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    data, parts = framed(pieces), OutputParts(10_000)

    for size in cuts:
        parts.feed(data[:size])
        data = data[size:]
    parts.feed(data)

    assert parts.stdout == b"".join(part for which, part in pieces if which == 1)
    assert parts.stderr == b"".join(part for which, part in pieces if which == 2)


def test_more_than_the_limit_is_refused() -> None:
    parts = OutputParts(20)
    parts.feed(framed([(1, b"x" * 10)]))

    with pytest.raises(TooMuchOutput):
        parts.feed(b"yyy")
