"""The host's half of the domain whose policies are simulators: pages, diagnoses, the suite."""

import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from simulator.bootstrap.check_spec import read_checks
from simulator.bootstrap.domain_spec import SUITE
from simulator.bootstrap.scenario import CheckScenario, scenario_of
from simulator.domain import Domain
from simulator.domain_host import Glance
from simulator.errors import InputError
from simulator.sealed.laws import LAWS_FILE
from simulator.sealed.shapes import SealedSpec
from simulator.sealed.spec import CONTRACT_FILE, read_contract
from simulator.suites import Suite
from simulator.textfile import read_toml

ASSEMBLER = "assembler.py"
TEMPLATES = Path(__file__).with_name("prompt_templates")
SHOWN_FAILURES = 3
"""Counterexamples in one diagnosis; the rest are named."""
MOST_LINES = 60
"""Of one part of a counterexample."""


def host_half(domain: Domain) -> "BootstrapHost":
    """Return the host half of a folder in which a simulator is searched."""
    return BootstrapHost(domain.root)


class BootstrapHost:
    """See ``simulator.domain_host.HostHalf``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def prompt_templates(self) -> Path:
        """The folder with the templates of prompts for simulators."""
        return TEMPLATES

    @cached_property
    def space(self) -> Any:
        """What ``assembler.py`` of the folder offers, None where there is none."""
        path = self._root / ASSEMBLER
        if not path.is_file():
            return None
        spec = importlib.util.spec_from_file_location(f"assay_assembler_{abs(hash(path))}", path)
        assert spec is not None and spec.loader is not None, "the file is there"
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module.space

    def suites(self) -> Mapping[str, Suite[CheckScenario]]:
        """Return the one suite: the checks of ``laws.toml``."""
        checks = tuple(scenario_of(each) for each in read_checks(self._root / LAWS_FILE))
        return {SUITE: Suite(name=SUITE, description="the checks of laws.toml", scenarios=checks)}

    def outline(self, checks: Sequence[CheckScenario]) -> list[str]:
        """Return a line for each check that a proposer is told of."""
        return [f"- {each.name} ({each.family})" for each in checks if each.split == "train"]

    def glance(self, checks: Sequence[CheckScenario]) -> Glance:
        """Return the checks as a table."""
        rows = [
            [each.name, each.check.split, each.family, str(len(each.check.seeds))]
            for each in checks
        ]
        return Glance(title="checks", headers=("name", "split", "kind", "seeds"), rows=rows)

    def contract_page(self, *_calls: str) -> str:
        """Return what a simulator must do: the API, the specification, the contract, the laws."""
        spec = read_contract(self._root / CONTRACT_FILE)
        told = [simulator_page(spec)]
        specification = self._root / "spec.md"
        if specification.is_file():
            told += ["## The specification", specification.read_text(encoding="utf-8")]
        contract = (self._root / CONTRACT_FILE).read_text(encoding="utf-8")
        told += ["## contract.toml", f"```toml\n{_without_generators(contract)}\n```"]
        laws = _laws_text(read_toml(self._root / LAWS_FILE, InputError))
        told += ["## Laws", "They hold in every run.", f"```toml\n{laws}\n```"]
        return "\n\n".join(told)

    def diagnose(
        self, own: Sequence[Mapping[str, Any]], _reference: Sequence[Mapping[str, Any]]
    ) -> list[str]:
        """Return which of the checks that are shown fail, the first ones with counterexamples."""
        failed = [each for each in own if not each.get("passed")]
        lines = [f"{len(own) - len(failed)} of {len(own)} shown checks pass"]
        told: set[str] = set()
        shown = 0
        for each in failed:
            example = each.get("counterexample") or {}
            what = str(example.get("what", each.get("reason", "")))
            if what in told:
                continue
            told.add(what)
            if shown < SHOWN_FAILURES:
                shown += 1
                lines.append(counterexample_text(each))
            else:
                lines.append(f"also broken: {what}")
        return lines


def counterexample_text(metrics: Mapping[str, Any]) -> str:
    """Return why a check failed, with its smallest scenario and log, as lines of Markdown."""
    example = metrics.get("counterexample") or {}
    lines = [f"- fails: {_cut(str(metrics.get('reason', '')))}"]
    for key, words in (("scenario", "the smallest scenario found"), ("log", "its log up to there")):
        if example.get(key):
            inner = _cut(str(example[key]))
            lines.append(f"  {words}:\n\n```text\n{inner}\n```")
    return "\n".join(lines)


def simulator_page(spec: SealedSpec) -> str:
    """Return how a simulator is written for a contract."""
    event, kind = next(iter(spec.events.items()))
    fields = "".join(f", {name}=..." for name in kind.fields)
    tables = ", ".join(f"`scenario.{name}`" for name in spec.tables)
    return f"""\
## How a simulator is written

One function is registered with `@register_simulator(key="...")`. It is called once for each run:

```python
@register_simulator(key="mine")
def simulate(scenario, parameters, rng, log):
    log("{event}", time{fields})
    for decision in (yield):
        decision.kind   # and its fields, as numbers of rows or plain numbers
```

- `scenario.values.NAME`; the tables {tables or "(none)"} are lists of rows with
  `row.number` and their columns, all of them whole numbers. `parameters.NAME`. `rng` is a
  `random.Random`.
- `log(event, time, field=...)` says what happens. Times are whole numbers of us and never go back.
  Events after the horizon are dropped.
- After an event whose `asks` is true, `yield` before time moves on: it gives the policy its turn
  and returns its decisions, all of them legal. Carry them out at once: each `causes` is logged with
  the same fields at the same time.
- The run ends when the function returns. Figures are computed from the log, never by you.
- Give `ASSUMPTIONS = ["..."]` at the top level: every choice that the specification leaves open."""


def _laws_text(table: Mapping[str, Any]) -> str:
    """Return the laws alone, written anew: nothing of a check, no comment, reaches a proposer."""
    laws = [
        "\n".join(["[[laws]]", *(f"{key} = {json.dumps(value)}" for key, value in law.items())])
        for law in table.get("laws", [])
    ]
    return "\n\n".join(laws)


def _without_generators(contract: str) -> str:
    """Return a contract without the ways in which scenarios are drawn."""
    kept: list[str] = []
    inside = True
    for line in contract.splitlines():
        bare = line.strip().replace(" ", "")
        if bare.startswith("["):
            inside = not bare.startswith("[generators")
        if inside:
            kept.append(line)
    return "\n".join(kept).strip()


def _cut(text: str) -> str:
    lines = text.splitlines()
    return "\n".join(lines if len(lines) <= MOST_LINES else [*lines[:MOST_LINES], "..."])
