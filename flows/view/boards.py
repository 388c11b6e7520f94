"""Pages over many experiments: the leaderboard of a suite, failures over time, and spend."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.history.store import Ask
from flows.report.charts import COLOURS, Chart
from flows.report.text import dollars, number, one_line, percent, score_text
from flows.untrusted import counted
from flows.view.address import Choice, address, choices, reference
from flows.view.listing import OF_TEST, SPLITS

MOST_ROWS = 200
MOST_KINDS = 8
"""That a chart tells apart; the others are one."""
MOST_BARS = 60
"""In a chart, from left to right."""
OTHERS = "others"
STEPS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}

_EDITIONS = """
SELECT experiment_id, md5(string_agg(concat_ws(chr(31), scenario, split, sha256), chr(30)
    ORDER BY scenario)) AS edition
FROM scenarios GROUP BY experiment_id
"""
_BOARDS = f"""
WITH editions AS ({_EDITIONS})
SELECT md5(concat_ws(chr(31), e.domain, e.suite, e.objective, d.edition)) AS board,
    e.domain, e.suite, e.objective, count(*) AS experiments, max(e.created_at) AS newest
FROM experiments e JOIN editions d USING (experiment_id)
GROUP BY ALL ORDER BY newest DESC, board
"""
_ON_BOARD = f"""
WITH editions AS ({_EDITIONS}), of_test AS ({OF_TEST}), chosen AS (
    SELECT e.experiment_id, e.name
    FROM experiments e JOIN editions d USING (experiment_id)
    WHERE md5(concat_ws(chr(31), e.domain, e.suite, e.objective, d.edition)) = ?
), scored AS (
    SELECT c.experiment_id, x.name AS experiment, c.iteration, c.slot, c.name, c.title, c.origin,
        c.standing, c.candidate, c.score AS train, c.validation_score AS validation, t.test,
        c.created_at, count(*) OVER (PARTITION BY coalesce(c.candidate, '')) AS times
    FROM candidates c JOIN chosen x USING (experiment_id)
        LEFT JOIN of_test t USING (experiment_id, iteration, slot)
    WHERE c.score IS NOT NULL AND c.duplicate_of IS NULL AND (? = '' OR c.origin <> 'baseline')
)
SELECT experiment_id, experiment, iteration, slot, name, title, origin, standing, times, train,
    validation, test
FROM scored
QUALIFY row_number() OVER (PARTITION BY candidate
    ORDER BY {{by}} DESC NULLS LAST, created_at, experiment_id, iteration, slot) = 1
ORDER BY standing IS NOT DISTINCT FROM 'barred', {{by}} DESC NULLS LAST, train DESC, created_at,
    experiment_id, iteration, slot
LIMIT {MOST_ROWS + 1}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardWanted:
    """Which leaderboard, and by which score."""

    board: str = ""
    by: str = ""
    origin: str = ""
    """``found`` leaves the baselines out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A suite as experiments had it: the same scenarios and the same objective."""

    key: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """One candidate on a leaderboard."""

    rank: int
    reference: str
    experiment_id: str
    experiment: str
    attempt: str
    called: str
    title: str
    origin: str
    standing: str
    times: int
    scores: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaderboard:
    """What the page shows."""

    boards: tuple[Board, ...]
    rows: tuple[Ranked, ...]
    more: bool
    wanted: BoardWanted
    splits: tuple[str, ...] = SPLITS

    def sorted_by(self, split: str) -> str:
        """Return the address of the same leaderboard by the scores of a split."""
        return address("/leaderboard", replace(self.wanted, by=split), BoardWanted())


def leaderboard(ask: Ask, wanted: BoardWanted) -> Leaderboard:
    """Return the candidates of all experiments of a suite, each once, the best first."""
    known = ask(_BOARDS).rows
    keys = [str(row[0]) for row in known]
    board = wanted.board if wanted.board in keys else (keys[0] if keys else "")
    if wanted.by in SPLITS:
        by, found = wanted.by, _ranked(ask, board, wanted.by, wanted.origin)
    else:
        for by in SPLITS:
            found = _ranked(ask, board, by, wanted.origin)
            if any(row[8 + _COLUMN[by]] is not None for row in found):
                break
    return Leaderboard(
        boards=_named(known, board),
        rows=tuple(_on_board(rank, row) for rank, row in enumerate(found[:MOST_ROWS], start=1)),
        more=len(found) > MOST_ROWS,
        wanted=BoardWanted(board=board, by=by, origin=wanted.origin),
    )


_COLUMN = {"train": 0, "validation": 1, "test": 2}


def _ranked(ask: Ask, board: str, by: str, origin: str) -> Sequence[tuple[Any, ...]]:
    return ask(_ON_BOARD.format(by=by), [board, origin]).rows


def _named(known: Sequence[tuple[Any, ...]], chosen: str) -> tuple[Board, ...]:
    """Name boards by their words; those with the same words have other scenarios."""
    named = []
    words = [tuple(row[1:4]) for row in known]
    for key, domain, suite, objective, experiments, newest in known:
        label = f"{suite} of {domain}, {objective} ({counted(experiments, 'experiment')})"
        if words.count((domain, suite, objective)) > 1:
            label += f", scenarios of {newest:%Y-%m-%d}"
        named.append(Board(key=str(key), label=one_line(label, 160), chosen=key == chosen))
    return tuple(named)


def _on_board(rank: int, row: Sequence[Any]) -> Ranked:
    experiment, name, iteration, slot, called, title, origin, standing, times, *scores = row
    train, validation, test = scores
    attempt = f"{iteration}/{slot}"
    return Ranked(
        rank=rank,
        reference=reference(experiment, attempt),
        experiment_id=experiment,
        experiment=one_line(name or experiment, 60),
        attempt=attempt,
        called=one_line(called, 80),
        title=one_line(title or "", 200) if title != called else "",
        origin=one_line(origin or "", 40),
        standing="" if origin == "baseline" else standing or "",
        times=times,
        scores=(score_text(test), score_text(validation), score_text(train)),
    )


_MOMENTS = """
SELECT min(created_at), max(created_at) FROM {table} WHERE {kept}
"""
_KEPT = "(? = '' OR experiment_id = ?)"
_FAILED = f"{_KEPT} AND origin <> 'baseline'"
_FAILURES = f"""
SELECT time_bucket({{step}}, created_at) AS moment, outcome, count(*) AS attempts
FROM candidates WHERE {_FAILED} GROUP BY ALL ORDER BY ALL
"""
_KINDS = f"""
SELECT outcome, count(*), max(created_at),
    arg_max(experiment_id, created_at), arg_max(iteration, created_at), arg_max(slot, created_at),
    arg_max(coalesce(problem, ''), created_at)
FROM candidates WHERE {_FAILED} AND outcome <> 'ok' GROUP BY outcome ORDER BY count(*) DESC, outcome
"""
_NAMES = "SELECT experiment_id, name FROM experiments ORDER BY created_at DESC, experiment_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeWanted:
    """Of which experiment, and in which steps of time; the fitting ones if none are named."""

    experiment: str = ""
    step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureKind:
    """One kind of failure over all that is shown."""

    outcome: str
    colour: int
    attempts: str
    share: str
    latest: str
    experiment_id: str
    attempt: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OverTime:
    """What a page about something over time shows."""

    wanted: TimeWanted
    step: str
    experiments: tuple[tuple[str, str], ...]
    steps: tuple[Choice, ...]
    legend: tuple[tuple[int, str], ...]
    total: str
    rows: tuple[Any, ...]
    payload: dict[str, Any]


def failures(ask: Ask, wanted: TimeWanted) -> OverTime:
    """Return how many attempts failed of what, over time."""
    given = [wanted.experiment] * 2
    step = _step(ask, "candidates", f"{_FAILED} AND outcome <> 'ok'", given, wanted.step)
    counts = ask(_FAILURES.format(step=_INTERVALS[step]), given).rows
    tried = sum(row[2] for row in counts)
    kinds = ask(_KINDS, given).rows
    colours = _colours([row[0] for row in kinds])
    failed = [row for row in counts if row[1] != "ok"]
    rows = tuple(
        FailureKind(
            outcome=one_line(outcome, 40),
            colour=colours.get(outcome, MOST_KINDS - 1),
            attempts=f"{attempts:,}",
            share=percent(attempts / tried),
            latest=f"{latest:%Y-%m-%d %H:%M}",
            experiment_id=experiment,
            attempt=f"{iteration}/{slot}",
            message=one_line(problem or "no message was recorded", 300),
        )
        for outcome, attempts, latest, experiment, iteration, slot, problem in kinds
    )
    some = sum(row[2] for row in failed)
    total = f"{some:,} of {counted(tried, 'candidate')} failed"
    if tried:
        total += f" ({percent(some / tried)})"
    return OverTime(
        wanted=wanted,
        step=step,
        experiments=_names(ask),
        steps=choices(STEPS, wanted.step),
        legend=_legend(colours),
        total=f"{total}.",
        rows=rows,
        payload=_payload(failed, colours, step, "attempts"),
    )


_CALLS = f"""
SELECT time_bucket({{step}}, created_at) AS moment, model,
    coalesce(sum(cost_usd) FILTER (NOT replayed), 0) AS usd
FROM llm_calls WHERE {_KEPT} GROUP BY ALL ORDER BY ALL
"""
_MODELS = f"""
SELECT model, count(*), count(*) FILTER (outcome = 'ok'), count(*) FILTER (replayed),
    coalesce(sum(input_tokens), 0), coalesce(sum(cached_tokens), 0),
    coalesce(sum(output_tokens), 0), sum(seconds), sum(cost_usd) FILTER (NOT replayed),
    count(*) FILTER (NOT replayed AND outcome = 'ok' AND cost_usd IS NULL)
FROM llm_calls WHERE {_KEPT} GROUP BY model ORDER BY 9 DESC NULLS LAST, 2 DESC, model
"""
_BY_EXPERIMENT = f"""
WITH paid AS (
    SELECT experiment_id, count(*) AS calls, sum(cost_usd) FILTER (NOT replayed) AS usd
    FROM llm_calls WHERE {_KEPT} GROUP BY experiment_id
), promoted AS (
    SELECT experiment_id, count(*) AS promoted FROM candidates
    WHERE improved AND origin <> 'baseline' GROUP BY experiment_id
)
SELECT p.experiment_id, e.name, p.calls, p.usd, coalesce(g.promoted, 0)
FROM paid p LEFT JOIN experiments e USING (experiment_id)
    LEFT JOIN promoted g USING (experiment_id)
ORDER BY p.usd DESC NULLS LAST, p.calls DESC, p.experiment_id LIMIT {MOST_ROWS}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What the page about spend shows."""

    over_time: OverTime
    models: tuple[tuple[int, tuple[str, ...]], ...]
    experiments: tuple[tuple[str, str, tuple[str, ...]], ...]


def spend(ask: Ask, wanted: TimeWanted) -> Spend:
    """Return what models cost: over time, by model and by experiment."""
    given = [wanted.experiment] * 2
    step = _step(ask, "llm_calls", _KEPT, given, wanted.step)
    found = ask(_CALLS.format(step=_INTERVALS[step]), given).rows
    models = ask(_MODELS, given).rows
    colours = _colours([row[0] for row in models])
    known = [row[8] for row in models if row[8] is not None]
    unknown = sum(row[9] for row in models)
    total = f"{dollars(sum(known))} for {counted(sum(row[1] for row in models), 'call')}"
    total += f"; the price of {unknown:,} of them is not known" if unknown else ""
    over_time = OverTime(
        wanted=wanted,
        step=step,
        experiments=_names(ask),
        steps=choices(STEPS, wanted.step),
        legend=_legend(colours),
        total=f"{total}.",
        rows=(),
        payload=_payload([row for row in found if row[2]], colours, step, "dollars"),
    )
    by_experiment = (_spent(row) for row in ask(_BY_EXPERIMENT, given).rows)
    by_model = ((colours.get(row[0], MOST_KINDS - 1), _model_cells(row)) for row in models)
    return Spend(over_time=over_time, models=tuple(by_model), experiments=tuple(by_experiment))


def _model_cells(row: Sequence[Any]) -> tuple[str, ...]:
    model, *counts, seconds, usd, _ = row
    return (
        one_line(str(model or "no name"), 100),
        *(f"{each:,}" for each in counts),
        number(seconds),
        dollars(usd),
    )


def _spent(row: Sequence[Any]) -> tuple[str, str, tuple[str, ...]]:
    identity, name, calls, usd, promoted = row
    each = dollars(usd / promoted) if usd is not None and promoted else "–"
    cells = (f"{calls:,}", dollars(usd), f"{promoted:,}", each)
    return str(identity), one_line(str(name or identity), 100), cells


_INTERVALS = {name: f"INTERVAL 1 {name}" for name in STEPS}


def _step(ask: Ask, table: str, kept: str, given: Sequence[str], named: str) -> str:
    """Return the step of time that is named and not too small, or else the smallest that fits."""
    first, last = ask(_MOMENTS.format(table=table, kept=kept), given).rows[0]
    length = last - first if first is not None else timedelta()
    fitting = [name for name, step in STEPS.items() if length / step <= MOST_BARS] or ["week"]
    allowed = [name for name, step in STEPS.items() if length / step <= 50 * MOST_BARS]
    return named if named in allowed else fitting[0]


def _names(ask: Ask) -> tuple[tuple[str, str], ...]:
    return tuple((str(each), one_line(str(name or each), 60)) for each, name in ask(_NAMES).rows)


def _colours(kinds: Sequence[Any]) -> dict[Any, int]:
    """Give the most frequent kinds a colour each; the others share the last one."""
    return {kind: place for place, kind in enumerate(kinds[: MOST_KINDS - 1])}


def _legend(colours: dict[Any, int]) -> tuple[tuple[int, str], ...]:
    return tuple((place, one_line(str(kind or "no name"), 60)) for kind, place in colours.items())


def _payload(
    rows: Sequence[tuple[Any, ...]], colours: dict[Any, int], step: str, what: str
) -> dict[str, Any]:
    """Return bars that stand on each other, as the script of a report draws them."""
    sums: dict[tuple[datetime, int], tuple[float, str]] = {}
    for moment, kind, amount in rows:
        colour = colours.get(kind, MOST_KINDS - 1)
        name = one_line(str(kind or "no name"), 60) if kind in colours else OTHERS
        sums[moment, colour] = (sums.get((moment, colour), (0, ""))[0] + amount, name)
    bars, tops = [], dict[datetime, float]()
    for (moment, colour), (amount, name) in sorted(sums.items(), key=lambda each: each[0]):
        low = tops.get(moment, 0)
        tops[moment] = low + amount
        begin = moment.replace(tzinfo=UTC)
        times = (1000 * begin.timestamp(), 1000 * (begin + STEPS[step]).timestamp())
        shown = f"{amount:,}" if what == "attempts" else dollars(amount)
        bars.append((*times, low, low + amount, colour, name, f"{begin:%Y-%m-%d %H:%M}", shown))
    columns = ["from", "to", "low", "high", "place", "kind", "since", what]
    drawing = {
        "spec": stacked_bars(what, f"{what} over time, a bar for each {step}"),
        "data": {"bars": {"columns": columns, "rows": bars}},
    }
    return {"drawings": {"bars": drawing} if bars else {}, "panels": {}}


CLOCK = {"minutes": "%H:%M", "hours": "%H:%M"}
"""How an axis of time says hours; days and months it says as usual."""


def stacked_bars(what: str, description: str) -> Chart:
    """Return a chart of amounts over time, in parts that stand on each other."""
    places = list(range(COLOURS))
    colours = [f"var(--c{place})" for place in places]
    tip = [{"field": name, "title": name, "type": "nominal"} for name in ("kind", "since", what)]
    return {
        "description": description,
        "width": "container",
        "height": 240,
        "layer": [
            {
                "data": {"name": "bars"},
                "mark": {"type": "bar", "stroke": "var(--card)", "strokeWidth": 0.5},
                "encoding": {
                    "x": {
                        "field": "from",
                        "type": "temporal",
                        "title": "time, UTC",
                        "scale": {"type": "utc"},
                        "axis": {"grid": False, "format": CLOCK},
                    },
                    "x2": {"field": "to"},
                    "y": {
                        "field": "low",
                        "type": "quantitative",
                        "title": what,
                        "axis": {"tickMinStep": 1} if what == "attempts" else {},
                    },
                    "y2": {"field": "high"},
                    "color": {
                        "field": "place",
                        "type": "nominal",
                        "legend": None,
                        "scale": {"domain": places, "range": colours},
                    },
                    "tooltip": tip,
                },
            }
        ],
    }
