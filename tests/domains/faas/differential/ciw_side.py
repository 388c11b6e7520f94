"""What Ciw makes of traces: runs in Ciw's environment and knows nothing of ours.

``python -m ciw_side`` reads queues by name as JSON (``servers``, ``loses``, ``patience_seconds``,
``gaps_us``, ``services_us``) and prints for each how long every request waited, in µs and in order
of arrival; ``null`` is one that did not get a server, lost at once or out of patience.
"""

import json
import sys
from typing import Any

import ciw

US = 1_000_000
FAR_SECONDS = 1e9


class Listed(ciw.dists.Distribution):  # type: ignore[misc]
    """Each request's own service time, whether or not those before it were served."""

    def __init__(self, services_us: list[int]) -> None:
        self.services_us = services_us

    def sample(self, t: Any = None, ind: Any = None) -> float:
        service_us: int = self.services_us[ind.id_number - 1]
        return service_us / US


def main() -> None:
    json.dump({name: waits(each) for name, each in json.load(sys.stdin).items()}, sys.stdout)


def waits(queue: dict[str, Any]) -> list[int | None]:
    """Replay a trace."""
    patience = queue["patience_seconds"]
    network = ciw.create_network(
        arrival_distributions=[
            ciw.dists.Sequential([*(each / US for each in queue["gaps_us"]), FAR_SECONDS])
        ],
        service_distributions=[Listed(queue["services_us"])],
        number_of_servers=[queue["servers"]],
        queue_capacities=[0] if queue["loses"] else None,
        reneging_time_distributions=[ciw.dists.Deterministic(patience)] if patience else None,
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(FAR_SECONDS / 2)
    records = sorted(simulation.get_all_records(), key=lambda each: each.id_number)
    return [
        round(each.waiting_time * US) if each.record_type == "service" else None for each in records
    ]


if __name__ == "__main__":
    main()
