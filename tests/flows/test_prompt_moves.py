"""What a prompt shows for each move and each setting of the feedback, and how it stays bounded."""

from typing import Any, get_args

import pytest

from flows.attempt import Move, SeenAttempt
from flows.errors import ConfigError
from flows.prompting.custom import check_prompts
from flows.prompting.prompts import CHARS_PER_TOKEN, render_prompt
from flows.settings.search import SearchConfig
from tests.flows.test_prompts import SCENARIOS
from tests.support.attempts import attempt, baseline, evaluation

GOOD = baseline(slot=1, title="right-size", score=1.05, source="# right-size\n")
TRIED = tuple(attempt(n, evaluations=(evaluation(),)) for n in range(1, 7))
FAILED = attempt(7, outcome="policy_error", score=0.1, problem="KeyError: 7")
PAST = (baseline(), GOOD, *TRIED, FAILED)


def user(
    move: Move = "free",
    chosen: tuple[SeenAttempt, ...] = (),
    past: tuple[SeenAttempt, ...] = PAST,
    **feedback: Any,
) -> str:
    return render_prompt(
        config=SearchConfig.model_validate({"feedback": feedback}),
        scenarios=SCENARIOS,
        attempts=past,
        move=move,
        chosen=chosen,
    ).user


def headings(text: str) -> list[str]:
    """Return the headings of what was tried: all but the scenarios, baselines and the task."""
    plain = ("# The scenarios", "# Baselines", "# Your turn")
    found = [line for line in text.split("\n") if line.startswith("# ") and line not in plain]
    return [line for line in found if not line.startswith(("# policy", "# right", "# naive"))]


def test_the_score_alone_is_shown_without_any_measurement() -> None:
    text = user(show="score")

    assert headings(text) == [
        "# The best policy so far: 6/0 `policy 6`: score 1.600",
        "# Attempt 7/0 `policy 7`: policy_error, score 0.100",
        "# The source of attempt 7/0",
    ]
    assert "completed" not in text and "KeyError" not in text


def test_diagnoses_are_added_for_the_best_and_the_latest() -> None:
    text = user(show="diagnoses")

    assert headings(text) == headings(user(show="score"))
    assert text.count("- query: 4 of 4 completed") == 1
    assert "KeyError: 7" in text


def test_the_history_adds_earlier_attempts_and_other_good_policies() -> None:
    text = user(show="history", best=2, attempts=4)

    assert headings(text) == [
        "# The best policy so far: 6/0 `policy 6`: score 1.600",
        "# Number 2 so far: 5/0 `policy 5`: score 1.500",
        "# Attempt 4/0 `policy 4`: score 1.400",
        "# Attempt 6/0 `policy 6`: score 1.600",
        "# Attempt 7/0 `policy 7`: policy_error, score 0.100",
        "# The source of attempt 7/0",
    ]


def test_more_feedback_makes_a_longer_prompt() -> None:
    score, diagnoses, history = (user(show=show) for show in ("score", "diagnoses", "history"))

    assert len(score) < len(diagnoses) < len(history)


def test_a_fresh_policy_of_best_of_n_sees_the_baselines_figures_and_nothing_else() -> None:
    text = user("fresh", past=(baseline(), GOOD))

    assert headings(text) == []
    assert "- 0/1 `right-size`: score 1.050" in text and "```" not in text
    assert "a policy of your own design" in text


def test_independent_samples_are_asked_with_one_and_the_same_prompt() -> None:
    assert user("fresh", past=(baseline(), GOOD)) == user("fresh", past=(baseline(), GOOD))


@pytest.mark.parametrize("show", ["score", "diagnoses"])
def test_a_parent_is_shown_with_its_source_and_nothing_of_the_past(show: str) -> None:
    text = user("vary", (TRIED[1],), show=show)

    assert headings(text) == ["# The policy to change: 2/0 `policy 2`: score 1.200"]
    assert "```python\n# policy 2\n```" in text and "# policy 6" not in text
    assert ("query: 4 of 4 completed" in text) == (show == "diagnoses")
    assert "a changed version of the policy above" in text


def test_two_parents_are_shown_to_be_combined() -> None:
    text = user("combine", (TRIED[1], TRIED[4]), show="diagnoses")

    assert headings(text) == [
        "# Policy 1 of the two to combine: 2/0 `policy 2`: score 1.200",
        "# Policy 2 of the two to combine: 5/0 `policy 5`: score 1.500",
    ]
    assert text.count("query: 4 of 4 completed") == 2


def test_with_the_history_a_parent_is_followed_by_what_was_tried_lately() -> None:
    text = user("vary", (TRIED[5],), attempts=3)

    assert headings(text) == [
        "# The policy to change: 6/0 `policy 6`: score 1.600",
        "# Attempt 5/0 `policy 5`: score 1.500",
        "# Attempt 7/0 `policy 7`: policy_error, score 0.100",
    ]


def test_a_barred_attempt_is_never_the_best_that_is_shown() -> None:
    barred = attempt(8, score=9.0, standing="barred")

    assert "# The best policy so far: 6/0" in user(past=(*PAST, barred))


@pytest.mark.parametrize("show", ["score", "diagnoses", "history"])
@pytest.mark.parametrize("move", get_args(Move))
def test_the_token_budget_is_kept_for_every_move_and_setting(move: Move, show: str) -> None:
    long = "# a long policy\n" * 300
    parents = tuple(attempt(n, source=long, evaluations=(evaluation(),)) for n in (1, 2))
    past = (baseline(), *parents, *(attempt(n, prints="x" * 900) for n in range(3, 30)))
    config = SearchConfig.model_validate({"feedback": {"show": show, "prompt_tokens": 3500}})
    chosen = parents[: {"vary": 1, "combine": 2}.get(move, 0)]

    prompt = render_prompt(
        config=config, scenarios=SCENARIOS, attempts=past, move=move, chosen=chosen
    )

    assert len(prompt.system) + len(prompt.user) <= 3500 * CHARS_PER_TOKEN


def test_a_bound_below_the_plainest_prompt_is_refused_before_anything_is_paid() -> None:
    config = SearchConfig.model_validate({"feedback": {"prompt_tokens": 2000}})

    with pytest.raises(ConfigError, match=r"feedback\.prompt_tokens is 2000, but the prompt takes"):
        check_prompts(config, SCENARIOS)


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        ("weighted_latency", "finish much work, the heavy weights first"),
        ("goodput", "pipelines completed per hour"),
        ("legacy_throughput", "containers that ended without an error"),
        ("legacy_latency", "divided by the share of pipelines that were completed"),
    ],
)
def test_the_model_is_told_what_it_is_scored_by(objective: str, words: str) -> None:
    config = SearchConfig.model_validate({"objective": objective})

    system = render_prompt(config=config, scenarios=SCENARIOS, attempts=()).system

    assert words in " ".join(system.split())
    assert ("is refused when" in " ".join(system.split())) == (objective != "weighted_latency")


def test_the_model_is_told_to_answer_in_json_where_that_is_asked_for() -> None:
    config = SearchConfig.model_validate({"proposer": {"structured": True}})

    system = render_prompt(config=config, scenarios=SCENARIOS, attempts=()).system

    assert "Answer with one JSON object" in system and "fenced Python block" not in system
