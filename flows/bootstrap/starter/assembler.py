"""Optional: parts from which simulators are put together where no model writes them.

Each slot has parts, the first one as somebody in a hurry might write it. The template has a place
for each slot. Only the checks tell which parts are right. Change it with the system, or remove it.
"""

from simulator.bootstrap.assembly import Assemblies

SLOTS = {
    # How long a job keeps its server.
    "length": {
        "service": "job.service",
        "longer": "max(job.service, parameters.overhead)",
        "both": "job.service + parameters.overhead",
    },
    # What comes first within one moment.
    "order": {"arrivals": "ARRIVED, FINISHED = 0, 1", "finishes": "FINISHED, ARRIVED = 0, 1"},
    # Which of two jobs that finish at one moment comes first.
    "ties": {"first_started": "count", "lowest_number": "decision.job"},
    # Whether what happens at the horizon itself counts.
    "end": {"before": "time >= scenario.values.horizon", "at": "time > scenario.values.horizon"},
}

TEMPLATE = """
import heapq

{order}


@register_simulator(key="assembly")
def simulate(scenario, parameters, rng, log):
    coming = [(job.arrival, ARRIVED, job.number, job.number) for job in scenario.jobs]
    heapq.heapify(coming)
    count = 0
    while coming:
        time, kind, _, number = heapq.heappop(coming)
        if {end}:
            return
        log("arrived" if kind == ARRIVED else "finished", time, job=number)
        for decision in (yield):
            log("started", time, job=decision.job)
            job = scenario.jobs[decision.job]
            count += 1
            heapq.heappush(coming, (time + {length}, FINISHED, {ties}, decision.job))
"""

space = Assemblies(SLOTS, TEMPLATE)
