"""The page about an experiment: history in, one HTML file out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flows import toml_text
from flows.history.store import Ask, answers
from flows.home import experiment_folder
from flows.report.candidates import TableRow, payload, table_rows
from flows.report.charts import fate, spaced
from flows.report.checks import CheckHistory, check_history
from flows.report.compare import (
    Contender,
    Line,
    Listed,
    ScoreTable,
    contenders,
    drawn_columns,
    duel,
    figure_lines,
    listed,
    published_tables,
    scenario_scores,
)
from flows.report.costs import cost_lines
from flows.report.data import ReportData, loaded
from flows.report.frame import render_page, write_page
from flows.report.opening import Opening, opening
from flows.report.panels import Panel, class_panel, drawn_classes, span_panel, time_panel
from flows.report.progress import (
    Step,
    ancestry,
    curve_legend,
    improvement_curve,
    lineage_tree,
    validation_scores,
)
from flows.report.summary import (
    COST_COLUMNS,
    LESSON_COLUMNS,
    CostLine,
    FailureKind,
    Shows,
    Tile,
    costs,
    failures,
    lessons,
    measure,
    reference_name,
    status_sentence,
    tiles,
    verdict,
)
from flows.report.text import clip, command_line, heading, moment, number, one_line
from flows.untrusted import for_page
from simulator.domain_spec import Channel, Classes

MAX_EVENTS = 100
MAX_CONFIG_CHARS = 20_000
MAX_SETTINGS = 60
TEMPLATE = "page.html.j2"
SCRIPTS = ("charts.js", "panels.js", "page.js")
COLUMNS = {"cost_columns": COST_COLUMNS, "lesson_columns": LESSON_COLUMNS}
QUIET_EVENTS = ("new_best", "refused", "acceptance_step")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What the domain calls the things that the page shows."""

    by_class: str
    by_name: str
    """What a class is called."""
    class_note: str
    points: str
    """How points stand for several samples."""
    has_capacity: bool
    span: str
    lane: str
    outcomes: tuple[tuple[int, str], ...]
    """How each outcome is drawn, and its name."""
    sizes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """Policies beside each other: their scores, figures and panels."""

    measure: str
    contenders: tuple[Contender, ...]
    scores: ScoreTable
    figures: tuple[Line, ...]
    guarded: bool
    """Whether some of the figures may not get worse."""
    tables: tuple[Listed, ...]
    listed: tuple[Listed, ...]
    words: Words
    panels: dict[str, Panel]
    duel: tuple[Contender, ...]
    drawn_classes: tuple[tuple[int, str], ...]
    not_drawn: int

    @property
    def drawn(self) -> dict[str, Any]:
        """What a script draws of it."""
        return {
            "policies": [rival.name for rival in self.contenders],
            "places": [rival.place for rival in self.contenders],
            "panels": {name: panel.content for name, panel in self.panels.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """The page's content as plain text; what its script draws is in ``payload``."""

    title: str
    status: str
    verdict: str
    opening: Opening
    best_path: str
    tiles: tuple[Tile, ...]
    has_curve: bool
    has_validation: bool
    legend: tuple[tuple[str, str], ...]
    """The kinds of marks in the chart of the search, and what they say."""
    reference: str
    contest: Contest
    simulator: CheckHistory | None
    """Where simulators were searched and not policies."""
    failures: tuple[FailureKind, ...]
    steps: tuple[Step, ...]
    lessons: Shows
    rows: tuple[TableRow, ...]
    outcomes: tuple[str, ...]
    standings: tuple[str, ...]
    costs: tuple[CostLine, ...]
    facts: tuple[tuple[str, str], ...]
    scenarios: tuple[tuple[str, ...], ...]
    settings: tuple[tuple[str, ...], ...]
    events: tuple[tuple[str, str, str], ...]
    command: str
    config: str
    payload: dict[str, Any]


def write_report(home: Path, experiment_id: str, out: Path | None = None) -> Path:
    """Write the page and return its path; an existing page is replaced in one step."""
    data = answers(home, lambda ask: loaded_with_costs(ask, home, experiment_id))
    page = render(build_view(data))
    return write_page(
        out if out is not None else experiment_folder(home, experiment_id) / "report.html", page
    )


def loaded_with_costs(ask: Ask, home: Path, experiment_id: str) -> ReportData:
    """Return all rows that the page about an experiment is made from."""
    data = loaded(ask, home, experiment_id)
    experiment = data.experiment
    lines = cost_lines(ask, experiment.experiment_id, data.spec, experiment.objective)
    return replace(data, cost_lines=lines)


def build_view(data: ReportData) -> ReportView:
    """Return the content of the page for one experiment."""
    rivals = contenders(data)
    contest = contest_of(data, rivals, duel(data, rivals), published_tables(data, rivals))
    curve = improvement_curve(data)
    rows = table_rows(data)
    paths = [row.path for row in data.artifacts if row.kind == "best_policy"]
    return ReportView(
        title=one_line(data.experiment.name or data.experiment.experiment_id, 120),
        status=status_sentence(data),
        verdict=verdict(data),
        opening=opening(data),
        best_path=one_line(paths[-1], 300) if paths else "",
        tiles=tiles(data),
        has_curve=bool(curve),
        has_validation=bool(validation_scores(data)),
        legend=curve_legend(data),
        reference=reference_name(data),
        contest=contest,
        simulator=check_history(data),
        failures=failures(data),
        steps=ancestry(data),
        lessons=lessons(data),
        rows=rows,
        outcomes=tuple(sorted({row.outcome for row in rows})),
        standings=tuple(sorted({row.standing for row in rows} - {""})),
        costs=costs(data),
        facts=_facts(data),
        scenarios=_scenarios(data),
        settings=_settings(data),
        events=_events(data),
        command=one_line(command_line(data.experiment.config), MAX_CONFIG_CHARS),
        config=_config(data),
        payload={
            **payload(data),
            **contest.drawn,
            "drawings": {"curve": curve, "tree": lineage_tree(data)},
        },
    )


def contest_of(
    data: ReportData,
    rivals: tuple[Contender, ...],
    pair: tuple[Contender, ...],
    tables: tuple[Listed, ...] = (),
) -> Contest:
    """Return the rivals beside each other, with panels over time of the two in ``pair``."""
    spans = span_panel(data, pair)
    return Contest(
        measure=measure(data),
        contenders=rivals,
        scores=scenario_scores(data, rivals),
        figures=figure_lines(data, rivals),
        guarded=data.objective is not None and bool(data.objective.guards),
        tables=tables,
        listed=listed(data, rivals),
        words=words_of(data),
        panels={
            "classes": class_panel(data, rivals),
            "channels": time_panel(data, pair),
            "spans": spans,
        },
        duel=pair,
        drawn_classes=tuple(drawn_classes(spans)),
        not_drawn=len(data.scenarios) - len(data.drawn),
    )


def render(view: ReportView) -> str:
    """Return the page."""
    return render_page(
        TEMPLATE,
        SCRIPTS,
        view.payload,
        view=view,
        **COLUMNS,
    )


def _facts(data: ReportData) -> tuple[tuple[str, str], ...]:
    row = data.experiment
    isolations = sorted({item.isolation for item in data.candidates if item.isolation})
    hosts = sorted({each.host for each in data.evaluations if each.host})
    images = sorted({item.image_id for item in data.candidates if item.image_id})
    facts = (
        ("experiment", row.experiment_id),
        ("started", moment(row.created_at)),
        ("ended", moment(row.finished_at)),
        ("strategy", row.strategy),
        ("proposer", row.proposer),
        ("model", row.model),
        ("domain", f"{row.domain} {row.domain_version}".strip()),
        ("domain, sha256", row.domain_sha256),
        ("suite", row.suite),
        ("objective", row.objective),
        ("seed", str(row.seed)),
        ("assay", row.assay_version),
        ("simulator", row.simulator_version),
        ("tried on", ", ".join(hosts)),
        ("isolation", ", ".join(isolations)),
        ("cell image", ", ".join(images) or row.image_id),
        ("configuration, sha256", row.config_sha256),
        ("Prefect flow run", row.flow_run_id),
    )
    return tuple((label, one_line(value, 300)) for label, value in facts if value)


def _scenarios(data: ReportData) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            one_line(row.scenario, 80),
            one_line(row.family, 40),
            one_line(row.split, 20),
            *(f"{row.size.get(key, 0):,}" for key in data.spec.sizes),
            f"{number(row.duration_seconds, 4)} s",
            row.sha256[:16],
        )
        for row in data.scenarios
    )


def _settings(data: ReportData) -> tuple[tuple[str, ...], ...]:
    """The parameters of the scenarios: a row for each, with a cell for each different value."""
    names = dict.fromkeys(name for row in data.scenarios for name in row.params)
    lines = []
    for name in list(names)[:MAX_SETTINGS]:
        groups: dict[str, list[str]] = {}
        for row in data.scenarios:
            value = one_line(str(row.params.get(name, "–")), 60)
            groups.setdefault(value, []).append(one_line(row.scenario, 40))
        same = len(groups) == 1
        words = [value if same else f"{value} ({', '.join(on)})" for value, on in groups.items()]
        lines.append((one_line(name, 60), clip("; ".join(words), 600)))
    return tuple(lines)


def _points(channels: Sequence[Channel]) -> str:
    """What the points of the curves are; ways that few channels have stand in brackets."""
    ways = {"max": "the largest", "sum": "the sum", "mean": "the mean"}
    used = {way: [one_line(each.label) for each in channels if each.thin == way] for way in ways}
    usual, *others = sorted(
        (way for way in ways if used[way]), key=lambda way: -len(used[way])
    ) or ["max"]
    rest = "; ".join(f"{ways[way]} for {', '.join(used[way])}" for way in others)
    return f"{ways[usual]} of a group of samples" + (f" ({rest})" if rest else "")


def _class_note(classes: Classes) -> str:
    means = ""
    if classes.rows:  # only such classes are put together
        means = "A policy that failed on one of several scenarios has no figures over all of them."
        if classes.weight:
            column = spaced(classes.weight)
            means = f"Means over several scenarios are weighted by the column {column}. {means}"
    bar, *mark = (spaced(name) for name in drawn_columns(classes))
    drawn = f"Bars show {bar}" + (f" and marks {mark[0]}." if mark else ".")
    return one_line(" ".join(filter(None, (drawn, classes.note, means))))


def words_of(data: ReportData) -> Words:
    """Return what the domain calls the things that the page shows."""
    spec = data.spec
    outcomes = spec.spans.outcomes if spec.spans else []
    channels = [each for each in spec.timeline.channels if each.drawn] if spec.timeline else []
    return Words(
        by_class=heading(spec.classes.label) if spec.classes else "",
        by_name=one_line(spec.classes.name, 60) if spec.classes else "class",
        class_note=_class_note(spec.classes) if spec.classes else "",
        points=_points(channels),
        has_capacity=any(each.capacity for each in channels),
        span=one_line(spec.spans.label, 60) if spec.spans else "",
        lane=one_line(spec.spans.lane_label, 60) if spec.spans else "",
        outcomes=tuple((fate(place), one_line(name, 40)) for place, name in enumerate(outcomes)),
        sizes=tuple(one_line(label, 60) for label in spec.sizes.values()),
    )


def _events(data: ReportData) -> tuple[tuple[str, str, str], ...]:
    rows = [row for row in data.events if row.kind not in QUIET_EVENTS]
    shown = [
        (moment(row.created_at), one_line(row.kind, 30), one_line(row.message)) for row in rows
    ]
    if len(shown) > MAX_EVENTS:
        left = len(shown) - MAX_EVENTS
        return (*shown[:MAX_EVENTS], ("", "…", f"{left:,} more in the history: assay sql"))
    return tuple(shown)


def _config(data: ReportData) -> str:
    return clip(for_page(toml_text.document(data.experiment.config)), MAX_CONFIG_CHARS)
