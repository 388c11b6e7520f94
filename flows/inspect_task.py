"""An evaluation for Inspect: a model writes a scheduling policy, and Assay scores it in a cell.

The package is the extra ``assay[inspect]``. No sandbox of Inspect is used: a policy runs only in
Assay's cell, and a model has no tools. See docs/evaluator.md.
"""

import asyncio
from typing import Any

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageSystem, ChatMessageUser
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver

from flows.evaluator import EvaluatorSettings, Judgement, workbench
from flows.judging.splits import TRAIN, suite_scenarios
from flows.policies import PolicyText
from flows.prompting.prompts import render_prompt
from flows.proposers.replies import Registers, extract_source
from flows.settings.search import SearchConfig
from sandbox.trial import Stop
from simulator.domain import DEFAULT

BEST = "assay_best_policy"
"""In a sample's store: the reply with the best score on train, where there are several attempts."""
AGAIN = "Write a better policy. Answer as before, with one complete policy in one fenced block."


@task
def write_policy(
    domain: str = DEFAULT,
    suite: str | None = None,
    split: str = "validation",
    attempts: int = 1,
    cell: str = "docker",
) -> Task:
    """Return the task: one sample, the first prompt of a search, scored on a split of the suite.

    With several ``attempts`` the model is told after each how its policy did on the train
    scenarios, and what held it back; the best of them there is scored. Raises UserError for names
    that are not known, and ValueError for attempts below 1.
    """
    if attempts < 1:
        raise ValueError(f"attempts is {attempts}, expected 1 or more")
    named = {"domain": domain, "suite": suite, "cell": cell}
    given = {name: value for name, value in named.items() if value is not None}
    scored = EvaluatorSettings.model_validate({**given, "split": split})
    shown = EvaluatorSettings.model_validate({**given, "split": TRAIN})
    suite_scenarios(scored.suite, scored.domain, split)  # a bad name fails before a model is asked
    return Task(
        dataset=MemoryDataset([_sample(shown)], name=f"assay-{shown.domain.name}-{shown.suite}"),
        solver=try_repeatedly(shown, attempts),
        scorer=policy_score(scored),
        metadata={"domain": shown.domain.name, "suite": shown.suite, "split": split},
    )


def _sample(settings: EvaluatorSettings) -> Sample:
    domain = settings.domain
    config = SearchConfig(domain=domain, suite=settings.suite, limits=settings.limits)
    scenarios = suite_scenarios(settings.suite, domain, TRAIN)
    prompt = render_prompt(config=config, scenarios=scenarios, attempts=())
    return Sample(
        id=f"{domain.name}/{settings.suite}",
        input=[ChatMessageSystem(content=prompt.system), ChatMessageUser(content=prompt.user)],
        target=f"a policy that scores above 1.0, the reference policy {domain.spec.reference}",
    )


@solver
def try_repeatedly(settings: EvaluatorSettings, attempts: int) -> Solver:
    """Return the solver: ask, and where there are several attempts, tell what held each back."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        best = 0.0
        for left in reversed(range(attempts)):
            state = await generate(state)
            if attempts == 1:
                break
            reply = state.output.completion
            judged = await _judged(reply, settings)
            if judged.correct and judged.combined_score > best:
                best = judged.combined_score
                state.store.set(BEST, reply)
            if left:
                words = f"{judged.feedback}\n\n{AGAIN}"
                state.messages.append(ChatMessageUser(content=words))
        return state

    return solve


@scorer(metrics={"score": [mean(), stderr()], "correct": [mean(), stderr()]})
def policy_score(settings: EvaluatorSettings) -> Scorer:
    """Return the scorer: ``score``, 1.0 is the reference policy, and whether it was ``correct``.

    Both are 0 for a policy that fails and for a reply without one. A failure of Assay (no engine,
    no image) is raised, so that Inspect records an error and no score.
    """

    async def score(state: TaskState, target: Target) -> Score:
        reply = state.store.get(BEST) or state.output.completion
        judged = await _judged(reply, settings)
        return Score(
            value={
                "score": judged.combined_score if judged.correct else 0.0,
                "correct": float(judged.correct),
            },
            answer=_source(reply, settings).source,
            explanation=judged.feedback,
            metadata={
                "outcome": judged.outcome,
                "candidate": judged.candidate,
                "problem": judged.problem,
                "scores": dict(judged.scores),
                "figures": dict(judged.figures),
                "split": settings.split,
            },
        )

    return score


async def _judged(reply: str, settings: EvaluatorSettings) -> Judgement:
    """Return what became of the policy in a reply; a call that is cancelled ends its cell."""
    stop = Stop()

    def judged() -> Judgement:
        bench = workbench(settings)
        trial = bench.try_policy(_source(reply, settings), stop=stop)
        return bench.judgement(trial, bench.verdict(trial))

    try:
        return await asyncio.to_thread(judged)
    except asyncio.CancelledError:
        stop.now()
        raise


def _source(reply: str, settings: EvaluatorSettings) -> PolicyText:
    found: Any = extract_source(reply, Registers.of(settings.domain.contract))
    return PolicyText(
        title="policy",
        data=reply.encode("utf-8", "surrogatepass"),
        source=found.source,
        problem=found.problem,
    )
