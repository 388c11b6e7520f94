"""Test scenarios that do not exist until they are drawn, of the kinds that a suite's own have."""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from simulator.domain_host import Fresh
from simulator.domains.faas.entries import Lines
from simulator.domains.faas.families import FAMILIES, HOUR, SHIFTED, Family
from simulator.domains.faas.scenario import Scenario, make_scenario, with_calls
from simulator.domains.faas.scenario_files import MAX_TOML_BYTES, SCENARIO_FILE, world_of
from simulator.domains.faas.suite_builder import render_scenario
from simulator.errors import InputError
from simulator.textfile import read_text, read_toml


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A scenario whose invocations were drawn, so that others of the same kind can be."""

    scenario: Scenario
    text: str
    """Its file."""
    family: Family | None
    """Draws the functions anew as well; None where the platform of the file stays."""


def redraw(suite: Path, scenarios: Sequence[Scenario], seed: int) -> Fresh[Pattern]:
    """Return how to draw scenarios of a suite file anew; nothing is drawn yet."""
    files = {each["name"]: each["scenario"] for each in read_toml(suite, InputError)["scenarios"]}
    patterns, left_out = [], []
    for scenario in scenarios:
        path = suite.parent / files[scenario.name]
        text = read_text(
            path / SCENARIO_FILE if path.is_dir() else path, InputError, MAX_TOML_BYTES
        )
        reason = _why_not(_table(text))
        if reason:
            left_out.append(f"{scenario.name}, {reason}")
        else:
            family = _family(scenario, text)
            patterns.append(Pattern(scenario=scenario, text=text, family=family))
    return Fresh(seed=seed, patterns=tuple(patterns), left_out=tuple(left_out), drawn=_drawn)


def _why_not(table: Mapping[str, Any]) -> str:
    """Return why a scenario cannot be redrawn, an empty text if it can."""
    traffic = table.get("traffic")
    if traffic is None:
        return "whose invocations are listed in a file"
    if all(each.get("arrivals") == "cron" and each.get("service") == "fixed" for each in traffic):
        return "in whose traffic nothing is drawn"
    return ""


def _family(scenario: Scenario, text: str) -> Family | None:
    """Return the shipped family whose file this is, to the last byte."""
    known = next((each for each in (*FAMILIES, SHIFTED) if each.name == scenario.family), None)
    if known is None:
        return None
    seed = _table(text).get("seed", 0)
    drafted = known.draft(seed, scenario.duration_seconds / HOUR)
    return known if render_scenario(known, drafted, seed) == text else None


def _drawn(pattern: Pattern, seed: int) -> Scenario:
    """Return another scenario of a kind.

    What the generator is seeded with is made of the seed and the scenario's name, so that two of
    one family differ, and that no small seed gives a scenario that a suite ships.
    """
    scenario = pattern.scenario
    name = f"{scenario.name}-fresh-{seed}"
    digest = hashlib.sha256(f"fresh test/{seed}/{scenario.name}".encode()).digest()
    own = int.from_bytes(digest[:8]) >> 1
    text = pattern.text
    if pattern.family is not None:
        drafted = pattern.family.draft(own, scenario.duration_seconds / HOUR)
        text = render_scenario(pattern.family, drafted, own)
    world = world_of({**_table(text), "seed": own}, Path(), Lines(name, text))
    drawn = make_scenario(world, name=name, family=scenario.family, split=scenario.split)
    return drawn if drawn.calls == scenario.calls else with_calls(drawn, scenario.calls)


def _table(text: str) -> dict[str, Any]:
    return tomllib.loads(text, parse_float=Decimal)
