"""The screen: ordinary modern Python passes, and what is not allowed is reported with its line."""

from pathlib import Path

import pytest

from sandbox.outcome import Finding
from sandbox.screen import MAX_FINDINGS, MAX_NODES, screen
from simulator.cell.allowed import STANDARD_MODULES
from simulator.domains.pipelines.contract import CONTRACT
from simulator.driver import PolicyDriver

CORPUS = sorted((Path(__file__).parent / "screen_corpus").glob("*.txt"))
POLICIES = sorted(
    (Path(__file__).parents[2] / "simulator" / "domains" / "pipelines" / "policies").glob("*.py")
)

HOSTILE = [
    ("import os", "import", 'import of "os"'),
    ("import numpy as np", "import", 'import of "numpy"'),
    ("from subprocess import run", "import", 'import of "subprocess"'),
    ("import collections, socket", "import", 'import of "socket"'),
    ("from . import engine", "import", "import of"),
    (
        "from simulator.domains.pipelines.engine import simulate",
        "import",
        'import of "simulator.domains.pipelines.engine"',
    ),
    ("from math import *", "import", "name what you need"),
    ("import random\nrandom._os.system('id')", "import", '"random._os"'),
    ("import random as r\nr._os", "import", '"random._os"'),
    ("from statistics import sys", "import", '"statistics.sys"'),
    ("import types\ntypes.CodeType", "import", '"types.CodeType"'),
    ("from string import Formatter", "import", '"string.Formatter"'),
    ("().__class__.__bases__", "attribute", "__class__"),
    ("object.__subclasses__()", "attribute", "__subclasses__"),
    ("def f(): pass\nf.__globals__", "attribute", "__globals__"),
    ("(x for x in []).gi_frame", "attribute", "gi_frame"),
    ("def f(e):\n    return e.__traceback__.tb_frame", "attribute", "tb_frame"),
    ("getattr(1, '__class__')", "attribute", "__class__"),
    ("from operator import attrgetter\nattrgetter('a.__globals__')", "attribute", "__globals__"),
    ("'{0.__class__}'.format(1)", "attribute", "format text"),
    ("eval('1')", "name", '"eval"'),
    ("exec('1')", "name", '"exec"'),
    ("open('/etc/passwd')", "name", '"open"'),
    ("__import__('os')", "name", '"__import__"'),
    ("globals()", "name", '"globals"'),
    ("print(__builtins__)", "name", "__builtins__"),
    ("__class__ = 1", "name", "__class__"),
    ("def __getattr__(name): pass", "name", "__getattr__"),
    ("class A(metaclass=type): pass", "construct", "metaclasses"),
    ("async def f(): pass", "construct", "AsyncFunctionDef"),
    ("try:\n    pass\nexcept* ValueError:\n    pass", "construct", "TryStar"),
]


def only(source: str) -> Finding:
    (found,) = screen(source, ["eudoxia"])
    return found


def test_realistic_policies_pass() -> None:
    found = {path.stem: screen(path.read_text(encoding="utf-8"), ["eudoxia"]) for path in CORPUS}

    assert {name: findings for name, findings in found.items() if findings} == {}


def test_realistic_policies_are_policies() -> None:
    for path in CORPUS:
        PolicyDriver(CONTRACT, path.read_text(encoding="utf-8"), path.name).load()


def test_the_corpus_is_large_enough_to_mean_something() -> None:
    assert len(CORPUS) >= 60


def test_every_allowed_module_can_be_imported() -> None:
    assert [name for name in STANDARD_MODULES if screen(f"import {name}\n")] == []


def test_a_hostile_line_is_named() -> None:
    for source, code, told in HOSTILE:
        found = screen(f"x = 1\n{source}\n", ["eudoxia"])

        assert any(one.code == code and told in one.message for one in found), source
        assert all(1 < one.line <= source.count("\n") + 2 for one in found), source


def test_all_findings_come_at_once_in_the_order_of_their_lines() -> None:
    found = screen("import os\nx = 1\nimport sys\neval('x')\n")

    assert [one.line for one in found] == [1, 3, 4]
    assert [one.source_line for one in found] == ["import os", "import sys", "eval('x')"]


def test_a_finding_has_a_column_that_counts_from_one() -> None:
    assert only("x = 1; open('f')").column == 8


def test_a_syntax_error_is_a_finding_of_its_own_kind() -> None:
    found = only("def step(s:\n    pass\n")

    assert (found.code, found.line) == ("syntax", 1)
    assert found.source_line == "def step(s:"


@pytest.mark.parametrize(
    "source",
    ["(" * 5000 + ")" * 5000, "-" * 60_000 + "1", "x" + ".a" * 30_000, "[" * 300 + "]" * 300],
    ids=["parentheses", "signs", "attributes", "lists"],
)
def test_deep_nesting_is_refused_and_hurts_nobody(source: str) -> None:
    assert only(source).line in (0, 1)


def test_a_source_with_too_many_nodes_is_refused() -> None:
    assert "syntax nodes" in only("x = 1\n" * MAX_NODES).message


def test_the_number_of_findings_is_bounded() -> None:
    assert len(screen("import os\n" * 500)) == MAX_FINDINGS


def test_the_screen_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    screen("print('run')\nraise SystemExit(3)\n")

    assert capsys.readouterr().out == ""
