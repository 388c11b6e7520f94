"""The host half of a domain: what its ``host.py`` may offer beside data, all of it optional.

``host.py`` and the modules that only it imports are never in a cell's policy process, and they know
nothing of the packages above the simulator: they get plain values and return plain values. A name
that ``host.py`` does not have is done without, as its documentation here says.
"""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

Metrics = Mapping[str, Any]
"""What a run that ended well measured."""

G = TypeVar("G")


class Render(Protocol):
    """Renders a Jinja template of the domain's folder; an undefined name in it is an error."""

    def __call__(self, template: Path, /, **values: object) -> str: ...


class Space(Protocol[G]):
    """The policies that the offline proposer searches, each made from a genome ``G``.

    Spaces and genomes are hashable; equal genomes make equal policies. Whatever is drawn comes
    from the generator that is given, so that equal generators give equal genomes. Without a space
    the proposer edits the syntax trees of the library's policies.
    """

    def __hash__(self) -> int: ...

    @property
    def SEEDS(self) -> Sequence[Any]:  # noqa: N802 - a constant where the space is a module
        """The starting points; only their number matters."""

    def seed_genome(self, number: int, /) -> G:
        """Return the starting point with this number, from 0."""

    def sample(self, rng: random.Random, /) -> G:
        """Return a genome that owes nothing to earlier attempts, mostly from near the seeds."""

    def random_genome(self, rng: random.Random, /) -> G:
        """Return a genome from anywhere; the last resort when others were all tried."""

    def mutate(self, rng: random.Random, genome: G, /) -> G:
        """Return the genome with a few changes."""

    def crossover(self, rng: random.Random, mother: G, father: G, /) -> G:
        """Return a genome that has something of both."""

    def advice(self, genome: G, metrics: Sequence[Metrics], /) -> Sequence[G]:
        """Return the changes that measurements suggest, the most promising first."""

    def nearest_genome(self, policy: str, /) -> G | None:
        """Return the genome that is most like a policy of the library, None if none is like it."""

    def from_source(self, source: str, /) -> G | None:
        """Return the genome of a policy, None if the policy is not one of this space."""

    def emit(self, genome: G, render: Render, /) -> str:
        """Return the policy's source; :meth:`from_source` reads the genome back from it."""

    def title(self, genome: G, /) -> str:
        """Return a short name of the policy for tables."""
