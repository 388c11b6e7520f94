"""A scenario: a world with a name, and its bytes and hash."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from simulator.domains.faas.costs import worst_cost_us, worst_delay_us
from simulator.domains.faas.world import MB_PER_GB, US, World, check_world
from simulator.errors import InputError
from simulator.messages import MessageError, decode, encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A world with a name, a family and a split, to try policies on."""

    name: str
    family: str
    split: str
    sha256: str
    world: World

    @property
    def calls(self) -> str:
        """When the policy is called: one of ``CALLS``."""
        return self.world.setup.calls

    @property
    def duration_seconds(self) -> float:
        """Until when invocations arrive."""
        return self.world.duration_us / US

    @property
    def size(self) -> Mapping[str, int]:
        """How much there is of what."""
        setup = self.world.setup
        return {
            "invocations": len(self.world.times),
            "functions": len(setup.functions),
            "tenants": len(setup.tenants),
            "nodes": len(setup.nodes),
        }

    @property
    def figures(self) -> Mapping[str, float]:
        """What is known before any policy ran: capacities, and the charge for a failure."""
        nodes = self.world.setup.nodes
        return {
            "memory_mb": float(sum(each.memory_mb for each in nodes)),
            "nodes": float(len(nodes)),
            "worst_cost_seconds": float(worst_cost_us(self.world) / US),
            "worst_delay_seconds": float(worst_delay_us(self.world) / US),
            "least_delay_seconds": 1 / US,
        }

    @property
    def settings(self) -> Mapping[str, Any]:
        """The parameters beside the tables, as plain values."""
        return {
            "duration_seconds": self.duration_seconds,
            "calls": self.calls,
            "gb_seconds_per_delay_second": self.world.setup.price_mb_us / (MB_PER_GB * US),
        }


def make_scenario(world: World, *, name: str, family: str, split: str) -> Scenario:
    """Return a scenario with the hash of its world."""
    sha256 = hashlib.sha256(encode(world)).hexdigest()
    return Scenario(name=name, family=family, split=split, sha256=sha256, world=world)


def with_calls(scenario: Scenario, calls: str) -> Scenario:
    """Return the scenario with another calling mode and the hash that goes with it."""
    setup = msgspec.structs.replace(scenario.world.setup, calls=calls)
    world = replace(scenario.world, setup=setup)
    check_world(world, scenario.name)
    return make_scenario(world, name=scenario.name, family=scenario.family, split=scenario.split)


def encode_scenario(scenario: Scenario) -> bytes:
    """Return the bytes of a scenario."""
    return encode(scenario)


def decode_scenario(data: bytes) -> Scenario:
    """Return the scenario in ``data``; raise :class:`InputError` on anything else."""
    try:
        scenario = decode(data, Scenario)
    except MessageError as error:
        raise InputError(f"not an encoded scenario: {error}") from None
    check_world(scenario.world, scenario.name)
    return scenario
