"""What a search tells a model about its last reply, and what it never tells."""

from pathlib import Path

import pytest

from tests.support import model_server as server
from tests.support.asked_search import Searched, answers, search, searching
from tests.support.model_server import Behaviour, ModelServer

MIDDLING = answers("latency = 40 v1 = 60 v2 = 60")


def searched(folder: Path, *script: Behaviour) -> Searched:
    with ModelServer(*script) as running:
        return search(searching(running.url, folder / "p.toml", budget__candidates=2))


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (server.prose(), "the reply holds no code: answer with one fenced Python block"),
        (server.says(""), "the reply is empty"),
        (
            server.cut_off("```python\nx"),
            "cut off at the limit of 1000 output tokens: write a shorter",
        ),
        (server.refuses("I must not."), "the model refused: I must not."),
    ],
)
def test_the_next_prompt_says_what_was_wrong_with_a_reply(
    tmp_path: Path, reply: Behaviour, told: str
) -> None:
    done = searched(tmp_path, reply, MIDDLING)

    second = done.prompts[1].messages[1]["content"]
    assert [row.outcome for row in done.candidates] == ["malformed", "ok"]
    assert "# Attempt 1/0 `reply of any`: malformed" in second
    assert told in second and "The latest attempt failed. Fix it" in second


def test_no_figure_and_no_name_of_the_other_splits_reaches_a_prompt(tmp_path: Path) -> None:
    done = searched(tmp_path, MIDDLING)

    texts = [each["content"] for row in done.prompts for each in row.messages]
    tried = {name for _, names in done.sandbox.trials for name in names}
    assert {"v1", "v2"} <= tried and len(texts) == 4
    # The policy's own source, which names them in this search, is the only place that may.
    plain = [text.replace("latency = 40 v1 = 60 v2 = 60", "") for text in texts]
    assert not [name for name in ("v1", "v2", "t1", "t2", "validation") for text in plain
                if name in text.lower()]  # fmt: skip
