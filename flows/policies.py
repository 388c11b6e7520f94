"""A policy by name: a file, the library, a candidate or an experiment of the history."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from flows.errors import ConfigError, UserError
from flows.history.store import (
    Ask,
    Found,
    answers,
    find_best,
    find_candidate,
    find_experiment,
    find_named,
)
from flows.home import home_folder
from sandbox.outcome import Evaluation, Outcome, Problem, Trial
from sandbox.source import candidate_id
from simulator.domain import Domain

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


def read_policy(name: str, domain: Domain) -> PolicyText:
    """Return the policy that ``name`` stands for; refuse a missing or unreadable file only."""
    if not name.strip():
        raise UserError(
            "the name of the policy is empty, expected a Python file or a library policy: "
            f"{', '.join(domain.policy_names())}"
        )
    path, known = Path(name), _meant_of_library(name, domain)
    if known is not None:
        source = domain.policy_source(known)
        return PolicyText(title=name, data=source.encode(), source=source)
    if path.is_dir():
        raise UserError(f"{name} is a directory, expected a Python file with one policy")
    data = _read(path, domain)
    if not data.strip():
        return PolicyText(title=name, data=data, source=None, problem="the file is empty")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _malformed(name, data, f"byte {error.start + 1} is not UTF-8 text")
    if "\0" in text:
        return _malformed(name, data, f"byte {data.index(0) + 1} is NUL: this is a binary file")
    return PolicyText(title=path.stem, data=data, source=text)


def library_name(name: str, domain: Domain) -> str | None:
    """Return the library's own spelling of a policy's name; None when it has no such policy."""
    return next((known for known in domain.policy_names() if _plain(known) == _plain(name)), None)


def _meant_of_library(name: str, domain: Domain) -> str | None:
    """Return the library policy that a name stands for.

    A file of that name goes before the library; a folder does not, as it is no policy.
    """
    path = Path(name)
    return None if path.exists() and not path.is_dir() else library_name(name, domain)


def never_tried(text: PolicyText, scenarios: Sequence[str]) -> Trial:
    """Return the trial of a file that is not text: malformed on every scenario, without a cell."""
    problem = Problem(message=text.problem or "not a policy")
    return Trial(
        candidate=text.candidate,
        outcome=Outcome.MALFORMED,
        evaluations=tuple(
            Evaluation(scenario=name, outcome=Outcome.MALFORMED, problem=problem)
            for name in scenarios
        ),
    )


def _read(path: Path, domain: Domain) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_POLICY_BYTES + 1)
    except FileNotFoundError:
        raise UserError(
            f"{path} does not exist, expected a Python file or a library policy: "
            f"{', '.join(domain.policy_names())}"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A policy to compare, under the name by which a person knows it."""

    label: str
    text: PolicyText
    baseline: bool = False
    """Whether it is one of the library's."""


SHORT_SHA256 = 8


def find_contenders(names: Sequence[str], domain: Domain) -> list[Contender]:
    """Return the policies of these names, each with a unique label."""
    found = [find_contender(name, domain) for name in names]
    labels = [each.label for each in found]
    return [
        replace(each, label=name) if labels.count(each.label) > 1 else each
        for name, each in zip(names, found, strict=True)
    ]


def find_contender(name: str, domain: Domain) -> Contender:
    """Return the policy of this name.

    A file comes first, then the library, then a candidate of the history by the beginning of its
    sha256, then an experiment by its id or name, which stands for its best policy.
    """
    known = _meant_of_library(name, domain)
    if known is not None:
        return library_contender(known, domain)
    if not name.strip() or Path(name).exists() or Path(name).suffix == ".py":
        label = Path(name).name
        taken = library_name(label, domain) is not None
        return Contender(label=f"./{label}" if taken else label, text=read_policy(name, domain))
    home = home_folder()
    recorded = recorded_contender(name, home)
    if recorded is None:
        raise UserError(_unknown(name, home, domain))
    return recorded


def recorded_contender(name: str, home: Path) -> Contender | None:
    """Return a candidate or an experiment's best policy of a history, None where it has neither."""
    return answers(home, lambda ask: _recorded(ask, name))


def _recorded(ask: Ask, name: str) -> Contender | None:
    found = find_candidate(ask, name)
    if found is not None:
        return _from_history(found, (found.candidate or "")[:SHORT_SHA256])
    experiment = find_experiment(ask, name)
    if experiment is None:
        found = find_named(ask, name)
        # Policies of libraries and files, which are called by their titles, are found there.
        return _from_history(found, name) if found is not None and found.title != name else None
    found = find_best(ask, experiment)
    if found is None:
        raise UserError(f"experiment {experiment} has no best policy yet: continue it first")
    return _from_history(found, experiment)


def library_contender(name: str, domain: Domain) -> Contender:
    """Return a policy of the library."""
    source = domain.policy_source(name)
    text = PolicyText(title=name, data=source.encode(), source=source)
    return Contender(label=name, text=text, baseline=True)


def _from_history(found: Found, label: str) -> Contender:
    source = found.source
    text = PolicyText(
        title=found.title,
        data=(source or "").encode("utf-8", "surrogatepass"),
        source=source,
        problem=None if source is not None else "the reply of the model held no policy",
    )
    return Contender(label=label, text=text)


def _unknown(name: str, home: Path, domain: Domain) -> str:
    known = domain.policy_names()
    near = get_close_matches(name, known, n=1)
    return (
        f"{name} is neither a file, nor a library policy ({', '.join(known)}), nor a "
        f"candidate or an experiment of {home}" + (f": did you mean {near[0]}?" if near else "")
    )


def check_baselines(names: Sequence[str], domain: Domain) -> None:
    """Refuse names that the library does not have."""
    known = domain.policy_names()
    for name in names:
        if name not in known and name.replace("-", "_") not in known:
            raise ConfigError(
                f"baselines: no library policy is named {name!r}; there are {', '.join(known)}"
            )
