"""A view for each domain: its evaluations, with a typed column per figure."""

from collections.abc import Iterator
from dataclasses import dataclass

from flows.history.database import quoted
from simulator.domain_spec import DomainSpec

SUFFIX = "_evaluations"
_OF_EVALUATION = (
    ("experiment_id", "The search."),
    ("iteration", "Round of the search; with slot the attempt in candidates."),
    ("slot", "Place within the round."),
    ("scenario", "Name of the scenario."),
    ("attempt", "0 is the scored try; higher numbers are repeats."),
    ("candidate", "sha256 of the source."),
    ("split", "train, validation or test."),
    ("outcome", "ok, or what the policy did wrong."),
    ("purpose", "score, repeat, elite or audit, see evaluations."),
    ("score", "1.0 is the reference policy; higher is better."),
    ("host", "Host that ran it, see evaluations."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    name: str
    sql: str
    meaning: str


def evaluations_view(spec: DomainSpec) -> str:
    """Return the SQL of the view of a domain, with what each column means."""
    view = spec.name.replace("-", "_") + SUFFIX
    found: dict[str, _Column] = {}
    for each in _columns(spec):
        found.setdefault(each.name.casefold(), each)
    columns = list(found.values())
    listed = ",\n".join(f'    {each.sql} AS "{each.name}"' for each in columns)
    comments = [
        f'COMMENT ON COLUMN {view}."{each.name}" IS {quoted(each.meaning)};' for each in columns
    ]
    about = f"Every evaluation of domain {spec.name}, its figures as columns: {spec.title}."
    return "\n".join(
        [
            f"CREATE OR REPLACE VIEW {view} AS SELECT",
            listed,
            "FROM evaluations e LEFT JOIN scenarios s USING (experiment_id, scenario)",
            f"WHERE e.domain = {quoted(spec.name)};",
            f"COMMENT ON VIEW {view} IS {quoted(about)};",
            *comments,
        ]
    )


def _columns(spec: DomainSpec) -> Iterator[_Column]:
    """Yield the columns; of two with one name the first counts."""
    for name, meaning in _OF_EVALUATION:
        yield _Column(name=name, sql=f"e.{name}", meaning=meaning)
    first, *others = spec.objectives
    yield _Column(
        name=_name(first.figure),
        sql="e.cost",
        meaning=_meaning(first.label, first.unit) + "; a failure has its charge.",
    )
    for size, label in spec.sizes.items():
        sql = f"TRY_CAST(s.size->>{quoted(size)} AS BIGINT)"
        yield _Column(name=_name(size), sql=sql, meaning=f"Of the scenario: {label}.")
    yield _Column(
        name="duration_seconds", sql="s.duration_seconds", meaning="Simulated length, in seconds."
    )
    shown = [(each.key, each.label, each.unit) for each in spec.metrics]
    shown += [(each.figure, each.label, each.unit) for each in others]
    if spec.classes is not None:
        classes = spec.classes
        shown += [
            (f"{classes.figure}.{row.key}.{column}", f"{classes.label}, {row.label}: {column}", "")
            for row in classes.rows
            for column in classes.columns
        ]
    for path, label, unit in shown:
        yield _Column(name=_name(path), sql=_figure(path), meaning=_meaning(label, unit) + ".")


def _name(path: str) -> str:
    return path.removeprefix("stats.").replace(".", "_").replace("-", "_")


def _figure(path: str) -> str:
    column = "stats" if path.startswith("stats.") else "metrics"
    keys = path.removeprefix("stats.").split(".")
    place = "$" + "".join(f'."{key}"' for key in keys)
    return f"TRY_CAST(e.{column}->>{quoted(place)} AS DOUBLE)"


def _meaning(label: str, unit: str) -> str:
    words = f"{label}, in {unit}" if unit else label
    return words[:1].upper() + words[1:]
