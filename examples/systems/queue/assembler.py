"""Simulators put together from parts, one for each slot: what is tried where no model writes them.

288 assemblies; a few are right. Which is which, only the checks can tell. The first part of each
slot is what somebody in a hurry might write.
"""

from simulator.bootstrap.assembly import Assemblies

SLOTS = {
    # How long a job holds its server.
    "length": {
        "estimate": "return job.estimate",
        "service": "return job.service",
        "both": "return parameters.overhead + job.service",
        "longer": "return max(parameters.overhead, job.service)",
    },
    # What comes first at one instant.
    "order": {"arrivals": "ARRIVED, FINISHED = 0, 1", "ends": "FINISHED, ARRIVED = 0, 1"},
    # Which of two jobs that finish at one instant comes first.
    "ties": {"started_first": "return count", "lowest_number": "return number"},
    # What becomes of a job that is refused.
    "refuse": {
        "nothing": "continue",
        "finished": 'log("finished", now, job=decision.job)\ncontinue',
        "refused": 'log("refused", now, job=decision.job)\ncontinue',
    },
    # How often the policy has its turn at one instant.
    "turns": {"each_event": "break", "once": "continue"},
    "end": {
        "cut": "return time < scenario.values.horizon",
        "inclusive": "return time <= scenario.values.horizon",
        "early": "return time + 1 < scenario.values.horizon",
    },
}

TEMPLATE = """
import heapq

{order}


@register_simulator(key="assembly")
def simulate(scenario, parameters, rng, log):
    agenda = [(job.arrival, ARRIVED, job.number, job.number) for job in scenario.jobs]
    heapq.heapify(agenda)
    count = 0

    def length(job):
        {length}

    def place(number, count):
        {ties}

    def goes_on(time):
        {end}

    while agenda and goes_on(agenda[0][0]):
        now = agenda[0][0]
        while agenda and agenda[0][0] == now:
            _, kind, _, number = heapq.heappop(agenda)
            log("arrived" if kind == ARRIVED else "finished", now, job=number)
            {turns}
        for decision in (yield):
            if decision.kind == "refuse":
                {refuse}
            log("started", now, job=decision.job)
            count += 1
            end = now + length(scenario.jobs[decision.job])
            heapq.heappush(agenda, (end, FINISHED, place(decision.job, count), decision.job))
"""

space = Assemblies(SLOTS, TEMPLATE)
