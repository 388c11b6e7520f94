"""Everything a report shows, computed from rows alone: no disk, no clock, no HTML page yet."""

from dataclasses import dataclass
from typing import Any

from flows.report.candidates import TableRow, payload, table_rows
from flows.report.compare import (
    Contender,
    Kills,
    Line,
    Panel,
    contenders,
    duel,
    figure_lines,
    kill_lines,
    scenario_scores,
)
from flows.report.config import command_line, to_toml
from flows.report.curve import improvement_curve, validation_scores
from flows.report.data import ReportData
from flows.report.gantt import gantts
from flows.report.latency import latency_panels
from flows.report.lineage import Step, ancestry, lineage_tree
from flows.report.paper import PaperLine, paper_table
from flows.report.summary import (
    CostLine,
    FailureKind,
    Tile,
    costs,
    failures,
    reference_name,
    status_sentence,
    tiles,
)
from flows.report.text import clip, moment, number, one_line
from flows.report.timeline import timeline_panels
from flows.report.verdict import verdict
from flows.untrusted import for_page

MAX_EVENTS = 100
MAX_CONFIG_CHARS = 20_000
MEASURES = {
    "weighted_latency": "Weighted latency of {} divided by the policy's own: higher is better. "
    "An unfinished pipeline is charged the whole duration: dropping work wins no scenario.",
    "goodput": "Pipelines completed per hour, divided by those of {}: higher is better.",
    "legacy_throughput": "Containers per second, divided by those of {}: higher is better.",
    "legacy_latency": "Adjusted latency of {} divided by the policy's own: higher is better.",
}
QUIET_EVENTS = ("new_best", "refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """The page's content; drawings are finished SVG, everything else is plain text."""

    title: str
    status: str
    verdict: str
    best_path: str
    tiles: tuple[Tile, ...]
    curve: str
    has_validation: bool
    reference: str
    measure: str
    contenders: tuple[Contender, ...]
    scores: tuple[Line, ...]
    latency: tuple[Panel, ...]
    figures: tuple[Line, ...]
    kills: tuple[Kills, ...]
    timeline_of: tuple[Contender, ...]
    timelines: tuple[Panel, ...]
    gantts: tuple[str, ...]
    not_drawn: int
    paper: tuple[PaperLine, ...]
    failures: tuple[FailureKind, ...]
    steps: tuple[Step, ...]
    tree: str
    rows: tuple[TableRow, ...]
    outcomes: tuple[str, ...]
    standings: tuple[str, ...]
    costs: tuple[CostLine, ...]
    facts: tuple[tuple[str, str], ...]
    scenarios: tuple[tuple[str, ...], ...]
    events: tuple[tuple[str, str, str], ...]
    command: str
    config: str
    payload: dict[str, Any]


def build_view(data: ReportData) -> ReportView:
    """Return the content of the page for one experiment."""
    rivals = contenders(data)
    pair = duel(data, rivals)
    drawings = gantts(data, pair)
    rows = table_rows(data)
    paths = [row.path for row in data.artifacts if row.kind == "best_policy"]
    return ReportView(
        title=one_line(data.experiment.name or data.experiment.experiment_id, 120),
        status=status_sentence(data),
        verdict=verdict(data),
        best_path=one_line(paths[-1], 300) if paths else "",
        tiles=tiles(data),
        curve=improvement_curve(data),
        has_validation=bool(validation_scores(data)),
        reference=reference_name(data),
        measure=MEASURES.get(data.experiment.objective, "").format(reference_name(data)),
        contenders=rivals,
        scores=scenario_scores(data, rivals),
        latency=latency_panels(data, rivals),
        figures=figure_lines(data, rivals),
        kills=kill_lines(data, rivals),
        timeline_of=pair,
        timelines=timeline_panels(data, pair),
        gantts=tuple(gantt.name for gantt in drawings),
        not_drawn=len(data.scenarios) - len(data.drawn),
        paper=paper_table(data, rivals),
        failures=failures(data),
        steps=ancestry(data),
        tree=lineage_tree(data),
        rows=rows,
        outcomes=tuple(sorted({row.outcome for row in rows})),
        standings=tuple(sorted({row.standing for row in rows} - {""})),
        costs=costs(data),
        facts=_facts(data),
        scenarios=_scenarios(data),
        events=_events(data),
        command=one_line(command_line(data.experiment.config), MAX_CONFIG_CHARS),
        config=_config(data),
        payload={**payload(data), "gantt": [gantt.mapping for gantt in drawings]},
    )


def _facts(data: ReportData) -> tuple[tuple[str, str], ...]:
    row = data.experiment
    isolations = sorted({item.isolation for item in data.candidates if item.isolation})
    images = sorted({item.image_id for item in data.candidates if item.image_id})
    facts = (
        ("experiment", row.experiment_id),
        ("started", moment(row.created_at)),
        ("ended", moment(row.finished_at)),
        ("strategy", row.strategy),
        ("proposer", row.proposer),
        ("model", row.model),
        ("suite", row.suite),
        ("objective", row.objective),
        ("seed", str(row.seed)),
        ("assay", row.assay_version),
        ("simulator", row.simulator_version),
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
            f"{row.pipelines:,}",
            f"{row.operators:,}",
            f"{number(row.duration_seconds, 4)} s",
            _cluster(row.params),
            row.sha256[:16],
        )
        for row in data.scenarios
    )


def _cluster(params: dict[str, Any]) -> str:
    keys = ("num_pools", "cpus_per_pool", "ram_gb_per_pool")
    if any(key not in params for key in keys):
        return "–"
    pools, cpus, memory = (one_line(str(params[key]), 12) for key in keys)
    return f"{pools} × ({cpus} CPU, {memory} GB)"


def _events(data: ReportData) -> tuple[tuple[str, str, str], ...]:
    rows = [row for row in data.events if row.kind not in QUIET_EVENTS]
    shown = [
        (moment(row.created_at), one_line(row.kind, 30), one_line(row.message)) for row in rows
    ]
    if len(shown) > MAX_EVENTS:
        left = len(shown) - MAX_EVENTS
        return (*shown[:MAX_EVENTS], ("", "…", f"{left:,} more: assay sql has them"))
    return tuple(shown)


def _config(data: ReportData) -> str:
    return clip(for_page(to_toml(data.experiment.config)), MAX_CONFIG_CHARS)
