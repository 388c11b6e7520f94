"""The table of operator kinds and workload families."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from simulator.domains.pipelines.workload import SCALINGS


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of operator: medians, how far they spread, and how often memory grows with reading."""

    cpu_seconds: float
    read_gb: float
    memory_gb: float
    sigma: float
    growing: float = 0.0
    scalings: tuple[str, ...] = ("linear3",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A family of workloads; ``cpu``, ``read`` and ``memory`` multiply the medians of its kinds.

    ``sizes``: fewest and most operators of a query, an interactive and a batch pipeline. ``roots``,
    ``inner`` and ``last`` name the kinds drawn for the first, the middle and the last operators.
    """

    name: str
    about: str
    pipelines: int
    roots: tuple[str, ...] = ("scan",)
    inner: tuple[str, ...] = ("filter", "join", "sort")
    last: tuple[str, ...] = ("write", "filter")
    sizes: tuple[tuple[int, int], ...] = ((1, 2), (2, 4), (3, 8))
    shape: str = "chain"
    arrivals: str = "poisson"
    priorities: tuple[float, ...] = (0.2, 0.3, 0.5)
    cpu: float = 1.0
    read: float = 1.0
    memory: float = 1.0
    tail: float = 1.0
    max_cpu_seconds: float = 240.0
    params: Mapping[str, int | float | bool | str] = field(default_factory=dict)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "scan": Kind(
            cpu_seconds=1.5,
            read_gb=24,
            memory_gb=6,
            sigma=0.7,
            growing=0.8,
            scalings=("const", "sqrt"),
        ),
        "filter": Kind(cpu_seconds=2, read_gb=4, memory_gb=4, sigma=0.5),
        "join": Kind(
            cpu_seconds=8, read_gb=8, memory_gb=26, sigma=0.6, scalings=("linear7", "linear3")
        ),
        "sort": Kind(cpu_seconds=9, read_gb=10, memory_gb=38, sigma=0.5, scalings=("log", "sqrt")),
        "train": Kind(
            cpu_seconds=40,
            read_gb=2,
            memory_gb=10,
            sigma=0.6,
            scalings=("linear7", "exp", "squared"),
        ),
        "write": Kind(cpu_seconds=0.8, read_gb=1, memory_gb=1, sigma=0.4, scalings=("const",)),
        "any": Kind(
            cpu_seconds=8, read_gb=10, memory_gb=14, sigma=0.9, growing=0.4, scalings=SCALINGS
        ),
    }
)

ONE_POOL: Mapping[str, int | float | bool | str] = MappingProxyType(
    {
        "duration": 400,
        "ticks_per_second": 100,
        "num_pools": 1,
        "cpus_per_pool": 32,
        "ram_gb_per_pool": 256,
        "multi_operator_containers": False,
    }
)
FOUR_POOLS = MappingProxyType(
    {**ONE_POOL, "num_pools": 4, "cpus_per_pool": 12, "ram_gb_per_pool": 128}
)

FAMILIES = (
    Family(
        name="cpu-heavy",
        about="training steps that use many cpus, little reading, small memory",
        pipelines=120,
        roots=("filter",),
        inner=("train", "train", "filter"),
        last=("train", "write"),
        sizes=((1, 1), (1, 3), (2, 4)),
        params=ONE_POOL,
    ),
    Family(
        name="io-heavy",
        about="large scans with little computation; more cpus do not help",
        pipelines=90,
        roots=("scan",),
        inner=("scan", "filter"),
        read=2.5,
        params=ONE_POOL,
    ),
    Family(
        name="memory-heavy",
        about="joins and sorts whose fixed memory is a large part of the pool",
        pipelines=80,
        inner=("join", "sort", "sort"),
        memory=2.2,
        params=ONE_POOL,
    ),
    Family(
        name="memory-fixed",
        about="fixed memory needs from 1 to 200 GB, reading of no importance",
        pipelines=120,
        roots=("join", "filter", "sort"),
        read=0.2,
        tail=1.8,
        params=ONE_POOL,
    ),
    Family(
        name="memory-growing",
        about="memory grows with what is read, so a container is killed late",
        pipelines=150,
        roots=("scan",),
        inner=("scan",),
        last=("scan",),
        sizes=((1, 1), (1, 3), (2, 5)),
        tail=1.3,
        params=ONE_POOL,
    ),
    Family(
        name="all-scalings",
        about="every scaling law, so the right number of cpus differs by operator",
        pipelines=130,
        roots=("any",),
        inner=("any",),
        last=("any",),
        params=ONE_POOL,
    ),
    Family(
        name="wide",
        about="one root with many children that can all run at once",
        pipelines=60,
        shape="diamond",
        sizes=((2, 4), (4, 10), (8, 24)),
        params=ONE_POOL,
    ),
    Family(
        name="deep",
        about="long chains, where each queued second adds to the latency of the whole",
        pipelines=80,
        sizes=((2, 4), (5, 9), (8, 16)),
        cpu=0.6,
        params=ONE_POOL,
    ),
    Family(
        name="branching",
        about="random graphs with joins of branches",
        pipelines=150,
        shape="random",
        sizes=((2, 3), (3, 7), (5, 12)),
        params=FOUR_POOLS,
        memory=0.7,
    ),
    Family(
        name="bursts",
        about="quiet times and sudden crowds of queries",
        pipelines=200,
        arrivals="burst",
        priorities=(0.5, 0.3, 0.2),
        params=ONE_POOL,
    ),
    Family(
        name="diurnal",
        about="two peaks of load with a night between them",
        pipelines=240,
        arrivals="diurnal",
        params=FOUR_POOLS,
        memory=0.8,
    ),
    Family(
        name="heavy-tails",
        about="most operators are tiny, a few take most of the work and of the memory",
        pipelines=100,
        roots=("any",),
        inner=("any",),
        cpu=0.4,
        memory=0.6,
        tail=2.0,
        params=ONE_POOL,
    ),
    Family(
        name="under-load",
        about="a cluster with room to spare: latency is all that counts",
        pipelines=24,
        arrivals="regular",
        params=FOUR_POOLS,
        memory=0.8,
    ),
    Family(
        name="over-load",
        about="several times more work than the cluster can do: choose what to finish",
        pipelines=400,
        priorities=(0.15, 0.25, 0.6),
        params=ONE_POOL,
    ),
    Family(
        name="shared-containers",
        about="several operators to a container, deadlines, and rough estimates of memory",
        pipelines=220,
        shape="fan_in",
        params=MappingProxyType(
            {
                **FOUR_POOLS,
                "multi_operator_containers": True,
                "max_job_seconds": 150,
                "estimator_algo": "noisy",
                "noisy_estimator_sigma": 0.3,
            }
        ),
        memory=0.8,
    ),
)

SHIFTED = Family(
    name="shifted",
    about="unlike the others: few cpus, many small pools, bursts of long pipelines of every kind",
    pipelines=150,
    roots=("any", "scan"),
    inner=("any", "train", "join"),
    last=("write", "any"),
    sizes=((1, 3), (2, 6), (4, 10)),
    shape="random",
    arrivals="burst",
    priorities=(0.35, 0.15, 0.5),
    memory=0.5,
    tail=1.5,
    params=MappingProxyType(
        {**ONE_POOL, "num_pools": 8, "cpus_per_pool": 6, "ram_gb_per_pool": 96}
    ),
)
