"""The frames that cross the wall: one authentic report, or none."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.cell.frames import (
    LENGTH,
    MAC_BYTES,
    CellLimits,
    CellReport,
    FrameError,
    Job,
    Tried,
    pack_job,
    pack_report,
    unpack_job,
    unpack_report,
)

NONCE = b"n" * 32
REPORT = CellReport(
    simulator_version="1",
    domain_sha256="d" * 64,
    isolation={"uid_split": True},
    tried=[Tried(scenario="a", outcome="ok", stats={"x": 1.5, "y": None})],
)
FRAME = pack_report(REPORT, NONCE)


def test_a_job_arrives_as_it_was_sent() -> None:
    job = Job(
        nonce=NONCE,
        domain_sha256="d" * 64,
        source="x = 1\n",
        scenarios=[b"one", b"two"],
        limits=CellLimits(),
    )

    assert unpack_job(pack_job(job)[LENGTH.size :]) == job


def test_a_report_arrives_as_it_was_sent() -> None:
    assert unpack_report(FRAME, NONCE) == REPORT


def test_a_report_with_another_nonce_is_refused() -> None:
    with pytest.raises(FrameError, match="not authentic"):
        unpack_report(FRAME, b"m" * 32)


@pytest.mark.parametrize("extra", [b"x", FRAME])
def test_anything_after_the_frame_is_refused(extra: bytes) -> None:
    with pytest.raises(FrameError, match="bytes came where the frame announced"):
        unpack_report(FRAME + extra, NONCE)


def test_anything_before_the_frame_is_refused() -> None:
    with pytest.raises(FrameError):
        unpack_report(b"hello\n" + FRAME, NONCE)


def test_an_authentic_frame_of_another_shape_is_refused() -> None:
    body = b"\x93\x01\x02\x03"
    frame = LENGTH.pack(MAC_BYTES + len(body)) + hmac.digest(NONCE, body, "sha256") + body

    with pytest.raises(FrameError, match="cannot be read"):
        unpack_report(frame, NONCE)


@given(st.integers(0, len(FRAME) - 1), st.integers(1, 255))
def test_no_changed_byte_passes(position: int, change: int) -> None:
    data = bytearray(FRAME)
    data[position] ^= change

    with pytest.raises(FrameError):
        unpack_report(bytes(data), NONCE)


@given(st.integers(0, len(FRAME) - 1))
def test_no_shortened_frame_passes(length: int) -> None:
    with pytest.raises(FrameError):
        unpack_report(FRAME[:length], NONCE)


@given(st.binary(max_size=300))
def test_no_made_up_frame_passes(data: bytes) -> None:
    with pytest.raises(FrameError):
        unpack_report(data, NONCE)
