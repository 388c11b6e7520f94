"""Goes from one moment to the next, and looks at everything in each."""

import bisect


@register_simulator(key="by-time")
def simulate(scenario, parameters, rng, log):
    arrivals, ends = {}, {}
    for job in scenario.jobs:
        arrivals.setdefault(job.arrival, []).append(job.number)
    moments = sorted(arrivals)
    while moments:
        now = moments.pop(0)
        for number in sorted(ends.pop(now, [])):
            log("finished", now, job=number)
        for number in arrivals.pop(now, []):
            log("arrived", now, job=number)
        for decision in (yield):
            log("started", now, job=decision.job)
            end = now + scenario.jobs[decision.job].service + parameters.overhead
            if end not in moments:
                bisect.insort(moments, end)
            ends.setdefault(end, []).append(decision.job)
