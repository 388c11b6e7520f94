"""PID 1's side of the talk with one worker: bounded in size, in CPU time and in wall time."""

import math
import os
import resource
import select
import signal
import time
from typing import NamedTuple

from simulator.cell.cleantext import clean_text
from simulator.cell.crew import Member
from simulator.cell.evidence import MemoryKills, is_asleep, memory_kills
from simulator.cell.frames import CellLimits
from simulator.cell.seal import CPU_SLACK_SECONDS
from simulator.cell.wire import AT_ONCE, HEADER, Kind
from simulator.errors import Failure, PolicyFailure

_CALLER_FD = 0
"""The job came in here, and it stays open for as long as anyone waits for the report."""
_CHUNK = 1 << 16
_KIND_AT = HEADER.size - 1
"""Where the kind stands in a frame: it is the last byte of the header."""
_LAST_MOMENTS_SECONDS = 1.0
_GLANCE_EVERY = 64
"""Calls after which prints and the caller are looked at, however quickly answers come."""
_LOOK_SECONDS = 0.25
"""How often a worker that does not answer is looked at, to see whether it sleeps."""
_CALLS = {Kind.LOAD: "loading the policy", Kind.START: "its init function"}


class CallerGone(RuntimeError):
    """Nobody waits for the report any more, so there is no use in going on."""


class KilledFromOutside(RuntimeError):
    """A worker died through nothing that its policy did or could do."""


class Answer(NamedTuple):
    """One frame from the worker, of unproven content."""

    kind: int
    payload: bytes


class Budget:
    """What a candidate has used of its limits over all scenarios tried so far."""

    def __init__(self, limits: CellLimits) -> None:
        self.limits = limits
        self.cpu_seconds = 0.0
        """The policy's and, on its behalf, the simulator's."""
        self.blocked_seconds = 0.0
        self._wall_deadline = time.monotonic() + limits.candidate_wall_seconds

    @property
    def wall_seconds(self) -> float:
        """How long the next scenario may take by the clock."""
        return min(self.limits.wall_seconds, self._wall_deadline - time.monotonic())

    @property
    def simulator_cpu_seconds(self) -> float:
        """How much CPU time the simulator may use on the next scenario."""
        left = self.limits.candidate_cpu_seconds - self.cpu_seconds
        return min(self.limits.simulator_cpu_seconds, left)

    def excuse(self, seconds: float) -> None:
        """Leave wall time out of account that another worker took."""
        self._wall_deadline += seconds

    def wall_limit_reached(self) -> PolicyFailure:
        """Return the failure of a policy that takes too long by the clock."""
        if time.monotonic() > self._wall_deadline:
            limit = self.limits.candidate_wall_seconds
            return _failed("wall_limit", f"all scenarios together took more than {limit:g} s")
        told = f"the scenario was not done after {self.limits.wall_seconds:g} s of wall time"
        return _failed("wall_limit", told)

    def simulator_cpu_limit_reached(self) -> PolicyFailure:
        """Return the failure of a policy whose decisions cost the simulator too much."""
        if self.simulator_cpu_seconds < self.limits.simulator_cpu_seconds:
            return self.cpu_limit_reached()
        limit = self.limits.simulator_cpu_seconds
        told = f"the simulator used more than {limit:g} CPU seconds to carry out the decisions"
        return _failed("cpu_limit", f"{told}: decide less often, and do not repeat what fails")

    def cpu_limit_reached(self) -> PolicyFailure:
        """Return the failure of a policy that used up the CPU time of the candidate."""
        limit = self.limits.candidate_cpu_seconds
        told = f"policy and simulator used more than {limit:g} CPU seconds over all scenarios"
        return _failed("cpu_limit", told)


class Channel:
    """Asks one worker, one question at a time, and ends the worker when it outstays its limits."""

    def __init__(self, member: Member, budget: Budget) -> None:
        self._member = member
        self._budget = budget
        self._limits = budget.limits
        self._socket = member.socket_fd
        self._poll = select.poll()
        self._poll.register(member.socket_fd, select.POLLIN)
        self._poll.register(member.prints_fd, select.POLLIN)
        self._poll.register(_CALLER_FD, 0)  # only its end is reported
        self._clock = (~member.pid << 3) | 2  # the kernel's number for a process's CPU clock
        self._sequence = 0
        self._kind = Kind.LOAD
        """Of the open call."""
        self._cpu_at_start = time.clock_gettime(self._clock)
        self._cpu_at_call = self._cpu_at_start
        self._cpu_seconds = 0.0
        self._allowed = math.inf
        self._ready_at = time.monotonic()
        """When the last answer came."""
        self._wall_deadline = self._ready_at + budget.wall_seconds
        self._waited_seconds = 0.0
        """How long answers were waited for since the worker was last looked at."""
        self._cpu_at_look = self._cpu_at_start
        self._kills_before = memory_kills()
        self._prints = bytearray()
        self._prints_dropped = 0
        self._wait_status: int | None = None
        self._usage: resource.struct_rusage | None = None

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds that the policy has used, as of its last answer or its end."""
        return self._cpu_seconds

    @property
    def prints(self) -> str:
        """What the policy printed, made safe to show: the head of it, and how much was dropped."""
        text = clean_text(self._prints.decode("utf-8", "replace"), self._limits.print_bytes)
        if self._prints_dropped:
            text += f"\n[... {self._prints_dropped} more bytes were dropped]"
        return text

    def excuse(self, seconds: float) -> None:
        """Leave wall time out of account that another worker took."""
        self._wall_deadline += seconds

    def allow(self, cpu_seconds: float) -> None:
        """Let the worker use so many CPU seconds from here on, until this is said again."""
        self._allowed = self._cpu_seconds + cpu_seconds

    def ask(self, kind: Kind, payload: bytes) -> Answer:
        """Send a question that starts a call and return the worker's answer to it."""
        self._cpu_at_call = self._cpu_at_start + self._cpu_seconds
        self._sequence += 1
        self._kind = kind
        return self.tell(kind, payload)

    def tell(self, kind: Kind, payload: bytes) -> Answer:
        """Send a message within the open call and return the worker's next answer."""
        sequence = self._sequence
        self._send(HEADER.pack(len(payload), sequence, kind) + payload)
        data = self._read()
        if len(data) < HEADER.size or HEADER.unpack_from(data)[:2] != (
            len(data) - HEADER.size,
            sequence,
        ):
            data = self._rest_of(data)
        elif len(data) - HEADER.size > self._limits.message_bytes:
            self._check_header(len(data) - HEADER.size, sequence)
        self._check_limits(self._ready_at)
        return Answer(data[_KIND_AT], data[HEADER.size :])

    def close(self) -> None:
        """End the worker, whatever it is doing, and collect its last prints and its CPU time."""
        if self._wait_status is not None:
            return
        os.kill(self._member.pid, signal.SIGKILL)  # it is not reaped yet, so its number is its own
        _, self._wait_status, self._usage = os.wait4(self._member.pid, 0)
        self._cpu_seconds = max(self._cpu_seconds, self._used_at_end() - self._cpu_at_start)
        while self._drain_prints():
            pass
        os.close(self._socket)
        os.close(self._member.prints_fd)

    def _send(self, data: bytes) -> None:
        sent = 0
        while sent < len(data):
            try:
                sent += os.write(self._socket, memoryview(data)[sent:] if sent else data)
            except BlockingIOError:
                self._await(select.POLLOUT)
            except (BrokenPipeError, ConnectionResetError):
                raise self._death() from None

    def _rest_of(self, data: bytes) -> bytes:
        """Return the whole answer that begins with ``data``, or refuse it."""
        while len(data) < HEADER.size:
            data += self._read()
        length, sequence, _ = HEADER.unpack_from(data)
        self._check_header(length, sequence)
        needed = HEADER.size + length
        if len(data) < needed:  # few answers come in more than one piece
            pieces = bytearray(data)
            while len(pieces) < needed:
                pieces += self._read()
            data = bytes(pieces)
        if len(data) > needed:
            raise _protocol(f"the worker sent {len(data) - needed} bytes more than its answer")
        return data

    def _call(self) -> str:
        return _CALLS.get(self._kind, "one call")

    def _read(self) -> bytes:
        """Return what comes next from the worker.

        The socket waits itself for a moment, in which most answers come: to ask for all that may
        happen instead, with a time limit, takes as long again as the answer to an easy call.
        """
        at_once = self._sequence % _GLANCE_EVERY != 0
        while True:
            if not at_once:
                self._await(select.POLLIN)
            began = time.monotonic()
            try:
                chunk = os.read(self._socket, AT_ONCE)
            except BlockingIOError:
                self._waited_seconds += time.monotonic() - began
                at_once = False
                continue
            except ConnectionResetError:
                chunk = b""
            if not chunk:
                raise self._death()
            self._ready_at = time.monotonic()
            self._waited_seconds += self._ready_at - began
            return chunk

    def _check_header(self, length: int, sequence: int) -> None:
        if length > self._limits.message_bytes:
            limit = self._limits.message_bytes
            raise _protocol(f"an answer of {length} bytes is larger than the allowed {limit}")
        if sequence != self._sequence:
            told = f"an answer to call {sequence} came while call {self._sequence} was open"
            raise _protocol(told)

    def _await(self, event: int) -> None:
        """Wait until the socket is ready, drain prints meanwhile, and keep the limits."""
        if event != select.POLLIN:
            self._poll.modify(self._socket, event)
        began = time.monotonic()
        try:
            while True:
                ready = self._poll.poll(self._patience_ms(began))
                if len(ready) == 1 and ready[0][0] == self._socket:
                    return
                for fd, _ in ready:
                    if fd == _CALLER_FD:
                        raise CallerGone("whoever gave the job is gone")
                    if fd != self._socket and not self._drain_prints():
                        self._poll.unregister(fd)
                if any(fd == self._socket for fd, _ in ready):
                    return
                now = time.monotonic()
                self._check_limits(now)
                self._look(self._waited_seconds + now - began)
                began = now
        finally:
            self._waited_seconds += time.monotonic() - began
            if event != select.POLLIN:
                self._poll.modify(self._socket, select.POLLIN)

    def _patience_ms(self, now: float) -> float:
        """How long nothing can go wrong: a process uses CPU time no faster than time passes."""
        limits = self._limits
        call_left = self._cpu_at_call + limits.call_cpu_seconds - self._cpu_at_start
        candidate_left = limits.candidate_cpu_seconds - self._budget.cpu_seconds
        least = min(call_left, limits.policy_cpu_seconds, candidate_left, self._allowed)
        cpu_left = least - self._cpu_seconds
        wall_left = self._wall_deadline - now
        look_left = _LOOK_SECONDS - self._waited_seconds
        return max(1.0, 1000.0 * min(cpu_left, wall_left, look_left) + 1.0)

    def _look(self, waited: float) -> None:
        """Count the time waited since the last look as blocked if the worker sleeps in a call.

        Waits add up over calls, so that many short sleeps are seen as well as a long one.
        """
        self._waited_seconds = waited
        if waited < _LOOK_SECONDS:
            return
        cpu = time.clock_gettime(self._clock)
        used, self._cpu_at_look, self._waited_seconds = cpu - self._cpu_at_look, cpu, 0.0
        budget = self._budget
        # It waits for us where a pipe is full; whoever is asleep beside empty ones waits in vain.
        if is_asleep(self._member.pid) and not self._poll.poll(0):
            # However late this look comes, more than a few looks' time was not seen.
            budget.blocked_seconds += max(0.0, min(waited, 2 * _LOOK_SECONDS) - used)
        if budget.blocked_seconds > self._limits.blocked_seconds:
            told = f"{self._call()} waited for something that never comes, for more than"
            raise _failed("wall_limit", f"{told} {self._limits.blocked_seconds:g} s")

    def _check_limits(self, now: float) -> None:
        limits = self._limits
        cpu = time.clock_gettime(self._clock)
        self._cpu_seconds = cpu - self._cpu_at_start
        if cpu - self._cpu_at_call > limits.call_cpu_seconds:
            used = f"{self._call()} used more than {limits.call_cpu_seconds:g} CPU seconds"
            raise _failed("call_timeout", used)
        if self._cpu_seconds > self._allowed:
            raise _failed(
                "call_timeout", f"{self._call()} used all CPU seconds that it was allowed"
            )
        if self._cpu_seconds > limits.policy_cpu_seconds:
            used = f"the policy used more than {limits.policy_cpu_seconds:g} CPU seconds"
            raise _failed("cpu_limit", used)
        if self._budget.cpu_seconds + self._cpu_seconds > limits.candidate_cpu_seconds:
            raise self._budget.cpu_limit_reached()
        if now > self._wall_deadline:
            raise self._budget.wall_limit_reached()

    def _drain_prints(self) -> bool:
        """Take what the policy printed; False when nothing more will come now."""
        try:
            chunk = os.read(self._member.prints_fd, _CHUNK)
        except BlockingIOError:
            return False
        room = self._limits.print_bytes - len(self._prints)
        self._prints += chunk[:room]
        self._prints_dropped += len(chunk[room:])
        return bool(chunk)

    def _death(self) -> PolicyFailure:
        """Return why the worker is gone; a worker that only hung up is ended first."""
        natural = self._await_natural_death()
        self.close()
        status = self._wait_status or 0
        if not natural:
            return _failed("worker_died", "the policy's process closed its connection")
        if os.WIFEXITED(status):
            code = os.WEXITSTATUS(status)
            return _failed("worker_died", f"the policy's process ended itself (exit {code})")
        return self._killed_by(os.WTERMSIG(status))

    def _killed_by(self, number: int) -> PolicyFailure:
        limits = self._limits
        hard_limit = int(limits.policy_cpu_seconds) + CPU_SLACK_SECONDS
        if number in (signal.SIGKILL, signal.SIGXCPU) and self._used_at_end() >= hard_limit:
            used = f"the policy used more than {limits.policy_cpu_seconds:g} CPU seconds"
            return _failed("cpu_limit", used)
        if number == signal.SIGKILL:
            return killed_for_memory(self._kills_before, memory_kills())
        name = signal.Signals(number).name
        return _failed("worker_died", f"signal {number} ({name}) killed the policy's process")

    def _await_natural_death(self) -> bool:
        deadline = time.monotonic() + _LAST_MOMENTS_SECONDS
        while time.monotonic() < deadline:
            done = os.waitid(os.P_PID, self._member.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if done is not None:
                return True
            time.sleep(0.002)
        return False

    def _used_at_end(self) -> float:
        return self._usage.ru_utime + self._usage.ru_stime if self._usage else 0.0


def killed_for_memory(before: MemoryKills, after: MemoryKills) -> PolicyFailure:
    """Return the failure that a kill without a sender stands for; raise where the fault is ours."""
    if before.cell is not None and after.cell is not None and after.cell > before.cell:
        return _failed("memory_limit", "the kernel killed the policy's process for its memory")
    if before.machine is None or after.machine is None:
        told = "signal 9 (SIGKILL) killed the policy's process; the kernel does not say why"
        return _failed("worker_died", told)
    if after.machine > before.machine:
        raise KilledFromOutside("the machine ran out of memory while a policy kept its own limit")
    raise KilledFromOutside("something outside the cell killed the process of a policy")


def _failed(kind: str, message: str) -> PolicyFailure:
    return PolicyFailure(Failure(kind=kind, message=message))


def _protocol(message: str) -> PolicyFailure:
    return _failed("protocol_error", message)
