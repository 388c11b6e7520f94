"""A heap of containers that will end, and a list of pipelines that will arrive."""

import heapq


def speed_up(law, cpus):
    if law == 0:
        return 1
    if law == 1:
        return min(cpus, 3)
    if law == 2:
        return min(cpus, 7)
    if law == 3:
        return cpus * cpus
    return min(2 ** min(cpus, 4), 16)


@register_simulator(key="good")
def simulate(scenario, parameters, rng, log):
    chains = [[] for _ in scenario.pipelines]
    for number, operator in enumerate(scenario.operators):
        chains[operator.pipeline].append(number)
    arrivals = [(pipeline.arrival, number) for number, pipeline in enumerate(scenario.pipelines)]
    arrivals.sort(reverse=True)
    running = []
    containers = 0
    horizon = scenario.values.horizon
    while arrivals or running:
        now = min([each[0] for each in arrivals[-1:]] + [each[0] for each in running[:1]])
        if now >= horizon:
            return
        while running and running[0][0] == now:
            _, killed, _, number = heapq.heappop(running)
            if killed:
                log("killed", now, operator=number)
                continue
            log("completed", now, operator=number)
            chain = chains[scenario.operators[number].pipeline]
            chain.pop(0)
            if chain:
                log("ready", now, operator=chain[0])
            else:
                log("finished", now, pipeline=scenario.operators[number].pipeline)
        while arrivals and arrivals[-1][0] == now:
            _, pipeline = arrivals.pop()
            log("arrived", now, pipeline=pipeline)
            log("ready", now, operator=chains[pipeline][0])
        for decision in (yield):
            operator = scenario.operators[decision.operator]
            killed = operator.memory > decision.memory
            ticks = operator.scan + operator.work // speed_up(operator.law, decision.cpus)
            end = now + 1 if killed else now + max(1, ticks)
            containers += 1
            heapq.heappush(running, (end, killed, containers, decision.operator))
            log(
                "started",
                now,
                operator=decision.operator,
                cpus=decision.cpus,
                memory=decision.memory,
            )
