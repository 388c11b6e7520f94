"""Syntax trees from several threads at once, which Python 3.11 alone does not make safely."""

import ast
import gc

import pytest

from flows.threads import side_by_side
from sandbox.source import parse
from simulator.library import policy_names, policy_source


def test_threads_that_make_trees_at_once_all_get_them() -> None:
    sources = [policy_source(name) for name in policy_names()]
    before = gc.get_threshold()
    gc.set_threshold(50)  # a collection is where one thread gives way to another

    def work(number: int) -> list[str]:
        return [ast.dump(parse(source)) for source in sources[number % 3 :]]

    try:
        made = side_by_side(work, range(6))
    finally:
        gc.set_threshold(*before)

    assert made[0] == made[3] == [ast.dump(ast.parse(source)) for source in sources]


def test_what_is_wrong_with_a_source_is_raised_as_always() -> None:
    with pytest.raises(SyntaxError):
        parse("def step(:")
    with pytest.raises(SyntaxError):
        parse("type X = int", (3, 11))
