"""Simulators put together from parts, one for each slot: what is tried where no model writes them.

34,992 assemblies; a few are right. Which is which, only the checks can tell. The first part of each
slot is what somebody in a hurry might write.
"""

from simulator.bootstrap.assembly import Assemblies

SLOTS = {
    # How much faster an operator is with more processors, by its law.
    "first_law": {
        "free": "return cpus",
        "three": "return min(cpus, 3)",
        "four": "return min(cpus, 4)",
    },
    "second_law": {
        "free": "return cpus",
        "eight": "return min(cpus, 8)",
        "seven": "return min(cpus, 7)",
    },
    "third_law": {"double": "return 2 * cpus", "square": "return cpus * cpus"},
    "fourth_law": {
        "power": "return 2 ** min(cpus, 10)",
        "sixteen": "return min(16, 2 ** min(cpus, 4))",
        "four": "return 2 ** min(cpus, 2)",
    },
    # How long an operator runs.
    "length": {
        "all_faster": "return (operator.scan + operator.work) // faster",
        "rounded_up": "return operator.scan + -(-operator.work // faster)",
        "rounded_down": "return operator.scan + operator.work // faster",
    },
    "least": {"none": "return ticks", "one": "return max(1, ticks)"},
    # Which operators are killed, and when.
    "killed": {
        "never": "return False",
        "as_much": "return needed >= given",
        "more": "return needed > given",
    },
    "kill": {"at_the_end": "return ticks", "at_once": "return 1"},
    # What comes first at one instant.
    "order": {
        "arrivals": "ARRIVED, COMPLETED, KILLED = range(3)",
        "kills": "KILLED, COMPLETED, ARRIVED = range(3)",
        "completions": "COMPLETED, KILLED, ARRIVED = range(3)",
    },
    "ties": {"lowest_number": "return number", "started_first": "return count"},
    "end": {
        "drain": "return True",
        "inclusive": "return time <= scenario.values.horizon",
        "cut": "return time < scenario.values.horizon",
    },
}

TEMPLATE = """
import heapq

{order}


def speed_up(law, cpus):
    if law == 0:
        return 1
    if law == 1:
        {first_law}
    if law == 2:
        {second_law}
    if law == 3:
        {third_law}
    {fourth_law}


@register_simulator(key="assembly")
def simulate(scenario, parameters, rng, log):
    operators = scenario.operators
    chains = [[] for _ in scenario.pipelines]
    for number, operator in enumerate(operators):
        chains[operator.pipeline].append(number)
    agenda = [(each.arrival, ARRIVED, each.number, each.number) for each in scenario.pipelines]
    heapq.heapify(agenda)
    count = 0

    def work_of(operator, faster):
        {length}

    def at_least(ticks):
        {least}

    def is_killed(needed, given):
        {killed}

    def killed_after(ticks):
        {kill}

    def place(number, count):
        {ties}

    def goes_on(time):
        {end}

    while agenda and goes_on(agenda[0][0]):
        now = agenda[0][0]
        while agenda and agenda[0][0] == now:
            _, kind, _, number = heapq.heappop(agenda)
            if kind == KILLED:
                log("killed", now, operator=number)
            elif kind == ARRIVED:
                log("arrived", now, pipeline=number)
                log("ready", now, operator=chains[number][0])
            else:
                log("completed", now, operator=number)
                pipeline = operators[number].pipeline
                chains[pipeline].remove(number)
                if chains[pipeline]:
                    log("ready", now, operator=chains[pipeline][0])
                else:
                    log("finished", now, pipeline=pipeline)
        for decision in (yield):
            number, cpus, memory = decision.operator, decision.cpus, decision.memory
            log("started", now, operator=number, cpus=cpus, memory=memory)
            operator = operators[number]
            kind, ticks = COMPLETED, work_of(operator, speed_up(operator.law, cpus))
            ticks = at_least(ticks)
            if is_killed(operator.memory, memory):
                kind, ticks = KILLED, killed_after(ticks)
            count += 1
            heapq.heappush(agenda, (now + ticks, kind, place(number, count), number))
"""

space = Assemblies(SLOTS, TEMPLATE)
