"""The policies that a comparison names: files, library policies, candidates, experiments."""

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from flows.cli.policy_file import PolicyText, library_name, read_policy
from flows.errors import UserError
from flows.history.lookup import Found, find_best, find_candidate, find_experiment
from flows.home import home_folder
from flows.judging.comparison import Contender
from simulator.library import policy_names, policy_source

SHORT_SHA256 = 8


def find_contenders(names: Sequence[str]) -> list[Contender]:
    """Return the policies of these names, each under a label of its own."""
    found = [find_contender(name) for name in names]
    labels = [each.label for each in found]
    return [
        replace(each, label=name) if labels.count(each.label) > 1 else each
        for name, each in zip(names, found, strict=True)
    ]


def find_contender(name: str) -> Contender:
    """Return the policy of this name.

    A file comes first, then the library, then a candidate of the history by the beginning of its
    sha256, then an experiment by its id or name, which stands for its best policy.
    """
    if not name.strip() or Path(name).exists() or Path(name).suffix == ".py":
        label = Path(name).name
        taken = library_name(label) is not None
        return Contender(label=f"./{label}" if taken else label, text=read_policy(name))
    known = library_name(name)
    if known is not None:
        return library_contender(known)
    home = home_folder()
    found = find_candidate(home, name)
    if found is not None:
        return _from_history(found, (found.candidate or "")[:SHORT_SHA256])
    experiment = find_experiment(home, name)
    if experiment is None:
        raise UserError(_unknown(name, home))
    found = find_best(home, experiment)
    if found is None:
        raise UserError(f"experiment {experiment} has no best policy yet: continue it first")
    return _from_history(found, experiment)


def library_contender(name: str) -> Contender:
    """Return a policy of the library."""
    source = policy_source(name)
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


def _unknown(name: str, home: Path) -> str:
    near = get_close_matches(name, policy_names(), n=1)
    return (
        f"{name} is neither a file, nor a library policy ({', '.join(policy_names())}), nor a "
        f"candidate or an experiment of {home}" + (f": did you mean {near[0]}?" if near else "")
    )
