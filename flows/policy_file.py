"""The policy that a command names: a file, or one of the library."""

from dataclasses import dataclass
from pathlib import Path

from flows.errors import UserError
from simulator.library import policy_names, policy_source

MAX_POLICY_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyText:
    """A policy's bytes; ``source`` is None when they are not text, which ``problem`` explains."""

    title: str
    data: bytes
    source: str | None
    problem: str | None = None


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
    if not path.exists() and _library_name(name) is not None:
        source = policy_source(_library_name(name) or name)
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


def _library_name(name: str) -> str | None:
    return next((known for known in policy_names() if _plain(known) == _plain(name)), None)


def _plain(name: str) -> str:
    return name.replace("_", "-")
