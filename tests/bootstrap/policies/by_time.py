"""Goes from one moment to the next, and looks at everything in each."""


@register_simulator(key="by-time")
def simulate(scenario, parameters, rng, log):
    ends = {}
    arrivals = {job.number: job.arrival for job in scenario.jobs}
    while ends or arrivals:
        now = min([*ends.values(), *arrivals.values()])
        for number in [each for each in sorted(ends) if ends[each] == now]:
            del ends[number]
            log("finished", now, job=number)
        for number in [each for each in arrivals if arrivals[each] == now]:
            del arrivals[number]
            log("arrived", now, job=number)
        for decision in (yield):
            log("started", now, job=decision.job)
            service = scenario.jobs[decision.job].service
            ends[decision.job] = now + service + parameters.overhead
