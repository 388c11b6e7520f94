"""Expressions of a contract: what they compute, and what is no expression."""

import pytest

from simulator.errors import InputError
from simulator.sealed.expressions import Getter, Impossible, compile_expression


def names(path: tuple[str, ...]) -> Getter | None:
    if path == ("x",):
        return lambda context: context
    return (lambda _: 7) if path in (("job", "service"), ("in_", "jobs", "waiting")) else None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * x", 21),
        ("-x // 3 % 4", 0),
        ("x / 4", 2.5),
        ("job.service + in.jobs.waiting", 14),
        ("1 < x <= 10 and not x == 3", True),
        ("min(x, 3, 8) + max(1, 2) + abs(-1)", 6),
        ("x > 100 or x != 10", False),
    ],
)
def test_an_expression_is_computed(text: str, value: object) -> None:
    assert compile_expression(text, names, "here")(10) == value


@pytest.mark.parametrize(
    "text",
    [
        "x ** 9",
        "1 << 9",
        "x.__class__",
        "().x",
        "x[0]",
        "'a' * 9",
        "lambda: 1",
        "[1 for _ in x]",
        "min(*x)",
        "max(x, key=x)",
        "open('f')",
        "y",
        "x if x else 1",
        "9" * 400,
        "1" + "+1" * 300,
        "x" + "*x" * 120,
        "(" * 240 + "1" + ")" * 240,
        "x in job",
        "1j",
        "None",
        "x; x",
        "",
        "f'{x}'",
        "x := 3",
        "...",
    ],
)
def test_what_is_no_expression_is_refused_by_name_of_its_place(text: str) -> None:
    with pytest.raises(InputError, match=r"^laws\.toml: law 'a'"):
        compile_expression(text, names, "laws.toml: law 'a'")


@pytest.mark.parametrize("text", ["x / 0", "x % 0", "x" + " * x" * 30, "1e18 * 1e18", "x // 0.0"])
def test_an_expression_without_an_ordinary_value_says_so(text: str) -> None:
    value = compile_expression(text, names, "here")

    with pytest.raises(Impossible):
        value(1 << 53)
