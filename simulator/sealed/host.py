"""The host half of every sealed domain: the page about its contract for authors of policies."""

from collections.abc import Iterator

from simulator.domain import Domain
from simulator.sealed.policy_side import STEP
from simulator.sealed.shapes import SealedSpec
from simulator.sealed.spec import CONTRACT_FILE, public, read_contract


def host_half(domain: Domain) -> "SealedHost":
    """Return the host half of a sealed domain."""
    return SealedHost(read_contract(domain.root / CONTRACT_FILE))


class SealedHost:
    """See ``simulator.domain_host.HostHalf``."""

    def __init__(self, spec: SealedSpec) -> None:
        self._spec = spec

    def contract_page(self, *_calls: str) -> str:
        """Return a Markdown page about what a policy may use; nothing hidden is on it."""
        return contract_page(self._spec)


def contract_page(spec: SealedSpec) -> str:
    """Return a Markdown page about what a policy may use; nothing hidden is on it."""
    seen = public(spec)
    lines = [
        f"# {spec.title[0].upper()}{spec.title[1:]}, for a policy",
        "",
        spec.summary,
        "",
        f"A policy is one function. `@{STEP}(key=...)` registers it, and it is called whenever an "
        "event happens that asks for it:",
        "",
        "```python",
        f'@{STEP}(key="mine")',
        "def decide(state):",
        "    ...",
        f"    return [{_call(seen)}]   # or None for nothing",
        "```",
        "",
        "Times are whole us from the start of a run. State between calls may be kept in module "
        "variables.",
        "",
        *_table("name", _names(seen)),
        *_section("Tables", _tables(seen)),
        *_section("Events", _events(seen)),
        *_section("Decisions", _decisions(seen)),
        "A decision that is not allowed ends the run, and the policy has failed. Decisions of one "
        "turn count one after another: the second one must be allowed after the first.",
    ]
    return "\n".join(lines) + "\n"


def _call(spec: SealedSpec) -> str:
    for name, kind in spec.decisions.items():
        return f"{name}({', '.join(f'{field}={field}' for field in kind.fields)})"
    return ""


def _names(spec: SealedSpec) -> Iterator[tuple[str, str]]:
    yield "`state.now`", "the time of this call in us"
    yield "`state.events`", "the events since the last call: `event.kind`, `event.time`, fields"
    for name, value in spec.values.items():
        unit = f" in {value.unit}" if value.unit else ""
        yield f"`state.values.{name}`", f"{value.low} to {value.high}{unit}"
    for name, each in spec.parameters.items():
        unit = f" in {each.unit}" if each.unit else ""
        yield f"`state.parameters.{name}`", f"{each.low} to {each.high}{unit}"
    for name, gauge in spec.gauges.items():
        what = f'`state.gauge("{name}"{"" if gauge.per is None else f", {gauge.per}"})`'
        adds = ", ".join(f"{event} +{_by(amount)}" for event, amount in gauge.add.items())
        takes = ", ".join(f"{event} -{_by(amount)}" for event, amount in gauge.take.items())
        yield what, f"an amount: {', '.join(filter(None, (adds, takes)))}"
    if spec.tables:
        yield "`state.rows(table, state=None)`", "the known rows of a table, by number"
        yield "`state.row(table, number)`", "one known row"
        yield "`row.number`, `row.state`", "its number, and its state where it has states"
        yield '`row.at("event")`', "the time of its latest such event, or `None`"


def _by(amount: str) -> str:
    return amount if amount.replace(".", "").isalnum() else f"({amount})"


def _tables(spec: SealedSpec) -> Iterator[str]:
    for name, rows in spec.tables.items():
        when = "from the start" if rows.revealed_by is None else f"once it has {rows.revealed_by}"
        yield f"`{name}`: a row is known {when}."
        yield ""
        columns = [
            (f"`row.{key}`", _column(each.refers, each.low, each.high, each.unit))
            for key, each in rows.columns.items()
        ]
        yield from _table("column", columns)
        cycle = spec.lifecycles.get(name)
        if cycle is not None:
            moves = [
                f"{event}: {' or '.join(m[:-1])} to {m[-1]}" for event, m in cycle.moves.items()
            ]
            yield f"Its state is {cycle.begin} at first. {'; '.join(moves)}."
            yield ""


def _column(refers: str | None, low: int, high: int | None, unit: str) -> str:
    if refers is not None:
        return f"the number of a row of {refers}"
    return f"{low} to {high}{f' in {unit}' if unit else ''}"


def _events(spec: SealedSpec) -> Iterator[str]:
    for name, kind in spec.events.items():
        fields = ", ".join(f"`{field}` ({_what(table)})" for field, table in kind.fields.items())
        asks = "; the policy is called" if kind.asks else ""
        yield f"* `{name}`: {fields or 'no fields'}{asks}"
    yield ""


def _decisions(seen: SealedSpec) -> Iterator[str]:
    for name, kind in seen.decisions.items():
        fields = ", ".join(f"{field}={_what(table)}" for field, table in kind.fields.items())
        parts = [
            f"{field} must be {states if isinstance(states, str) else ' or '.join(states)}"
            for field, states in kind.when.items()
        ]
        parts += [f"needs `{kind.needs}`"] if kind.needs else []
        parts += [f"the event `{kind.causes}` follows at once"] if kind.causes else []
        yield f"* `{name}({fields})`: {'; '.join(parts) or 'always allowed'}"
    yield ""


def _what(table: str) -> str:
    return "a whole number" if table == "int" else f"a row of {table}"


def _section(title: str, lines: Iterator[str]) -> list[str]:
    found = list(lines)
    return [f"## {title}", "", *found] if found else []


def _table(head: str, rows: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> list[str]:
    body = [f"| {name} | {meaning} |" for name, meaning in rows]
    return [f"| {head} | meaning |", "| --- | --- |", *body, ""] if body else []
