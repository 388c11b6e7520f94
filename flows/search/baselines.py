"""The library policies that every search is measured against."""

from collections.abc import Sequence

from flows.errors import ConfigError
from flows.search.proposing import Proposal
from simulator.library import policy_names, policy_source

REFERENCE = "naive"
"""Its figures are score 1.0."""


def baseline_proposals(names: Sequence[str]) -> list[Proposal]:
    """Return the named library policies as proposals, the reference first, each once."""
    return [
        Proposal(source=policy_source(name), title=name, origin="baseline", operator="baseline")
        for name in dict.fromkeys((REFERENCE, *names))
    ]


def check_baselines(names: Sequence[str]) -> None:
    """Refuse names that the library does not have."""
    known = policy_names()
    for name in names:
        if name not in known and name.replace("-", "_") not in known:
            raise ConfigError(
                f"baselines: no library policy is named {name!r}; there are {', '.join(known)}"
            )
