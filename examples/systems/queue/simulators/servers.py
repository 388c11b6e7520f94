"""Each server is a place that holds a job and the time of its end."""


@register_simulator(key="servers")
def simulate(scenario, parameters, rng, log):
    servers = [None] * scenario.values.servers
    arrivals = list(enumerate(scenario.jobs))
    while arrivals or any(servers):
        now = min([each[0] for each in servers if each] + [job.arrival for _, job in arrivals[:1]])
        if now > scenario.values.horizon:
            return
        for end, number in sorted(each for each in servers if each):
            if end == now:
                log("finished", now, job=number)
                servers[servers.index((end, number))] = None
        while arrivals and arrivals[0][1].arrival == now:
            log("arrived", now, job=arrivals.pop(0)[0])
        for decision in (yield):
            if decision.kind == "start":
                end = now + parameters.overhead + scenario.jobs[decision.job].service
                servers[servers.index(None)] = (end, decision.job)
                log("started", now, job=decision.job)
            else:
                log("refused", now, job=decision.job)
