"""How much of the prompts of a search begins as the prompt before, which a server may have kept."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from flows.history.store import Ask
from flows.prompting.prompts import repeated_share

BEFORE = """
SELECT p.messages FROM candidates c JOIN prompts p USING (prompt_sha256)
WHERE c.experiment_id = ? AND (c.iteration, c.slot) < (?, ?)
ORDER BY c.iteration DESC, c.slot DESC LIMIT 1
"""

Messages = Sequence[Mapping[str, Any]]


def prompt_size(ask: Ask, place: Sequence[Any], messages: Messages) -> Iterator[str]:
    """Yield how long the prompt of an attempt is and how much of it is as before, if it has one."""
    if messages:
        prompt = whole(messages)
        earlier = [whole(json.loads(row[0])) for row in ask(BEFORE, place).rows]
        shares = [f", the first {repeated_share(each, prompt):.0%} as before" for each in earlier]
        yield f"prompt: {len(prompt):,} characters{''.join(shares)}"


def same_share(prompts: Sequence[Messages]) -> float | None:
    """Return the share over prompts in the order in which they were sent, None for one or none."""
    pairs = list(pairwise(map(whole, prompts)))
    length = sum(len(after) for _, after in pairs)
    same = sum(repeated_share(before, after) * len(after) for before, after in pairs)
    return same / length if length else None


def whole(messages: Messages) -> str:
    """Return the text of a prompt, its messages one after another."""
    return "".join(str(each.get("content", "")) for each in messages)
