"""How prompts use the money that they cost: ``python -m benchmarks prompts``.

Prompts of searches by the offline proposer on train alone, which are rendered and sent nowhere: how
much of each begins as the one before, which a server charges less for, and how much of the
diagnoses is left where a server has little room.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from benchmarks.bench_search import search_config
from benchmarks.measure import sized
from benchmarks.train_search import TrainSearch, search_on_train
from flows.attempt import Move, SeenAttempt
from flows.prompting.prompts import (
    CHARS_PER_TOKEN,
    Shown,
    by_density,
    choose_parts,
    families_of,
    fitted,
    render_prompt,
    repeated_share,
    system_text,
    user_text,
)
from flows.proposers.offline.proposer import offline_proposer
from flows.settings.search import SearchConfig

STRATEGIES = ("refine", "evolve")
ROOMS = (4_000, 8_000, 16_000)
"""Tokens of a whole prompt."""
CACHED = 0.1
"""What a cached token costs, where a fresh one costs 1."""

Rank = Callable[[Shown], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one prompt is made from."""

    attempts: tuple[SeenAttempt, ...]
    move: Move
    chosen: tuple[SeenAttempt, ...]


@dataclass(slots=True)
class Asking:
    """What the prompts of a search are made from."""

    found: list[Asked] = field(default_factory=list)

    def note(self, search: TrainSearch, move: Move, chosen: Sequence[SeenAttempt]) -> None:
        attempts = tuple(search.attempts)
        self.found.append(Asked(attempts=attempts, move=move, chosen=tuple(chosen)))


def main(arguments: Sequence[str] = ()) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="smoke")
    parser.add_argument("--candidates", type=int, default=sized(30, 3))
    parser.add_argument("--strategy", action="append", choices=STRATEGIES)
    options = parser.parse_args(arguments)
    recorded = {}
    for strategy in options.strategy or sized(STRATEGIES, STRATEGIES[:1]):
        config = search_config(options.suite, strategy, 1, options.candidates)
        asking = Asking()
        search = search_on_train(
            config, offline_proposer(config.domain), options.candidates, asking.note
        )
        recorded[strategy] = (config, search, asking.found)
    print(f"prompts of {options.candidates} candidates on {options.suite}, seed 1\n")
    print("| strategy | characters, mean | as the one before, mean (least) | cost, all fresh: 1 |")
    print("|---|---:|---:|---:|")
    for strategy, (config, search, asked) in recorded.items():
        print(f"| {strategy} | {prefix_row([written(config, search, each) for each in asked])} |")
    print("\ncharacters of diagnoses that are shown, of those that a prompt without a bound has")
    print(f"| strategy | parts by | {' | '.join(f'{room} tokens' for room in ROOMS)} |")
    print(f"|---|---|{'---:|' * len(ROOMS)}")
    for strategy, (config, search, asked) in recorded.items():
        prompts = [parts_of(config, search, each) for each in asked]
        for name, rank in (("worth", by_worth), ("worth for their length", by_density)):
            shares = [survival(prompts, room, rank) for room in ROOMS]
            cells = " | ".join(f"{share:.0%} ({source:.0%})" for share, source in shares)
            print(f"| {strategy} | {name} | {cells} |")
    print("\nin brackets: the share of prompts that show the best policy, or all parents")


def written(config: SearchConfig, search: TrainSearch, asked: Asked) -> str:
    """Return the whole text of a prompt."""
    prompt = render_prompt(
        config=config,
        scenarios=search.scenarios,
        attempts=asked.attempts,
        move=asked.move,
        chosen=asked.chosen,
    )
    return prompt.system + prompt.user


def prefix_row(prompts: Sequence[str]) -> str:
    """Return the cells about prompts in the order in which they would be sent."""
    pairs = list(pairwise(prompts))
    shares = [repeated_share(before, prompt) for before, prompt in pairs]
    lengths = [len(prompt) for _, prompt in pairs]
    fresh = sum(
        length * (1 - share + CACHED * share) for length, share in zip(lengths, shares, strict=True)
    )
    return (
        f"{statistics.fmean(lengths):,.0f} | {statistics.fmean(shares):.0%} ({min(shares):.0%}) | "
        f"{fresh / sum(lengths):.2f}"
    )


def by_worth(part: Shown) -> float:
    """Return what a part is worth, however long it is."""
    return part.worth


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a prompt may show, what writes it, and how long the system text is."""

    parts: Sequence[Shown]
    write: Callable[[Sequence[Shown]], str]
    system: int


def parts_of(config: SearchConfig, search: TrainSearch, asked: Asked) -> Parts:
    """Return what a prompt is made of."""
    families = families_of(search.scenarios)
    return Parts(
        parts=choose_parts(config, asked.attempts, asked.move, asked.chosen, families),
        write=user_text(config, search.scenarios, asked.attempts, asked.move),
        system=len(system_text(config, search.scenarios)),
    )


def survival(prompts: Sequence[Parts], room: int, rank: Rank) -> tuple[float, float]:
    """Return the share of diagnoses that fit, and that of prompts with their needed sources."""
    shown = every = whole = 0
    for each in prompts:
        kept = fitted(each.parts, each.write, room * CHARS_PER_TOKEN - each.system, rank)
        shown += sum(len(part.diagnosis) for part in kept)
        every += sum(len(part.diagnosis) for part in each.parts)
        sources = {part.key for part in each.parts if part.kind == "policy" and part.needed}
        whole += sources <= {part.key for part in kept if part.kind == "policy"}
    return shown / max(1, every), whole / max(1, len(prompts))


if __name__ == "__main__":
    main(sys.argv[1:])
