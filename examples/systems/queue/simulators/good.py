"""An event loop over arrivals and a heap of ends."""

import heapq


@register_simulator(key="good")
def simulate(scenario, parameters, rng, log):
    jobs, ends, coming = scenario.jobs, [], 0
    while coming < len(jobs) or ends:
        times = [end for end, _ in ends[:1]] + [job.arrival for job in jobs[coming : coming + 1]]
        now = min(times)
        while ends and ends[0][0] == now:
            log("finished", now, job=heapq.heappop(ends)[1])
        while coming < len(jobs) and jobs[coming].arrival == now:
            log("arrived", now, job=coming)
            coming += 1
        for decision in (yield):
            if decision.kind == "refuse":
                log("refused", now, job=decision.job)
                continue
            log("started", now, job=decision.job)
            end = now + parameters.overhead + jobs[decision.job].service
            heapq.heappush(ends, (end, decision.job))
