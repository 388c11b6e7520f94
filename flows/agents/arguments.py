"""What the tools take from a client, and what is wrong with what one gives."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MOST_COMPARED = 8
MOST_ROWS = 500


class Arguments(BaseModel):
    """What every tool takes."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class OfDomain(Arguments):
    """For tools about a domain."""

    domain: str | None = Field(None, max_length=100)
    """Name of the domain; without it the server's first one."""


class OfSuite(OfDomain):
    """For tools that try policies."""

    suite: str | None = Field(None, max_length=100)
    """Name of a suite, as list_suites names it; without it the domain's suite for first tries."""
    split: Literal["train", "validation"] = "train"
    """Which scenarios of the suite; validation only where the server allows it. The test scenarios
    are never open to a client."""


class Evaluate(OfSuite):
    """Takes a policy's source."""

    source: str = Field(max_length=1_000_000)
    """The policy, as Python source; describe_domain says what it may use."""
    title: str = Field("", max_length=1_000)
    """A few words that say what the policy does; the history shows them."""


class Compare(OfSuite):
    """Takes policies by name."""

    policies: list[str] = Field(min_length=1, max_length=MOST_COMPARED)
    """Library policies, beginnings of the sha256 of candidates (8 characters will do), or ids of
    experiments, which stand for their best policy. Others are measured against the first."""


class Show(Arguments):
    """Takes the name of an attempt."""

    attempt: str = Field(min_length=1, max_length=100)
    """The beginning of a candidate's sha256, a place such as 3/0, or best."""
    experiment: str | None = Field(None, max_length=200)
    """Name or id of the experiment to look in; without it the newest."""


class Policy(OfDomain):
    """Takes the name of a library policy."""

    name: str = Field(min_length=1, max_length=100)
    """As list_policies names it."""


class Board(OfSuite):
    """Takes what the leaderboard is about."""

    experiment: str | None = Field(None, max_length=200)
    """Name or id of one experiment; without it all experiments on the suite."""
    top: int = Field(20, ge=1, le=100)
    """How many rows."""


class Sql(Arguments):
    """Takes a statement."""

    statement: str = Field(min_length=1, max_length=20_000)
    """One SQL statement in DuckDB's dialect; SHOW TABLES and DESCRIBE leaderboard say what there
    is."""
    rows: int = Field(50, ge=1, le=MOST_ROWS)
    """The most rows that are answered."""


def explained(name: str, takes: type[Arguments], error: ValidationError) -> str:
    """Return what is wrong with the arguments: which, its value, and what is expected."""
    found = error.errors(include_url=False)
    first = next((each for each in found if each["type"] == "extra_forbidden"), found[0])
    where = ".".join(map(str, first["loc"])) or "the arguments"
    known = ", ".join(takes.model_fields)
    if first["type"] == "extra_forbidden":
        return f"{name}: there is no argument {where!r}, expected only {known}"
    if first["type"] == "missing":
        return f"{name}: {where} is missing; the tool takes {known}"
    value = repr(first["input"])[:200]
    if where == "split":
        return f"{name}: split is {value}, expected train or validation: test is never open"
    return f"{name}: {where} is {value}: {first['msg'][:1].lower()}{first['msg'][1:]}"
