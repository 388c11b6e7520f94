"""Finding the policy in a reply."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.proposers.answers import title_of
from flows.proposers.replies import (
    MAX_SOURCE_CHARS,
    Registers,
    complete_policy,
    extract_source,
)

INIT = '@register_scheduler_init(key="a")\ndef init(s):\n    pass\n'
STEP = '@register_scheduler(key="a")\ndef step(s, results, pipelines):\n    return [], []\n'
POLICY = f"{INIT}\n\n{STEP}"


@pytest.mark.parametrize(
    "reply",
    [
        POLICY,
        f"```python\n{POLICY}```",
        f"```py\n{POLICY}\n```\nDone.",
        f"```\n{POLICY}```",
        f"~~~python\n{POLICY}~~~",
        f"  ```Python\n{POLICY}  ```",
        f"````python title=policy.py\n{POLICY}````",
        f"Sure:\r\n```python\r\n{POLICY}```".replace("\n", "\r\n"),
        f"```python\n{POLICY}",
        f"For example:\n```python\nprint('hello')\n```\nThe policy:\n```python\n{POLICY}```",
        f"```json\n{{}}\n```\n```python\n{POLICY.replace('a', 'b')}```\n```python\n{POLICY}```",
        f"<think>\n```python\n{STEP}\n```\n</think>\n```python\n{POLICY}```",
        f"```text\nregister_scheduler() is called\n```\n```python\n{POLICY}```",
    ],
)
def test_the_block_that_registers_a_scheduler_is_the_policy(reply: str) -> None:
    assert extract_source(reply).source == POLICY


def test_of_several_blocks_that_with_the_decorator_of_the_domain_is_taken() -> None:
    own = '@plan(key="a")\ndef decide(state):\n    return []\n'
    other = "def helper(state):\n" + "    state.first()\n" * 9
    reply = f"Not this:\n```python\n{other}```\nbut this:\n```python\n{own}```"
    plans = Registers(step="plan", init="plan_init", needs_init=False)

    assert extract_source(reply, plans).source == own
    assert complete_policy(reply, plans) == own
    assert complete_policy(reply) is None
    assert extract_source("So I write\n\nplan(key=1)(print)\n\nand so on.", plans).source == (
        "plan(key=1)(print)\n"
    )


def test_init_and_step_in_two_blocks_are_put_together() -> None:
    reply = f"First:\n```python\n{INIT}```\nthen:\n```python\n{STEP}```"

    assert extract_source(reply).source == f"{INIT.rstrip()}\n\n{STEP}"


def test_code_with_a_syntax_error_is_still_the_policy() -> None:
    broken = POLICY.replace("return [], []", "return [], [")

    assert extract_source(f"```python\n{broken}```").source == broken


def test_a_policy_in_json_is_taken_as_it_is_even_when_it_is_broken() -> None:
    broken = POLICY.replace("return [], []", "return [], [")

    assert extract_source(json.dumps({"idea": "x", "policy": broken})).source == broken
    assert extract_source(json.dumps({"policy": f"X = [1\n{POLICY}"})).source == f"X = [1\n{POLICY}"
    assert extract_source(json.dumps({"policy": ""})).source is None
    assert extract_source(json.dumps({"policy": 7})).source is None
    assert extract_source("{" * 100_000).source is None


def test_without_a_registration_the_largest_block_is_taken() -> None:
    reply = "```\nx = 1\n```\n```\ndef step(s):\n    return 1\n```"

    assert extract_source(reply).source == "def step(s):\n    return 1\n"


@pytest.mark.parametrize(
    "reply",
    [
        "Serve queries first.",
        "register_scheduler(key) is a decorator, I think",
        "def step(s): return [], []",
    ],
)
def test_prose_is_no_policy(reply: str) -> None:
    extracted = extract_source(reply)

    assert extracted.source is None
    assert "no code" in (extracted.problem or "")


@pytest.mark.parametrize("reply", ["", " \n", "<think>hm</think>", "```python\n```"])
def test_an_empty_reply_is_no_policy(reply: str) -> None:
    extracted = extract_source(reply)

    assert extracted.source is None and extracted.problem


def test_an_over_long_policy_is_refused_with_its_size() -> None:
    extracted = extract_source(f"```python\n{POLICY}{'#' * MAX_SOURCE_CHARS}\n```")

    assert extracted.source is None
    assert str(MAX_SOURCE_CHARS) in (extracted.problem or "")


def test_a_source_can_always_be_encoded() -> None:
    source = extract_source(f"```python\n# \ud800\n{POLICY}```").source

    assert source is not None and source.encode("utf-8")


@given(st.text(alphabet="`~python \nregister_scheduler(init)<think>/=", max_size=400))
def test_any_reply_gives_a_source_or_a_problem(reply: str) -> None:
    extracted = extract_source(reply)

    assert (extracted.source is None) == (extracted.problem is not None)


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ('"""Short work first.\n\nMore."""\n', "Short work first."),
        ("# Queries first\nx = 1\n", "Queries first"),
        ("x = 1\n", ""),
        ("", ""),
        ('"""Evil \x1b[2Jtitle"""\n', "Evil [2Jtitle"),
        ("def broken(:\n", ""),
    ],
)
def test_the_title_is_the_first_line_that_the_policy_says_of_itself(
    source: str, title: str
) -> None:
    assert title_of(source) == title


def test_a_long_title_is_cut() -> None:
    assert len(title_of(f'"""{"word " * 100}"""')) <= 90
