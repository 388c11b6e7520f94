"""A search that asks a local server for its candidates; cells, journal and clock are fakes."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.attempt import Proposer
from flows.history.records import CandidateRow, LlmCallRow, PromptRow, Row
from flows.proposers.model import OpenAiProposer
from flows.search.loop import run_search
from flows.search.progress import SearchResult
from flows.settings.search import SearchConfig
from tests.support.model_server import Behaviour, Received, Sent, says
from tests.support.search_fakes import FakeJournal, FakeSandbox, config, services

PRICES = """
[models."any"]
input_per_million = 1000.0
output_per_million = 10000.0
"""
"""A usual reply of the local server, 900 tokens in and 100 out, costs 1.90 dollars."""


@dataclass
class Searched:
    """What a search did and recorded."""

    result: SearchResult | None
    rows: list[Row]
    sandbox: FakeSandbox

    @property
    def calls(self) -> list[LlmCallRow]:
        return [row for row in self.rows if isinstance(row, LlmCallRow)]

    @property
    def candidates(self) -> list[CandidateRow]:
        found = [row for row in self.rows if isinstance(row, CandidateRow) and row.iteration > 0]
        return list({(row.iteration, row.slot): row for row in found}.values())

    @property
    def prompts(self) -> list[PromptRow]:
        return [row for row in self.rows if isinstance(row, PromptRow)]


def improves(received: Received) -> Sent:
    """Answer each prompt with a policy that is better the longer the prompt is."""
    text = "".join(str(each["content"]) for each in received.body["messages"])
    return says(f"```python\nlatency = {40 - len(text) / 10_000}\n```")(received)


def searching(url: str, prices: Path, **settings: Any) -> SearchConfig:
    """Return the configuration of a search whose model is at ``url`` and has a price."""
    prices.write_text(PRICES, encoding="utf-8")
    small = {"feedback__prompt_tokens": 4000, "proposer__max_output_tokens": 1000}
    chosen = {"proposer__kind": "openai", "proposer__base_url": url, "proposer__model": "any"}
    return config(**{**small, **chosen, "proposer__prices": prices, **settings})


def search(
    chosen: SearchConfig,
    *,
    earlier: Sequence[Row] = (),
    fails_after: int | None = None,
    proposer: Proposer | None = None,
) -> Searched:
    """Run the search, which is killed when its journal has taken ``fails_after`` rows."""
    journal, sandbox = FakeJournal(fails_after), FakeSandbox()
    around: Any = services(
        proposer or OpenAiProposer(chosen.proposer, {}),  # type: ignore[arg-type]
        journal=journal,
        sandbox=sandbox,
        earlier=tuple(earlier),
    )
    result = None
    with suppress(KeyboardInterrupt):
        result = run_search(chosen, around)
    return Searched(result, [*earlier, *journal.rows], sandbox)


def answers(text: str) -> Behaviour:
    """Answer every prompt with this policy."""
    return says(f"```python\n{text}\n```")
