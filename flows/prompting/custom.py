"""A user's own templates: copied, and tried on made-up pasts before a model is asked and paid."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import get_args

from flows.attempt import Move, Prompt, SeenAttempt
from flows.errors import ConfigError, UserError
from flows.history.records import PromptRow, Row
from flows.prompting.prompts import (
    CHARS_PER_TOKEN,
    render_prompt,
    system_values,
    templates_of,
    user_values,
)
from flows.prompting.templates import (
    SHIPPED,
    SUFFIX,
    SYSTEM,
    USER,
    TemplateProblem,
    check_names,
    forget_templates,
)
from flows.settings.search import SearchConfig
from sandbox.outcome import Evaluation, Outcome
from simulator.domain import Scenario
from simulator.errors import InputError
from simulator.whole_files import write_texts

PARENTS = {"free": 0, "fresh": 0, "vary": 1, "combine": 2}
"""How many parents each move has."""


def copy_templates(folder: Path) -> list[Path]:
    """Copy the shipped templates into ``folder``; refuse to overwrite what is there."""
    sources = sorted(SHIPPED.glob(f"*{SUFFIX}"))
    targets = [folder / source.name for source in sources]
    present = next((target for target in targets if target.exists()), None)
    if present is not None:
        raise UserError(f"{present} exists already: name another folder, or remove the file")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}") from None
    texts = [source.read_text(encoding="utf-8") for source in sources]
    write_texts(dict(zip(targets, texts, strict=True)), InputError)
    return targets


def check_prompts(config: SearchConfig, scenarios: Sequence[Scenario]) -> None:
    """Refuse templates that cannot be used, and a bound that not even an empty prompt keeps."""
    forget_templates()
    templates = templates_of(config)
    known = {
        SYSTEM: system_values(config, scenarios),
        USER: user_values(config.domain, scenarios, (), (), "free"),
    }
    try:
        for name in templates.texts:
            check_names(templates.texts, name, known.get(name, {**known[SYSTEM], **known[USER]}))
        for past in _pasts():
            for move in get_args(Move):
                _refuse_overlong(config, _prompt(config, scenarios, past, move))
    except TemplateProblem as problem:
        folder = config.feedback.prompts or "the shipped templates"
        raise ConfigError(f"feedback.prompts: {folder}: {problem}") from None


def refuse_changed_templates(config: SearchConfig, earlier: Iterable[Row]) -> None:
    """Refuse to go on with another wording than the one in which the search began."""
    now = templates_of(config)
    before = next((row for row in earlier if isinstance(row, PromptRow)), None)
    if before is not None and before.template_sha256 != now.sha256:
        raise ConfigError(
            f"the prompt templates ({now.name}) have changed since this search began "
            f"({before.template_sha256[:8]}, now {now.sha256[:8]}): its candidates would answer "
            "different prompts; give the search another --name"
        )


def _prompt(
    config: SearchConfig, scenarios: Sequence[Scenario], past: Sequence[SeenAttempt], move: Move
) -> Prompt:
    chosen = past[: PARENTS[move]]
    return render_prompt(
        config=config, scenarios=scenarios, attempts=past, move=move, chosen=chosen
    )


def _pasts() -> list[tuple[SeenAttempt, ...]]:
    """Return pasts that take the templates through their branches."""
    first, second = _attempt(0, "baseline"), _attempt(1, "model")
    failed = _attempt(2, "model", Outcome.POLICY_ERROR)
    return [(), (first,), (first, second), (first, second, failed)]


def _attempt(iteration: int, origin: str, outcome: Outcome = Outcome.OK) -> SeenAttempt:
    return SeenAttempt(
        iteration=iteration,
        slot=0,
        candidate=str(iteration) * 64,
        title="a made-up policy",
        origin=origin,
        operator=origin,
        source="pass\n",
        outcome=str(outcome),
        score=1.0 + iteration,
        problem=None if outcome is Outcome.OK else "KeyError: 1",
        evaluations=(Evaluation(scenario="made-up", outcome=outcome, metrics={}),),
    )


def _refuse_overlong(config: SearchConfig, prompt: Prompt) -> None:
    most = config.feedback.prompt_tokens
    chars = len(prompt.system) + len(prompt.user)
    tokens = -(-chars // CHARS_PER_TOKEN)
    if tokens > most:
        raise ConfigError(
            f"feedback.prompt_tokens is {most}, but the prompt takes {tokens} tokens before it "
            "shows any attempt: allow more, or shorten the templates"
        )
