"""What SimFaaS makes of traces and of its example: runs in its environment, knows nothing of ours.

``python -m simfaas_side`` reads JSON: ``traces`` by name (``gaps_us``, ``services_us``,
``init_us``, ``keep_alive_seconds``), and ``examples`` by name (``seconds``, ``init_us``,
``keep_alive_seconds``, ``seeds``, ``rate``, ``warm_seconds``). ``python -m simfaas_side --time
SECONDS`` prints the CPU seconds of the example of its documentation.
"""

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from simfaas.ServerlessSimulator import ServerlessSimulator
from simfaas.SimProcess import SimProcess

US = 1_000_000
FAR_US = 100_000 * US


class Listed(SimProcess):  # type: ignore[misc]
    """A process that gives what a list has, in its order, with something added to each."""

    def __init__(self, microseconds: Iterator[int], more: int = 0) -> None:
        super().__init__()
        self.microseconds = microseconds
        self.more = more

    def generate_trace(self) -> float:
        return (next(self.microseconds) + self.more) / US


class Cold(SimProcess):  # type: ignore[misc]
    """A cold response: the start, and then what a warm one takes."""

    def __init__(self, init_us: int, warm_seconds: float) -> None:
        super().__init__()
        self.init_us = init_us
        self.warm_seconds = warm_seconds

    def generate_trace(self) -> float:
        return self.init_us / US + float(np.random.exponential(self.warm_seconds))


def main() -> None:
    wanted = json.load(sys.stdin)
    figures = {
        "traces": {name: replay(each) for name, each in wanted["traces"].items()},
        "examples": {
            name: [example(seed, each) for seed in range(each["seeds"])]
            for name, each in wanted["examples"].items()
        },
    }
    json.dump(figures, sys.stdout)


def replay(trace: dict[str, Any]) -> dict[str, Any]:
    """Return how many started cold, and when each instance was created and gone.

    SimFaaS draws one arrival ahead, and one more where nothing is left: both are far away.
    """
    services = iter([*trace["services_us"], 1])
    simulator = ServerlessSimulator(
        arrival_process=Listed(iter([*trace["gaps_us"], FAR_US, FAR_US])),
        warm_service_process=Listed(services),
        cold_service_process=Listed(services, trace["init_us"]),
        expiration_threshold=trace["keep_alive_seconds"],
        max_time=(sum(trace["gaps_us"]) + FAR_US / 2) / US,
    )
    simulator.generate_trace()
    lives = [
        (round(each.creation_time * US), round(each.next_termination * US))
        for each in simulator.prev_servers
    ]
    return {"cold": simulator.total_cold_count - 1, "lives": sorted(lives)}


def example(seed: int, given: dict[str, Any]) -> dict[str, float]:
    """Return figures of a run with SimFaaS's own random numbers."""
    np.random.seed(seed)
    simulator = ServerlessSimulator(
        arrival_rate=given["rate"],
        warm_service_rate=1 / given["warm_seconds"],
        cold_service_process=Cold(given["init_us"], given["warm_seconds"]),
        expiration_threshold=given["keep_alive_seconds"],
        max_time=given["seconds"],
    )
    simulator.generate_trace()
    return {
        "cold": simulator.total_cold_count / simulator.total_req_count,
        "instances": float(simulator.get_average_server_count()),
        "running": float(simulator.get_average_server_running_count()),
    }


def documented(seconds: float) -> dict[str, float]:
    """Run the example as SimFaaS's documentation has it, for so long in simulated time."""
    np.random.seed(1)
    simulator = ServerlessSimulator(
        arrival_rate=0.9,
        warm_service_rate=1 / 1.991,
        cold_service_rate=1 / 2.244,
        expiration_threshold=600,
        max_time=seconds,
    )
    before = time.process_time()
    simulator.generate_trace()
    spent = time.process_time() - before
    return {"cpu_seconds": spent, "requests": simulator.total_req_count,
            "instances": float(simulator.get_average_server_count())}  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["--time"]:
        json.dump(documented(float(sys.argv[2])), sys.stdout)
    else:
        main()
