"""Finishes before arrivals within one moment, each in the order of the jobs' numbers."""

import heapq

ASSUMPTIONS = ["A job that finishes at the horizon itself counts as finished."]


@register_simulator(key="right")
def simulate(scenario, parameters, rng, log):
    coming = [(job.arrival, 1, job.number) for job in scenario.jobs]
    heapq.heapify(coming)
    while coming:
        time, kind, number = heapq.heappop(coming)
        if time > scenario.values.horizon:
            return
        log("arrived" if kind else "finished", time, job=number)
        for decision in (yield):
            log("started", time, job=decision.job)
            job = scenario.jobs[decision.job]
            heapq.heappush(coming, (time + job.service + parameters.overhead, 0, decision.job))
