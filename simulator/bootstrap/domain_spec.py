"""The domain whose policies are simulators and whose scenarios are checks, as data."""

from simulator.domain import Domain
from simulator.domain_spec import Calls, DomainSpec, Metric, Objective
from simulator.sealed.spec import CONTRACT_FILE, read_contract

ALL, FAILED, FRACTION = "all", "none", "half"
"""Known figures of a check: what passing is, what failing is, what ratios are taken with."""
SUITE = "checks"
NOTHING = "nothing"


def domain_spec(domain: Domain) -> DomainSpec:
    """Return the domain in which simulators of the folder's system are written, as data."""
    return bootstrap_spec(read_contract(domain.root / CONTRACT_FILE))


def bootstrap_spec(sealed: DomainSpec) -> DomainSpec:
    """Return the domain in which simulators of a sealed domain are written."""
    return DomainSpec(
        name=f"bootstrap-{sealed.name}"[:60],
        version=sealed.version,
        title=f"simulators of {sealed.title}"[:120],
        summary=f"A simulator is written for {sealed.title}; checks decide whether it is accepted.",
        unit_of_step="us",
        reference=NOTHING,
        example=NOTHING,
        suite=SUITE,
        calls=Calls(scored="on_check", audit="on_check", modes=["on_check"]),
        promotion="no_scenario_worse",
        sizes={"runs": "simulations"},
        objectives=[
            Objective(
                name="passed",
                label="share of checks passed",
                figure="passed",
                better="more",
                least=FRACTION,
                bound=ALL,
                explanation=_EXPLANATION,
            )
        ],
        metrics=[
            Metric(key="passed", label="checks passed", over="sum", better="more", brief="passed"),
            Metric(key="runs", label="simulations", over="sum"),
        ],
        system=f"a simulator of {sealed.title}",
    )


_EXPLANATION = """\
Each scenario is a check. A check passes (1) or fails (0). The score doubles for all checks that
pass against none, so only one thing counts: how many pass. There are other checks that you are not
shown. A simulator that passes the checks you are shown is put to them, and the search goes on until
one passes all: read the specification again where nothing that you are shown is left to mend."""
