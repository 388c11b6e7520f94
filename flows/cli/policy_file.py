"""The policy that a command names: a file, or one of the library."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.errors import UserError
from sandbox.outcome import Evaluation, Outcome, Problem, Trial
from sandbox.source import candidate_id
from simulator.library import policy_names, policy_source

MAX_POLICY_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyText:
    """A policy's bytes; ``source`` is None when they are not text, which ``problem`` explains."""

    title: str
    data: bytes
    source: str | None
    problem: str | None = None

    @property
    def candidate(self) -> str:
        """The sha256 of the bytes, in hex; of the source alone where there is one."""
        if self.source is not None:
            return candidate_id(self.source)
        return hashlib.sha256(self.data).hexdigest()


def read_policy(name: str) -> PolicyText:
    """Return what ``name`` holds; a missing or unreadable file is bad input, odd content is not."""
    if not name.strip():
        raise UserError(
            "the name of the policy is empty, expected a Python file or a library policy: "
            f"{', '.join(policy_names())}"
        )
    path = Path(name)
    if path.is_dir():
        raise UserError(f"{name} is a directory, expected a Python file with one policy")
    if not path.exists() and library_name(name) is not None:
        source = policy_source(library_name(name) or name)
        return PolicyText(title=name, data=source.encode(), source=source)
    data = _read(path)
    if not data.strip():
        return PolicyText(title=name, data=data, source=None, problem="the file is empty")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _malformed(name, data, f"byte {error.start + 1} is not UTF-8 text")
    if "\0" in text:
        return _malformed(name, data, f"byte {data.index(0) + 1} is NUL: this is a binary file")
    return PolicyText(title=path.stem, data=data, source=text)


def library_name(name: str) -> str | None:
    """Return the library's own spelling of a policy's name; None when it has no such policy."""
    return next((known for known in policy_names() if _plain(known) == _plain(name)), None)


def never_tried(text: PolicyText, scenarios: Sequence[str]) -> Trial:
    """Return the trial of what is not even text: malformed on every scenario, without a cell."""
    problem = Problem(message=text.problem or "not a policy")
    return Trial(
        candidate=text.candidate,
        outcome=Outcome.MALFORMED,
        evaluations=tuple(
            Evaluation(scenario=name, outcome=Outcome.MALFORMED, problem=problem)
            for name in scenarios
        ),
    )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_POLICY_BYTES + 1)
    except FileNotFoundError:
        raise UserError(
            f"{path} does not exist, expected a Python file or a library policy: "
            f"{', '.join(policy_names())}"
        ) from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > MAX_POLICY_BYTES:
        raise UserError(f"{path} is larger than {MAX_POLICY_BYTES} bytes, expected one policy")
    return data


def _malformed(name: str, data: bytes, problem: str) -> PolicyText:
    return PolicyText(title=name, data=data, source=None, problem=problem)


def _plain(name: str) -> str:
    return name.replace("_", "-")
