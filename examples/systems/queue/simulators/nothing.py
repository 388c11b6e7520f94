"""Logs nothing: what every simulator must be better than."""


@register_simulator(key="nothing")
def simulate(scenario, parameters, rng, log):
    return
