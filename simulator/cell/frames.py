"""The two frames that cross the wall of a cell: a job in on stdin, a result out on stdout."""

import hashlib
import hmac
import struct
from dataclasses import dataclass
from typing import Any

from simulator.messages import MessageError, decode, encode

LENGTH = struct.Struct("<I")
MAC_BYTES = hashlib.sha256().digest_size
NONCE_BYTES = 32
MAX_JOB_BYTES = 256 << 20


TIME_LIMITS = ("call_timeout", "cpu_limit", "wall_limit")
"""Outcomes that cost all the time that there is; a candidate has one of them at the most."""
NOT_TRIED = "not_tried"


class FrameError(ValueError):
    """Bytes that are not exactly one authentic frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellLimits:
    """Limits that the trusted process inside the cell enforces on one policy.

    CPU seconds of a policy or a call are the policy's own and are the scored limit; those of the
    simulator are spent on carrying out its decisions. Blocked seconds are those in which a policy
    sleeps in the middle of a call; waiting for a processor is no sleep, so a busy machine fails
    nobody. Wall seconds are a generous backstop. Limits of the candidate, and blocked seconds, add
    up over all scenarios of a job; everything else counts per scenario unless its name says
    otherwise.
    """

    policy_cpu_seconds: float = 20.0
    call_cpu_seconds: float = 5.0
    simulator_cpu_seconds: float = 30.0
    blocked_seconds: float = 5.0
    wall_seconds: float = 180.0
    candidate_cpu_seconds: float = 120.0
    candidate_wall_seconds: float = 600.0
    memory_mb: int = 256
    message_bytes: int = 1 << 20
    print_bytes: int = 1 << 16
    failure_text_chars: int = 2000
    decisions_per_call: int = 10_000
    idle_seconds: float = 600.0
    """How long a started cell waits for its job before it ends itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One candidate and the scenarios to try it on; ``scenarios`` are opaque encoded payloads."""

    nonce: bytes
    domain_sha256: str
    """Of the domain's folder: a cell with another one refuses the job."""
    source: str
    scenarios: list[bytes]
    limits: CellLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """How one scenario went. ``stats`` and ``metrics`` are None unless ``outcome`` is ``ok``."""

    scenario: str
    outcome: str
    message: str | None = None
    line: int | None = None
    step: int | None = None
    stats: dict[str, Any] | None = None
    metrics: dict[str, Any] | None = None
    policy_calls: int = 0
    policy_cpu_seconds: float = 0.0
    simulator_cpu_seconds: float = 0.0
    seconds: float = 0.0
    decision_sha256: str | None = None
    prints: str = ""
    """What the policy wrote to stdout and stderr: untrusted text, capped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellReport:
    """The one result frame of a cell, authenticated with an HMAC over the job's nonce."""

    simulator_version: str
    domain_sha256: str
    """Of the folder that the cell simulated with."""
    isolation: dict[str, Any]
    """The protections that were in force: uid split, seccomp mode, no_new_privs, ..."""
    tried: list[Tried]
    fault: str | None = None
    """Why the cell could not do its job, where the fault is ours; then ``tried`` is incomplete."""


def not_tried_because(outcome: str, scenario: str, message: str) -> str:
    """Return why a scenario is left out after a limit of time was reached in another."""
    return f"not tried: {outcome} in the scenario {scenario} ({message})"


def pack_job(job: Job) -> bytes:
    """Return the frame that gives a cell its job."""
    body = encode(job)
    if len(body) > MAX_JOB_BYTES:
        raise FrameError(f"a job of {len(body)} bytes is larger than the allowed {MAX_JOB_BYTES}")
    return LENGTH.pack(len(body)) + body


def unpack_job(body: bytes) -> Job:
    """Return the job in ``body``, a frame without its length."""
    return decode(body, Job)


def pack_report(report: CellReport, nonce: bytes) -> bytes:
    """Return the frame that carries ``report``, authenticated with the job's nonce."""
    body = encode(report)
    return LENGTH.pack(MAC_BYTES + len(body)) + _mac(nonce, body) + body


def unpack_report(data: bytes, nonce: bytes) -> CellReport:
    """Return the report in ``data``; raise FrameError unless it is exactly one authentic frame."""
    head = LENGTH.size + MAC_BYTES
    if len(data) < head:
        raise FrameError(f"{len(data)} bytes came, fewer than the smallest frame")
    announced = LENGTH.size + LENGTH.unpack_from(data)[0]
    if announced != len(data):
        raise FrameError(f"{len(data)} bytes came where the frame announced {announced}")
    body = data[head:]
    if not hmac.compare_digest(_mac(nonce, body), data[LENGTH.size : head]):
        raise FrameError("the frame is not authentic")
    try:
        return decode(body, CellReport)
    except MessageError as error:
        raise FrameError(f"an authentic frame that cannot be read: {error}") from None


def _mac(nonce: bytes, body: bytes) -> bytes:
    return hmac.digest(nonce, body, "sha256")
