"""Nothing ever happens: what every simulator is compared with."""


@register_simulator(key="nothing")
def simulate(scenario, parameters, rng, log):
    return
    yield
