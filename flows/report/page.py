"""The page about an experiment: history in, one HTML file out."""

import os
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from flows import toml_text
from flows.home import experiment_folder
from flows.prompting.templates import render_html
from flows.report.candidates import TableRow, payload, table_rows
from flows.report.compare import (
    Contender,
    Kills,
    Line,
    Panel,
    PaperLine,
    contenders,
    duel,
    figure_lines,
    kill_lines,
    latency_panels,
    paper_table,
    scenario_scores,
)
from flows.report.data import ReportData, ReportError, load
from flows.report.progress import Step, ancestry, improvement_curve, lineage_tree, validation_scores
from flows.report.summary import (
    COST_COLUMNS,
    CostLine,
    FailureKind,
    Tile,
    costs,
    failures,
    reference_name,
    status_sentence,
    tiles,
    verdict,
)
from flows.report.text import clip, command_line, json_for_script, moment, number, one_line
from flows.report.timelines import gantts, timeline_panels
from flows.untrusted import for_page

FOLDER = Path(__file__).parent / "report_templates"
MAX_EVENTS = 100
MAX_CONFIG_CHARS = 20_000
MEASURES = {
    "weighted_latency": "Weighted latency of {} divided by that of the policy; higher is better. "
    "An unfinished pipeline counts with the whole duration, so dropping work does not help.",
    "goodput": "Pipelines completed per hour, divided by that of {}; higher is better.",
    "legacy_throughput": "Containers per second, divided by that of {}; higher is better.",
    "legacy_latency": "Adjusted latency of {} divided by that of the policy; higher is better.",
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


def write_report(home: Path, experiment_id: str, out: Path | None = None) -> Path:
    """Write the page and return its path; an existing page is replaced in one step."""
    page = render(build_view(load(home, experiment_id)))
    path = out if out is not None else experiment_folder(home, experiment_id) / "report.html"
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(page, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):  # the folder may be one in which nothing can be changed
            partial.unlink(missing_ok=True)
        raise ReportError(
            f"report {path} cannot be written: {error.strerror or error}; "
            "name another file or make the folder writable"
        ) from error
    return path


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


def render(view: ReportView) -> str:
    """Return the page.

    The content security policy allows the one style sheet and the one script by their hashes and
    nothing else, so text that slipped through the escaping could still not run or load anything.
    """
    style = (FOLDER / "page.css").read_text(encoding="utf-8")
    script = (FOLDER / "page.js").read_text(encoding="utf-8")
    page = render_html(
        FOLDER / "page.html.j2",
        view=view,
        cost_columns=COST_COLUMNS,
        style=style,
        script=script,
        payload=json_for_script(view.payload),
        policy=_content_policy(style, script),
    )
    return for_page(page)


def _content_policy(style: str, script: str) -> str:
    allowed = {"style-src": _hash(style), "script-src": _hash(script), "img-src": "data:"}
    closed = ("default-src", "base-uri", "form-action")
    rules = [f"{name} 'none'" for name in closed]
    return "; ".join(rules + [f"{name} {value}" for name, value in allowed.items()])


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


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
            f"{row.size.get('pipelines', 0):,}",
            f"{row.size.get('operators', 0):,}",
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
        return (*shown[:MAX_EVENTS], ("", "…", f"{left:,} more in the history: assay sql"))
    return tuple(shown)


def _config(data: ReportData) -> str:
    return clip(for_page(toml_text.document(data.experiment.config)), MAX_CONFIG_CHARS)
