"""The host half of a domain: what its ``host.py`` may offer beside data, all of it optional.

``host.py`` and the modules that only it imports are never in a cell's policy process, and they know
nothing of the packages above the simulator: they get plain values and return plain values. A name
that ``host.py`` does not have is done without, as its documentation here says.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from simulator.domain import Scenario
from simulator.suites import Suite

Metrics = Mapping[str, Any]
"""What a run that ended well measured."""

Toml = Callable[[Mapping[str, Any]], str]
"""Returns a table of plain values as the text of a TOML file."""

REACHED = "reached"
"""The metric that says how far a policy got in a scenario, where a domain has one."""

EXACT = "exact"
"""The metric that says that the right outcome of a scenario is known."""

G = TypeVar("G")


class Render(Protocol):
    """Renders a Jinja template of the domain's folder; an undefined name in it is an error."""

    def __call__(self, template: Path, /, **values: object) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedGenome(Generic[G]):
    """A genome that was tried, and how far it got."""

    genome: G
    reached: Mapping[str, float]
    """From 0 to 1 by scenario, 1 where all is well; empty where it failed before it was run."""
    exact: frozenset[str] = frozenset()
    """The scenarios with a known outcome: what does too little gets through others."""
    promoted: bool
    """Whether it became the best in its turn."""


class Space(Protocol[G]):
    """The policies that the offline proposer searches, each made from a genome ``G``.

    Spaces and genomes are hashable; equal genomes make equal policies. Whatever is drawn comes
    from the generator that is given, so that equal generators give equal genomes. Without a space
    the proposer edits the syntax trees of the library's policies.

    A space may have ``next_genome(rng, tried, is_new)`` beside these: it gets every
    :class:`TriedGenome`, in their order, and a function that says whether a genome was not tried
    yet; it returns the genome to try next, or None, after which one is drawn with ``sample``.
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


class Tried(Protocol):
    """How a policy did on a scenario, as the host half of a domain is shown it."""

    @property
    def scenario(self) -> str: ...
    @property
    def outcome(self) -> str:
        """``ok``, or how it failed."""

    @property
    def stats(self) -> Mapping[str, Any] | None: ...
    @property
    def metrics(self) -> Mapping[str, Any] | None: ...


class Redrawn(Protocol):
    """Test scenarios that can be drawn anew."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """The scenarios that cannot be redrawn, each with the reason."""

    @property
    def count(self) -> int:
        """How many can."""

    def draw(self) -> tuple[Scenario, ...]:
        """Return them, each under its own name followed by ``-fresh-`` and the seed."""


P = TypeVar("P")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh(Generic[P]):
    """Scenarios that do not exist until they are drawn: what ``redraw`` may return."""

    seed: int = field(repr=False)
    patterns: tuple[P, ...]
    """What the scenarios that can be redrawn are drawn by."""
    left_out: tuple[str, ...]
    """The scenarios that cannot, each with the reason."""
    drawn: Callable[[P, int], Scenario] = field(repr=False)
    """Returns another scenario of a kind, from a seed."""

    @property
    def count(self) -> int:
        return len(self.patterns)

    def draw(self) -> tuple[Scenario, ...]:
        """Return them; each has its own name followed by ``-fresh-`` and the seed."""
        return tuple(self.drawn(each, self.seed) for each in self.patterns)


class Published(Protocol):
    """Figures that were published about a suite, to show beside one's own."""

    def figures(self, runs: Mapping[str, Sequence[Tried]]) -> list[dict[str, Any]]:
        """Return one's own figures of the same kind as plain values, by policy."""

    def lines(self, runs: Mapping[str, Sequence[Tried]]) -> list[str]:
        """Return the same in words, the published ones beside them."""

    def table(self, runs: Mapping[str, Sequence[Tried]]) -> Mapping[str, Any]:
        """Return the same for a page: ``title``, ``text``, ``columns``, and ``rows`` of texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """A table of scenarios; columns that a narrow terminal omits first stand in ``expendable``."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    expendable: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A trace that was written, its header, and what to say about it."""

    trace: Path
    header: Mapping[str, Any]
    lines: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportWishes:
    """What a person asks of an import; None leaves a value to the format."""

    start_seconds: float | None = None
    duration_seconds: float | None = None
    limit: int | None = None
    sample: float = 1.0
    seed: int = 0
    steps_per_second: int | None = None
    assume: Sequence[str] = ()
    """``KEY=VALUE`` for figures that the data lacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteWishes:
    """How traces become a suite: windows of each, shares of the held-out splits, parameters."""

    windows: int = 1
    validation: float = 0.25
    test: float = 0.25
    seed: int = 0
    params: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeSuite:
    """A suite that was written, and what a person should know about it."""

    suite: Suite[Any]
    notes: Sequence[str]


class Checked(Protocol):
    """What was found in one file: a dataclass, whose fields are shown as JSON."""

    file: str
    ok: bool
    size: str
    problems: Sequence[str]
    notes: Sequence[str]


class Traces(Protocol):
    """Workloads in files of the domain's own form; they raise ``InputError``."""

    def open_trace(self, path: Path, params: Path | None, /) -> Any:
        """Return the scenario of a file, with the parameters of another where one is given."""

    def check(self, names: Sequence[str], /) -> Sequence[Checked]:
        """Return what is right and wrong with files and suites, all that ship if none is named."""

    def generate(self, params: Path, out: Path, draws: str | None, toml: Toml, /) -> Written:
        """Write a trace that a file of parameters describes; ``draws`` is a version of chance."""

    def formats(self) -> Mapping[str, tuple[str, Mapping[str, float]]]:
        """Return the formats that can be imported: what files they take, what they assume."""

    def import_files(
        self, name: str, files: Sequence[Path], out: Path, wishes: ImportWishes, toml: Toml, /
    ) -> Written:
        """Write a trace from public data in a format."""

    def make_suite(
        self, traces: Sequence[Path], out: Path, wishes: SuiteWishes, toml: Toml, /
    ) -> MadeSuite:
        """Write a suite in which each trace, or each window of one, is a scenario."""


class HostHalf(Protocol):
    """What ``host.py`` of a domain may offer; each of it is optional."""

    @property
    def space(self) -> Space[Any]:
        """What the offline proposer searches; without it, edits of the library's policies."""

    @property
    def prompt_templates(self) -> Path:
        """The folder with the domain's own templates of prompts; without it, the shipped ones."""

    @property
    def traces(self) -> Traces:
        """Workloads in files; without it the commands about them say that there are none."""

    def capacities(self, scenario: Any, /) -> Mapping[str, float]:
        """Return what a scenario runs on, for lists of scenarios; without it, nothing."""

    def glance(self, scenarios: Sequence[Any], /) -> Glance:
        """Return a table of what scenarios ask; without it, a list of their sizes."""

    def describe_scenario(self, scenario: Any, /) -> Sequence[str]:
        """Return the page about one scenario; without it, its size, figures and settings."""

    def workload_figures(self, scenario: Any, /) -> Mapping[str, Any]:
        """Return the same as plain values for JSON; without it, figures and settings."""

    def outline(self, scenarios: Sequence[Any], /) -> Sequence[str]:
        """Return lines of Markdown for a prompt: what policies are tried on, and how much arrives.

        They say nothing that a policy may not know. Without it, sizes are shown by family.
        """

    def diagnose(self, own: Sequence[Metrics], reference: Sequence[Metrics], /) -> Sequence[str]:
        """Return sentences about what held a policy back, from one table of metrics per scenario.

        ``reference`` is empty where the reference policy's are not known. Without it, the metrics
        of ``domain.toml`` are listed beside the reference's.
        """

    def contract_page(self, *calls: str) -> str:
        """Return a Markdown page about what a policy may use under these calling modes.

        Without it, the page is the domain's ``contract.md``.
        """

    def open_files(self, trace: Path | None, params: Path | None) -> tuple[Scenario, str]:
        """Return the scenario of a trace and of a file of parameters, and which defaults it has."""

    def redraw(self, suite: Path, scenarios: Sequence[Any], seed: int) -> Redrawn:
        """Return how to draw test scenarios of a suite file anew; nothing is drawn yet."""

    def published(self, suite: str) -> Published | None:
        """Return what was published about a suite."""
