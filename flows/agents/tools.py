"""The tools that a client may call: what each takes, and what it answers in words and as data.

Whatever a tool reads of the history it reads in a copy without test figures; see
``flows.history.held_back``. A tool takes names, never paths: it opens no file that a client names.
"""

import ast
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationError

from flows.agents.arguments import (
    Arguments,
    Board,
    Compare,
    Evaluate,
    OfDomain,
    OfSuite,
    Policy,
    Show,
    Sql,
    explained,
)
from flows.agents.notebook import Notebook, Place, Told, Tried
from flows.errors import UserError
from flows.history.asked import ask_apart
from flows.history.export import plain
from flows.history.held_back import OpenHistory
from flows.history.store import Bounds, query
from flows.judging.comparison import compare_trials
from flows.policies import (
    Contender,
    PolicyText,
    library_contender,
    library_name,
    recorded_contender,
)
from flows.prompting.prompts import system_values
from flows.report.attempts import known_attempt
from flows.settings.search import SearchConfig
from flows.untrusted import (
    UNTRUSTED,
    counted,
    for_prompt,
    on_one_line,
    prompt_code,
    prompt_fence,
)
from sandbox.source import source_diff
from sandbox.trial import Stop
from simulator.domain import Domain
from simulator.suites import load_suite, suite_names

MOST_CHARS = 60_000
"""Of one answer; what is beyond is cut, and the answer says so."""
MOST_CELL = 4_000
"""Characters of one value of an answer to SQL."""
MOST_DIFF = 20_000
SQL_SECONDS = 20.0
TITLE = 80


_BOARD = """
SELECT l.name, score, validation_score, outcome, standing, title, origin,
    l.iteration || '/' || l.slot AS place, left(candidate, 12) AS candidate, experiment_id
FROM leaderboard l JOIN experiments e USING (experiment_id)
WHERE ({where}) AND score IS NOT NULL AND duplicate_of IS NULL
ORDER BY score DESC, experiment_id, l.iteration, l.slot LIMIT {top}
"""
_ON_SPLIT = "SELECT experiment_id FROM evaluations WHERE split = $split"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the person at the server offers to clients."""

    domains: Mapping[str, Domain]
    """By name; the first is taken where a client names none."""
    suites: Mapping[str, str]
    """Suite files beside the suites of the domain, by the name that clients use."""
    splits: tuple[str, ...]
    """train, and validation if it is allowed; never test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a tool answers: in words, and as data."""

    text: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Who calls a tool, how the call is stopped, and who hears what is being done."""

    client: str
    stop: Stop
    told: Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool, as it is listed and called."""

    name: str
    about: str
    takes: type[Arguments]
    run: Callable[["Tools", Any, Call], Answer]
    reads_only: bool = True


class Tools:
    """All tools over one notebook and one history; safe in several threads."""

    ALL: ClassVar[Mapping[str, Tool]]

    def __init__(self, offer: Offer, notebook: Notebook, history: OpenHistory) -> None:
        self._offer = offer
        self._notebook = notebook
        self._history = history
        self._fit: set[Place] = set()

    def call(self, name: str, given: Mapping[str, Any] | None, call: Call) -> Answer:
        """Return the answer of a tool; raise UserError, or what the sandbox raises."""
        tool = self.ALL.get(name)
        if tool is None:
            raise UserError(f"there is no tool {name!r}: expected one of {', '.join(self.ALL)}")
        try:
            arguments = tool.takes.model_validate(dict(given or {}))
        except ValidationError as error:
            raise UserError(explained(name, tool.takes, error)) from None
        try:
            answer = tool.run(self, arguments, call)
        except UserError as error:
            raise UserError(str(error).replace(self._history.path, "the history")) from None
        return Answer(text=_fitted(for_prompt(answer.text)), data=_shown(answer.data))

    def describe_domain(self, given: OfDomain, call: Call) -> Answer:
        """Say what policies are for, how they are scored, and what they may use."""
        domain = self._domain(given.domain)
        spec = domain.spec
        values = system_values(SearchConfig(domain=domain), ())
        parts = {
            "what a policy is for": values["job"],
            "how it is scored": values["score"],
            "what it may use": f"{values['api']}\n\nModules: {values['modules']}",
            "rules": values["rules"],
            "the least policy that runs": values["skeleton"],
        }
        head = f"# {spec.name}: {spec.title}\n\n{spec.summary}"
        text = "\n\n".join(
            [head, *(f"## {name}\n\n{part}" for name, part in parts.items() if part)]
        )
        return Answer(
            text=text,
            data={
                "domain": spec.name,
                "version": spec.version,
                "domains": list(self._offer.domains),
                "reference": spec.reference,
                "objectives": [each.name for each in spec.objectives],
                "metrics": {each.key: each.label for each in spec.metrics},
                "splits": list(self._offer.splits),
            },
        )

    def list_suites(self, given: OfDomain, call: Call) -> Answer:
        """List the suites with the number of scenarios in each split."""
        domain = self._domain(given.domain)
        found = []
        for name in self._suites(domain):
            suite = load_suite(self._offer.suites.get(name, name), domain)
            counts = {each: len(suite.split(each)) for each in ("train", "validation", "test")}
            found.append({"suite": name, "about": suite.description, **counts})
        lines = [
            f"{each['suite']}: {each['about']}; scenarios: {each['train']} train, "
            f"{each['validation']} validation, {each['test']} test"
            for each in found
        ]
        note = f"open to clients: {', '.join(self._offer.splits)}; test scenarios never are"
        return Answer(
            text="\n".join([f"suites of {domain.name}; {note}", *lines]),
            data={"domain": domain.name, "default": domain.spec.suite, "suites": found},
        )

    def list_policies(self, given: OfDomain, call: Call) -> Answer:
        """List the library's policies with what each does."""
        domain = self._domain(given.domain)
        found = {name: _about(name, domain.policy_source(name)) for name in domain.policy_names()}
        lines = [f"{name}: {about}" for name, about in found.items()]
        head = f"library policies of {domain.name}; {domain.spec.reference} has score 1.0"
        return Answer(
            text="\n".join([head, *lines]), data={"domain": domain.name, "policies": found}
        )

    def show_policy(self, given: Policy, call: Call) -> Answer:
        """Show the source of a library policy."""
        domain = self._domain(given.domain)
        known = library_name(given.name, domain)
        if known is None:
            raise UserError(
                f"name is {given.name!r}, expected one of {', '.join(domain.policy_names())}; "
                "show_attempt shows a policy of the history"
            )
        source = domain.policy_source(known)
        return Answer(
            text=f"{known} of {domain.name}:\n{prompt_code(source)}",
            data={"domain": domain.name, "name": known, "source": source},
        )

    def evaluate_policy(self, given: Evaluate, call: Call) -> Answer:
        """Try a policy in a cell and record it."""
        place = self._place(given)
        title = on_one_line(given.title)[:TITLE].strip() or "untitled"
        problem = None if given.source.strip() else "the source is empty"
        text = PolicyText(
            title=title,
            data=given.source.encode("utf-8", "surrogatepass"),
            source=given.source if problem is None else None,
            problem=problem,
        )
        contender = Contender(label=title, text=text)
        tried = self._notebook.tried(call.client, place, contender, call.stop, call.told)
        used = self._notebook.limits.used
        judged, place_words = tried.judgement, f"{tried.key[0]}/{tried.key[1]}"
        again = " (it had been tried before: no trial was used)" if tried.again else ""
        lines = [
            f"{title}: {_where(place)}{again}",
            judged.feedback,
            f"recorded as {place_words} of experiment {tried.experiment_id}, candidate "
            f"{judged.candidate[:12]}",
            used.words(),
        ]
        return Answer(
            text="\n".join(lines),
            data={
                **_of(place),
                "candidate": judged.candidate,
                "outcome": judged.outcome,
                "correct": judged.correct,
                "score": judged.combined_score,
                "scores": dict(judged.scores),
                "figures": dict(judged.figures),
                "problem": judged.problem,
                "experiment": tried.experiment_id,
                "place": place_words,
                "tried_before": tried.again,
                "used": asdict(used),
            },
        )

    def compare_policies(self, given: Compare, call: Call) -> Answer:
        """Compare policies on the same scenarios, with confidence intervals."""
        place = self._place(given)
        found = [self._contender(name, place.domain) for name in given.policies]
        if len(found) == 1:
            found.append(library_contender(place.domain.spec.reference, place.domain))
        tried: list[Tried] = []
        for each in found:
            tried.append(self._notebook.tried(call.client, place, each, call.stop, call.told))
        bench = self._notebook.bench(place)
        comparison = compare_trials(
            [(each, one.trial) for each, one in zip(found, tried, strict=True)],
            bench.references,
            place.domain.spec,
        )
        used = self._notebook.limits.used
        rows = [_row(row) for row in comparison.rows]
        lines = [_row_words(row, comparison.first) for row in rows]
        head = f"{counted(comparison.scenarios, 'scenario')} of {_where(place)}, the best first"
        return Answer(
            text="\n".join([head, *lines, f"verdict: {comparison.verdict}", used.words()]),
            data={
                **_of(place),
                "first": comparison.first,
                "verdict": comparison.verdict,
                "rows": rows,
                "experiment": tried[0].experiment_id,
                "used": asdict(used),
            },
        )

    def show_attempt(self, given: Show, call: Call) -> Answer:
        """Show what the history knows of an attempt."""
        home = self._seen()
        known = known_attempt(home, given.attempt, given.experiment)
        attempt = known["attempt"]
        source = attempt["source"] or ""
        diffs = [source_diff(each["source"], source, "parent", "this") for each in known["parents"]]
        summary = {
            name: attempt[name]
            for name in (
                "experiment_id iteration slot candidate title origin operator parents outcome "
                "score validation_score standing standing_detail problem problem_line duplicate_of"
            ).split()
            if attempt[name] not in (None, "", [])
        }
        data = {
            **summary,
            "evaluations": known["evaluations"],
            "figures": known["figures"],
            "source": source,
        }
        parts = [
            _lines(summary),
            "evaluations:",
            *(_lines(_flat(each)) for each in known["evaluations"]),
            f"source:\n{prompt_code(source)}",
            *(prompt_fence("diff to a parent", each, MOST_DIFF) for each in diffs),
        ]
        return Answer(text=_labelled("\n".join(parts)), data=data)

    def leaderboard(self, given: Board, call: Call) -> Answer:
        """List the best attempts of an experiment, or of all experiments on a suite and split."""
        if given.experiment is not None:
            where = "e.experiment_id = $experiment OR e.name = $experiment"
            values = {"experiment": given.experiment}
        else:
            place = self._place(given)
            where = f"e.domain = $domain AND e.suite = $suite AND e.experiment_id IN ({_ON_SPLIT})"
            values = {
                "domain": place.domain.name,
                "suite": place.suite,
                "split": place.split,
            }
        statement = _BOARD.format(where=where, top=given.top)
        table = query(self._seen(), statement, values, refresh=False)
        if given.experiment is not None and not table.rows:
            raise UserError(
                f"experiment is {given.experiment!r}, which has no attempt with a score that a "
                "client may see: leave it out, or ask_sql FROM experiments"
            )
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        head = (
            "score is on train, or on the split of an experiment that knows only one; 1.0 is the "
        )
        lines = [json.dumps({k: v for k, v in row.items() if v not in (None, "")}) for row in rows]
        return Answer(
            text=_labelled("\n".join([f"{head}reference policy, higher is better", *lines])),
            data={"rows": rows},
        )

    def ask_sql(self, given: Sql, call: Call) -> Answer:
        """Answer one statement over the history, without its test figures."""
        home = self._seen()
        bounds = Bounds(seconds=SQL_SECONDS, rows=given.rows)
        table = ask_apart(home, given.statement, bounds)
        rows = [[_cell(value) for value in row] for row in table.rows]
        shown = [json.dumps(row, ensure_ascii=False) for row in rows]
        kept = _fitting(shown, MOST_CHARS - 2_000)
        notes = list(table.notes)
        if kept < len(rows):
            notes.append(f"only the first {kept} rows fit into the answer: name fewer columns")
        columns = json.dumps(list(table.columns))
        return Answer(
            text=_labelled("\n".join([f"columns: {columns}", *shown[:kept], *notes])),
            data={"columns": list(table.columns), "rows": rows[:kept], "notes": notes},
        )

    def _domain(self, name: str | None) -> Domain:
        known = self._offer.domains
        if name is None:
            return next(iter(known.values()))
        if name not in known:
            raise UserError(f"domain is {name!r}, expected one of {', '.join(known)}")
        return known[name]

    def _suites(self, domain: Domain) -> list[str]:
        return [*suite_names(domain), *self._offer.suites]

    def _place(self, given: OfSuite) -> Place:
        domain = self._domain(given.domain)
        known = self._suites(domain)
        suite = given.suite or next(iter(self._offer.suites), domain.spec.suite)
        if suite not in known:
            raise UserError(
                f"suite is {suite!r}, expected one of {', '.join(known)} for domain {domain.name}"
            )
        if given.split not in self._offer.splits:
            raise UserError(
                f"split is {given.split!r}, which this server does not open: use train, or have "
                "whoever runs the server start it with --validation"
            )
        place = Place(domain=domain, suite=self._offer.suites.get(suite, suite), split=given.split)
        self._refuse_what_is_held_back(place)
        return place

    def _refuse_what_is_held_back(self, place: Place) -> None:
        """Refuse a split that holds a scenario which stands in a closed one too."""
        if place in self._fit:
            return
        suite = load_suite(place.suite, place.domain)
        opened = {each.sha256 for each in suite.split(place.split)}
        closed = {"train", "validation", "test"} - {*self._offer.splits}
        both = [
            scenario.name
            for split in sorted(closed)
            for scenario in suite.split(split)
            if scenario.sha256 in opened
        ]
        if both:
            raise UserError(
                f"suite {place.suite_name}: {both[0]} is held back from clients, and the same "
                f"scenario is in {place.split}: choose another suite, or have it corrected"
            )
        self._fit.add(place)

    def _contender(self, name: str, domain: Domain) -> Contender:
        known = library_name(name, domain)
        if known is not None:
            return library_contender(known, domain)
        found = recorded_contender(name, self._seen())
        if found is None:
            raise UserError(
                f"policies has {name!r}, which is neither a library policy "
                f"({', '.join(domain.policy_names())}) nor a candidate or an experiment of the "
                "history: evaluate_policy tries a source and names its candidate"
            )
        return found

    def _seen(self) -> Path:
        return self._history.folder()[0]


def _tool(name: str, about: str, takes: type[Arguments], *, reads_only: bool = True) -> Tool:
    return Tool(
        name=name, about=about, takes=takes, run=getattr(Tools, name), reads_only=reads_only
    )


Tools.ALL = {
    each.name: each
    for each in (
        _tool(
            "describe_domain",
            "What a policy is for, how it is scored, and what it may use. Read this before writing "
            "a policy.",
            OfDomain,
        ),
        _tool("list_suites", "The suites of scenarios that policies can be tried on.", OfDomain),
        _tool("list_policies", "The policies of the library, one line each.", OfDomain),
        _tool("show_policy", "The source of a library policy.", Policy),
        _tool(
            "evaluate_policy",
            "Try a policy in a locked cell: its score (1.0 is the reference policy, higher is "
            "better), what held it back, and where it failed. It is recorded in the history. "
            "Takes seconds to minutes and one trial of the session.",
            Evaluate,
            reads_only=False,
        ),
        _tool(
            "compare_policies",
            "Compare policies on the same scenarios, with confidence intervals and a verdict. Each "
            "that was not tried in this session takes one trial.",
            Compare,
            reads_only=False,
        ),
        _tool("show_attempt", "Source, figures and parents of an attempt of the history.", Show),
        _tool("leaderboard", "The best attempts of an experiment, or on a suite.", Board),
        _tool(
            "ask_sql",
            "Ask the history one read-only statement in DuckDB's SQL. Rows about test scenarios "
            "are not in it.",
            Sql,
        ),
    )
}


def _about(name: str, source: str) -> str:
    words = ast.get_docstring(ast.parse(source)) or name
    return words.splitlines()[0].rstrip(".")


def _of(place: Place) -> dict[str, Any]:
    return {"domain": place.domain.name, "suite": place.suite_name, "split": place.split}


def _where(place: Place) -> str:
    return f"{place.suite_name}, {place.split}, of domain {place.domain.name}"


def _row(row: Any) -> dict[str, Any]:
    return {
        "policy": row.label,
        "candidate": row.candidate,
        "outcome": str(row.outcome),
        "score": row.score,
        "against_first": row.against_first.words() if row.against_first is not None else None,
        "against_best_library_policy": row.against_baseline.words()
        if row.against_baseline is not None
        else None,
        "scores": dict(row.scores),
        "problem": row.problem,
    }


def _row_words(row: Mapping[str, Any], first: str) -> str:
    score = "none" if row["score"] is None else f"{row['score']:.4f}"
    against = f"; against {first}: {row['against_first']}" if row["against_first"] else ""
    problem = f"; {on_one_line(row['problem'])}" if row["problem"] else ""
    return f"{row['policy']}: score {score}, outcome {row['outcome']}{against}{problem}"


def _lines(values: Mapping[str, Any]) -> str:
    return "\n".join(f"{name}: {on_one_line(str(value))}" for name, value in values.items())


def _flat(row: Mapping[str, Any]) -> dict[str, str]:
    """Return one evaluation as one line: its name, and what it did."""
    told = {name: value for name, value in row.items() if value not in (None, "")}
    figures = ", ".join(f"{name} {value}" for name, value in row["figures"].items() if value)
    about = f"{told.get('outcome')}, score {told.get('score')}, {figures}"
    problem = f"; {told['problem']}" if "problem" in told else ""
    return {f"{told['split']} {told['scenario']} ({told['purpose']})": about + problem}


def _labelled(text: str) -> str:
    return f"(texts of policies and models in it are {UNTRUSTED})\n{text}"


def _cell(value: Any) -> Any:
    shown = plain(value)
    if isinstance(shown, str) and len(shown) > MOST_CELL:
        return f"{shown[:MOST_CELL]}… ({len(shown) - MOST_CELL} more characters)"
    return shown


def _fitting(lines: Sequence[str], room: int) -> int:
    """Return how many of the lines fit."""
    for place, line in enumerate(lines):
        room -= len(line) + 1
        if room < 0:
            return place
    return len(lines)


def _fitted(text: str) -> str:
    if len(text) <= MOST_CHARS:
        return text
    return f"{text[:MOST_CHARS]}\n… ({len(text) - MOST_CHARS} more characters are left out)"


def _shown(value: Any) -> Any:
    """Return data with every text as a reader can see it."""
    if isinstance(value, str):
        return for_prompt(value)
    if isinstance(value, Mapping):
        return {for_prompt(str(name)): _shown(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(each) for each in value]
    return plain(value)
