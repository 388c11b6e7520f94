"""What the record of a search teaches: ``python -m benchmarks lessons``.

The searches are those of the offline proposer, on train alone and in this process. Two questions:
how well do the lessons so far predict the gains of the next children, and does a reader of the
prompt who knows nothing else, and continues such a search, come further with them?
"""

import argparse
import math
import os
import random
import re
import statistics
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from benchmarks.bench_search import search_config
from benchmarks.measure import least_cpu_seconds, sized
from benchmarks.train_search import TrainSearch, search_on_train
from flows.attempt import Proposal, SeenAttempt
from flows.judging.intervals import paired_interval
from flows.prompting.lessons import Change, Record, pairs_of, record_of, seen
from flows.prompting.prompts import families_of, render_prompt
from flows.prompting.templates import render_text
from flows.proposers.offline.proposer import offline_proposer
from simulator.domain import Domain, find_domain
from simulator.domains.pipelines import offline
from simulator.domains.pipelines.offline.space import GENES, Genome
from simulator.genes import Value

AHEAD = sized(20, 4)
"""Children whose gains are predicted from what was tried before them."""
GOOD = 0.95
"""Of the way from the best of the search to the best that either reader found: what is to be
reached."""
FOLLOWS = 0.5
"""How often the reader does what a lesson says, where one can be followed."""
REWRITES = 3
"""Genes that the reader changes at once, as a model does that writes a policy anew."""
TRIES = 50
FAR = re.MULTILINE | re.DOTALL
DIRECTION = re.compile(r"(larger|smaller|with|without) `(\w+)`")
CHOICE = re.compile(r"`(\w+)` (is|is not) `([^`]+)`")


def main(arguments: Sequence[str] = ()) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="smoke")
    parser.add_argument("--candidates", type=int, default=sized(120, 6))
    parser.add_argument("--more", type=int, default=sized(40, 2), help="candidates of a reader")
    parser.add_argument("--seeds", type=int, default=sized(10, 1))
    options = parser.parse_args(arguments)
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        record_one = partial(record_search, options.suite, options.candidates)
        searches = list(pool.map(record_one, range(1, options.seeds + 1)))
        print_predictions(searches)
        without, told = (
            list(pool.map(partial(read_search, options.more, told), searches))
            for told in (False, True)
        )
    print_readers(without, told)


# Prediction.


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A search that ended: what was tried, and the families of the scenarios."""

    suite: str
    seed: int
    attempts: tuple[SeenAttempt, ...]
    families: dict[str, str]

    @property
    def domain(self) -> Domain:
        return find_domain("pipelines")


def record_search(suite: str, candidates: int, seed: int) -> Recorded:
    """Search with the offline proposer."""
    config = search_config(suite, "evolve", seed, candidates)
    search = search_on_train(config, offline_proposer(config.domain), candidates)
    return Recorded(
        suite=suite,
        seed=seed,
        attempts=tuple(search.attempts),
        families=families_of(search.scenarios),
    )


def print_predictions(searches: Sequence[Recorded]) -> None:
    """Print how well gains are predicted, the mean over the searches of each one's mean."""
    for genes in (True, False):
        found = [taus(each, genes) for each in searches]
        what = "genes" if genes else "syntax trees"
        print(f"\n{len(searches)} searches, {what}; gain over the parent, next {AHEAD} children")
        print("| predicted by | Kendall's tau, mean (95 % interval over searches) |\n|---|---:|")
        for name in found[0]:
            print(f"| {name} | {_mean_interval([each[name] for each in found])} |")
    longest = max(searches, key=lambda each: len(each.attempts))
    seconds, _ = least_cpu_seconds(lambda: record(longest, len(longest.attempts), True))
    print(f"\nlessons of {len(longest.attempts)} attempts: {1000 * seconds:.0f} ms of CPU")


def taus(search: Recorded, genes: bool) -> dict[str, float]:
    """Return the mean of Kendall's tau over the blocks of a search, by what predicts."""
    found: dict[str, list[float]] = {"no lessons": [], "score of the parent": [], "lessons": []}
    count = len(search.attempts)
    for start in range(AHEAD, count - AHEAD + 1, AHEAD):
        known = record(search, start, genes)
        scores = {each.candidate: each.score or 0.0 for each in search.attempts}
        objective = search.domain.spec.objective()
        space = search.domain.hosted("space") if genes else None
        late = {(each.iteration, each.slot) for each in search.attempts[start : start + AHEAD]}
        pairs = [
            pair
            for pair in pairs_of(seen(search.attempts, objective), space)
            if pair.child.key in late and pair.gains
        ]
        real = [statistics.fmean(pair.gains.values()) for pair in pairs]
        found["no lessons"].append(kendall([0.0] * len(real), real))
        by_parent = [-scores[pair.parent.candidate] for pair in pairs]
        found["score of the parent"].append(kendall(by_parent, real))
        found["lessons"].append(kendall([predicted(known, pair.changes) for pair in pairs], real))
    return {name: statistics.fmean(values) for name, values in found.items()}


def record(search: Recorded, count: int, genes: bool) -> Record:
    """Return what the first attempts of a search show."""
    domain = search.domain
    tried = seen(search.attempts[:count], domain.spec.objective())
    return record_of(tried, search.families, domain.hosted("space") if genes else None)


def predicted(known: Record, changes: Mapping[Change, int]) -> float:
    """Return the log ratio that the lessons promise for a child with these changes."""
    total = 0.0
    for lesson in known.lessons:
        agree = [turn * changes.get(change, 0) for change, turn in lesson.changes]
        total += lesson.effect.mean * statistics.fmean(agree)
    return total


def kendall(one: Sequence[float], other: Sequence[float]) -> float:
    """Return Kendall's tau-b of two rankings; 0 where one of them ranks nothing."""
    agree = one_ties = other_ties = pairs = 0
    for at in range(len(one)):
        for before in range(at):
            pairs += 1
            a, b = _sign(one[at] - one[before]), _sign(other[at] - other[before])
            agree += a * b
            one_ties += a == 0
            other_ties += b == 0
    whole = math.sqrt((pairs - one_ties) * (pairs - other_ties))
    return agree / whole if whole else 0.0


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _mean_interval(values: Sequence[float]) -> str:
    """Return a mean and its interval."""
    interval = paired_interval([math.exp(value) for value in values], seed=0)
    if len(values) == 1:
        return f"{interval.mean:.2f}"
    return f"{interval.mean:.2f} ({interval.low:.2f} to {interval.high:.2f})"


# A reader of the prompt.


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One search by the reader: the best score on train after each candidate."""

    best: tuple[float, ...]
    sections: int
    """Prompts that had lessons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One change of a gene that a lesson recommends."""

    percent: float
    gene: str
    how: str
    """larger | smaller | with | without | is | is not"""
    value: Value | None = None

    def follow(self, genome: Genome, rng: random.Random) -> Genome:
        """Return the genome with the change, the same where it has it already."""
        match self.how:
            case "with" | "without":
                return GENES.with_values(genome, {self.gene: self.how == "with"})
            case "larger" | "smaller":
                return GENES.step(genome, self.gene, 1 if self.how == "larger" else -1)
            case "is" if self.value is not None:
                return GENES.with_values(genome, {self.gene: self.value})
            case _:
                others = [each for each in GENES.choices[self.gene] if each != self.value]
                has = getattr(genome, self.gene) == self.value
                return GENES.with_values(genome, {self.gene: rng.choice(others)}) if has else genome

    def speaks_against(self, before: Genome, after: Genome) -> bool:
        """Whether a change goes the other way."""
        old, new = getattr(before, self.gene), getattr(after, self.gene)
        match self.how:
            case "larger":
                return bool(new < old)
            case "smaller":
                return bool(new > old)
            case "with" | "without":
                return bool(old != new and new != (self.how == "with"))
            case "is":
                return bool(old == self.value and new != old)
            case _:
                return bool(new == self.value and new != old)


class Reader:
    """Writes the next policy from the text of a prompt; it knows the genes and their values."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.written = set[Genome]()

    def next_policy(self, text: str) -> tuple[Genome, str]:
        """Return a genome that was not written before, and the place of its parent, if any."""
        place, best = best_in(text)
        advice, idle = lessons_in(text)
        for _ in range(TRIES):
            genome = best or offline.sample(self.rng)
            for _ in range(self.rng.randint(1, REWRITES) if best else 0):
                genome = self._changed(genome, advice, idle)
            if genome not in self.written:
                break
        self.written.add(genome)
        return genome, place if best else ""

    def _changed(self, genome: Genome, advice: Sequence[Advice], idle: set[str]) -> Genome:
        open_to = [each for each in advice if each.follow(genome, self.rng) != genome]
        if open_to and self.rng.random() < FOLLOWS:
            chosen = self.rng.choices(open_to, [each.percent + 1.0 for each in open_to])[0]
            return chosen.follow(genome, self.rng)
        changed = genome
        for _ in range(TRIES):
            gene = self.rng.choice(GENES.names)
            if gene in idle:
                continue
            changed = GENES.with_values(genome, {gene: self.rng.choice(near(genome, gene))})
            if changed != genome and not any(a.speaks_against(genome, changed) for a in advice):
                break
        return changed


def near(genome: Genome, gene: str) -> Sequence[Value]:
    """Return the values a step away, or all of a gene that has no order."""
    values = GENES.choices[gene]
    if not GENES.is_ladder(gene):
        return values
    at = values.index(getattr(genome, gene))
    return [values[each] for each in (at - 1, at + 1) if 0 <= each < len(values)]


def best_in(text: str) -> tuple[str, Genome | None]:
    """Return the place and the genes of the best policy that a prompt shows."""
    found = re.search(r"^# The best policy so far: (\S+) .*?^```python\n(.*?)^```$", text, FAR)
    return (found[1], GENES.from_source(found[2])) if found else ("", None)


def lessons_in(text: str) -> tuple[list[Advice], set[str]]:
    """Return what a prompt recommends, and the genes that it says have no effect."""
    _, _, section = text.partition("# What the record shows\n")
    advice, idle = [], set[str]()
    for line in section.partition("\n# ")[0].splitlines():
        if line.startswith("- no effect"):
            idle |= set(re.findall(r"`(\w+)` \(", line)) & set(GENES.names)
        elif (found := re.search(r": \+(\d+) %", line)) is not None:
            words, percent = line[: found.start()], float(found[1])
            advice += [Advice(percent=percent, gene=gene, how=how)
                       for how, gene in DIRECTION.findall(words)]  # fmt: skip
            advice += [Advice(percent=percent, gene=gene, how=how, value=value_of(gene, value))
                       for gene, how, value in CHOICE.findall(words)]  # fmt: skip
    return advice, idle


def value_of(gene: str, text: str) -> Value | None:
    return next((each for each in GENES.choices[gene] if str(each) == text), None)


def read_search(more: int, told: bool, start: Recorded) -> Read:
    """Let the reader continue a search; it sees the text of each prompt and nothing else."""
    config = search_config(start.suite, "refine", start.seed, more)
    feedback = config.feedback.model_copy(update={"lessons": told})
    config = config.model_copy(update={"feedback": feedback})
    search = TrainSearch(config)
    search.resume(start.attempts)
    reader, sections = Reader(random.Random(f"reader/{start.seed}")), 0
    best = [search.best.score or 0.0]
    first = 1 + max(each.iteration for each in start.attempts)
    for iteration in range(first, first + more):
        past = tuple(search.attempts)
        prompt = render_prompt(config=config, scenarios=search.scenarios, attempts=past)
        sections += "# What the record shows" in prompt.user
        genome, place = reader.next_policy(prompt.user)
        parents = [each for each in past if f"{each.iteration}/{each.slot}" == place]
        proposal = Proposal(
            source=offline.emit(genome, render_text),
            title=offline.title(genome),
            origin="offline",
            operator="refine",
            parents=tuple(each.candidate or "" for each in parents),
        )
        search.record(proposal, iteration)
        best.append(search.best.score or 0.0)
    return Read(best=tuple(best), sections=sections)


def print_readers(without: Sequence[Read], told: Sequence[Read]) -> None:
    """Print how far the reader came with each seed, and how soon."""
    print(f"\na reader of the prompt continues {len(told)} searches; scores on train")
    print("| seed | before | best without | best with | candidates without | with |")
    print("|---|---:|---:|---:|---:|---:|")
    counts, ends = [], []
    for seed, (plain, lessons) in enumerate(zip(without, told, strict=True), start=1):
        start, top = plain.best[0], max(plain.best[-1], lessons.best[-1])
        goal = start + GOOD * (top - start)
        soon = [reached(each, goal) if top > start else 0 for each in (plain, lessons)]
        counts.append(soon)
        ends.append(lessons.best[-1] / plain.best[-1])
        print(
            f"| {seed} | {start:.3f} | {plain.best[-1]:.3f} | {lessons.best[-1]:.3f} | "
            f"{soon[0]} | {soon[1]} |"
        )
    print(f"\nbest with the section against without: {paired_interval(ends, seed=0).words()}")
    sooner = [(plain + 1) / (lessons + 1) for plain, lessons in counts]
    print(f"candidates, without / with: {paired_interval(sooner, seed=0).words()}")
    shown = sum(each.sections for each in told)
    print(f"prompts with lessons: {shown} of {sum(len(each.best) - 1 for each in told)}")


def reached(read: Read, score: float) -> int:
    """Return the candidates that it took; one more than there were where it was not reached."""
    found = (number for number, best in enumerate(read.best) if best >= score)
    return next(found, len(read.best))


if __name__ == "__main__":
    main(sys.argv[1:])
