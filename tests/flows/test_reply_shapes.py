"""Replies as models really write them: the policy is found, and nothing but the policy."""

import json
import textwrap
from collections.abc import Callable
from time import process_time

import pytest

from flows.proposers.answers import title_of
from flows.proposers.replies import complete_policy, extract_source
from tests.support import model_server as server
from tests.support.asking import ask

INIT = '@register_scheduler_init(key="a")\ndef init(s):\n    s.waiting = []\n'
STEP = '@register_scheduler(key="a")\ndef step(s, results, pipelines):\n    return [], []\n'
POLICY = f'"""Short work first.\n\nAt the left edge.\n"""\n\nimport math\n\n\n{INIT}\n\n{STEP}'
DRAFT = POLICY.replace("[], []", "[], [1]")
HELPER = "def weight(pipeline):\n    return 1.0\n"
CALLING = STEP.replace("return", "weight(pipelines)\n    return")
FENCED = f"```python\n{POLICY}```\n"
ESCAPED = POLICY.replace('"', "&quot;")

CALLED = POLICY.replace(
    "    return", '    """\n    @register_scheduler(key) calls it."""\n    return'
)

SHAPES = {
    "in a list, by blanks": f"1. The policy:\n\n{textwrap.indent(FENCED, '   ')}\n2. Notes: none.",
    "in a list, by a tab": f"- The policy:\n\n{textwrap.indent(FENCED, chr(9))}- More.",
    "after the mark of a list": f"1. {textwrap.indent(FENCED, '   ').lstrip()}",
    "in a quotation": textwrap.indent(FENCED, "> ", lambda _: True),
    "tildes": f"~~~python\n{POLICY}~~~\nThat is all.",
    "a title": f'```python title="policy.py" {{1,3}}\n{POLICY}```',
    "attributes": f"```{{.python .numberLines}}\n{POLICY}```",
    "a file name": f"```python:policy.py\n{POLICY}```",
    "corrected": f"{FENCED}\nWait, that returns too much. The corrected policy:\n\n{FENCED}",
    "a draft first": f"```python\n{DRAFT}```\nFinal version:\n```python\n{POLICY}```\nDone.",
    "a draft not closed": f"```python\n{DRAFT}\n```python\n{POLICY}```\n",
    "a broken one last": f"{FENCED}\nOr:\n```python\n{POLICY.replace('[], []', '[], [')}```",
    "a diff": "```diff\n--- /dev/null\n+++ b/policy.py\n@@ -0,0 +1,15 @@\n"
    + textwrap.indent(POLICY, "+", lambda _: True)
    + "```",
    "a diff without a fence": "As a patch:\n\n--- a/policy.py\n+++ b/policy.py\n@@ -1,2 +1,15 @@\n"
    + "-import os\n"
    + textwrap.indent(POLICY, "+", lambda _: True),
    "tags": f"<idea>Short work.</idea>\n<code>\n{POLICY}</code>\nIt is short.",
    "tags on the lines of the code": f'<policy lang="python">{POLICY.strip()}</policy>',
    "tags of HTML": f'<pre><code class="language-python">{ESCAPED}</code></pre>',
    "bare, with words around it": f"Here is the code:\n\n{POLICY}\nExplanation: it is short.\n"
    "\nscore = work / time\n",
    "bare and indented": f"Here it is:\n\n{textwrap.indent(POLICY, '    ')}\nIt is short.",
    "bare, with a call in a docstring": f"Here:\n\n{CALLED}\nThat is all.",
    "bare, after names with a sign before them": f"@alice\n@bob: as you asked\n\n{POLICY}",
    "bare, after decorators of nothing": f"@alice\n@bob\nas you asked\n@c\n{POLICY}",
    "bare, with a note that parses": f"Policy: mine\n\n{POLICY}\nNote: done\n",
    "JSON in prose": f"Sure!\n{json.dumps({'idea': 'x {y}', 'policy': POLICY})}\nGood luck.",
    "JSON in a plain fence": f"```\n{json.dumps({'policy': POLICY})}\n```",
    "JSON with raw line ends": '{"idea": "x", "policy": "' + POLICY.replace('"', '\\"') + '"}',
    "JSON with a fence in it": json.dumps({"policy": f"The code:\n{FENCED}"}),
    "long quotes in JSON": '{"idea": "x", "policy": \'\'\'' + POLICY + "'''}",
    "Windows": f"Sure:\n\n{FENCED}".replace("\n", "\r\n"),
    "a byte order mark": f"\ufeff{POLICY}",
    "hard blanks": FENCED.replace("    ", "\u00a0" * 4),
    "never closed": f"Here:\n```python\n{POLICY}",
    "never closed, words after": f"```python\n{POLICY}\nThis policy takes short work first.",
    "closed on the last line": f"```python\n{POLICY.rstrip()}```",
    "thoughts": f"<think>\nMaybe\n{FENCED.replace(POLICY, DRAFT)}\n</think>\n\n{FENCED}",
    "thoughts, bare": f"<thinking>{DRAFT}</thinking>\n{POLICY}",
    "thoughts without a beginning": f"Maybe\n```python\n{DRAFT}```\n</think>\n{FENCED}",
    "thoughts afterwards": f"{FENCED}\n<analysis>\n```python\n{DRAFT}```\n</analysis>\n",
    "marks of a protocol": f"<|channel|>analysis<|message|>{DRAFT}<|end|><|start|>assistant"
    f"<|channel|>final<|message|>{POLICY}<|return|>",
    "an example in the docstring": FENCED.replace("left edge.", "left edge.\n```\nstep()\n```"),
    "a fence in a longer fence": f"````markdown\n# Policy\n\n{FENCED}````\n",
    "a usage example last": f"{FENCED}Try it:\n```python\nstep(s, [], [])\n```\n",
    "shell last": f"{FENCED}```sh\nassay evaluate policy.py  # register_scheduler()\n```\n",
}


def test_the_policy_is_found_in_what_models_write() -> None:
    missed = [
        name
        for name, reply in SHAPES.items()
        if (extract_source(reply).source or "").replace("\n```\nstep()\n```", "")
        not in (POLICY, CALLED)
    ]

    assert len(SHAPES) == 43 and not missed


@pytest.mark.parametrize(
    "reply",
    [
        f"```python\n{HELPER}```\n```python\n{INIT}\n\n{CALLING}```\n",
        f"A helper:\n```python\n{HELPER}```\nand\n```python\n{INIT}```\n"
        f"and\n```python\n{CALLING}```",
        f"A helper:\n\n{HELPER}\nInit:\n\n{INIT}\nAnd the step:\n\n{CALLING}\nThat is all.",
    ],
    ids=["two blocks", "three blocks", "bare"],
)
def test_a_helper_is_put_before_the_code_that_needs_it(reply: str) -> None:
    source = extract_source(reply).source or ""

    assert [line for line in source.splitlines() if line] == [
        line for line in f"{HELPER}{INIT}{CALLING}".splitlines() if line
    ]


def test_blocks_that_the_policy_does_not_need_stay_outside() -> None:
    reply = f"```python\n{HELPER}```\nNot used. The policy:\n{FENCED}"

    assert extract_source(reply).source == POLICY


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (
            "```diff\n@@ -3,2 +3,2 @@\n-a\n+b\n@@ -9 +9 @@\n+c\n```",
            r"changes to a policy \(a diff\)",
        ),
        ('{"idea": "x", "policy": "import math', "begins as JSON and cannot be read"),
        ("Decorate it with @register_scheduler(key) and def step(s).", "holds no code"),
        (f"<think>{FENCED}</think>", "is empty"),
        (f"<think>{FENCED}</think>\nI would take short work first.", "holds no code"),
    ],
)
def test_what_cannot_be_used_says_why(reply: str, words: str) -> None:
    asked = ask(server.says(reply))

    assert asked.outcomes == ["ok"]
    assert asked.proposal is not None and asked.proposal.source is None
    with pytest.raises(ValueError, match=words):
        raise ValueError(asked.proposal.problem)


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_every_shape_arrives_through_the_client(api: str) -> None:
    shapes = list(SHAPES.values())

    asked = ask(*map(server.says, shapes), api=api, times=len(shapes), tries=1)

    assert asked.outcomes == ["ok"] * len(shapes)
    assert [extract_source(call.reply or "").source for call in asked.calls] == [
        extract_source(shape).source for shape in shapes
    ]


HOSTILE = {
    "backticks": "`",
    "braces": "{",
    "objects": '{"a":',
    "line ends": "\n",
    "blanks": " ",
    "fences": "```python\n",
    "blocks": "```python\nregister_scheduler(\n```\n",
    "sound blocks": "```python\nregister_scheduler(f)\n```\n",
    "languages": "```a",
    "tags": "<code>",
    "thoughts": "<think></think>",
    "quotes": '"""\n',
    "names": "x\n",
    "assignments": "x = y\n",
    "additions": "+\n",
    "hunks": "\n@@ ",
    "brackets": "f(",
    "quotations": "> ",
    "lists": "- ",
    "fences in quotations": "> ```python\n",
    "fences in lists": "- ```\n",
    "fences in Markdown": "```md\n",
    "definitions": "def f():\n",
    "decorators": "@a\n",
    "registrations": "@register_scheduler(key='a')\n",
    "policies in JSON": '{"policy": "register_scheduler("}\n',
    "indented lines": " x\n",
    "classes": "class A:\n    x = 1\n",
}
LONG = 1_000_000
SHORT = 10_000
TRIES = 5


def reads(many: str) -> None:
    for reply in (f"register_scheduler(\n{many}", f"{POLICY}\n{many}"):
        extracted = extract_source(reply)
        assert (extracted.source is None) == (extracted.problem is not None)
        complete_policy(reply)


def finds_a_title(many: str) -> None:
    title_of(f'"""{many}x"""\n')
    title_of(f"# {many}")
    title_of(f"{many}x = 1")


@pytest.mark.parametrize("work", [reads, finds_a_title])
def test_the_time_for_a_text_grows_no_faster_than_the_text(work: Callable[[str], None]) -> None:
    def growth(unit: str) -> float:
        seconds = []
        for length in (SHORT // 4, 2 * SHORT):
            many = unit * (length // len(unit))
            began = process_time()
            work(many)
            seconds.append(process_time() - began)
        return seconds[1] / max(seconds[0], 0.025)

    for name, unit in HOSTILE.items():
        # Others on the machine only add to it, so the least of several counts; the square is 64.
        assert any(growth(unit) < 16 for _ in range(TRIES)), name


@pytest.mark.parametrize("unit", ["`", "{", "\n", "```python\n"])
def test_a_hostile_reply_of_a_megabyte_is_a_malformed_attempt(unit: str) -> None:
    asked = ask(server.says("No. " + unit * (LONG // len(unit))), timeout_seconds=60)

    assert asked.outcomes == ["ok"]
    assert asked.proposal is not None and asked.proposal.source is None
    assert "no code" in (asked.proposal.problem or "")
