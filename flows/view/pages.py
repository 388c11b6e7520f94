"""What each address shows, from the history to HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flows import assay_version
from flows.errors import UserError
from flows.history.store import (
    PLACE,
    Ask,
    Found,
    find_at,
    find_candidate,
    find_experiment,
    find_named,
)
from flows.prompting.templates import render_html
from flows.report import frame
from flows.report.data import slot_name, slot_of
from flows.report.page import COLUMNS, SCRIPTS, TEMPLATE, build_view, loaded_with_costs
from flows.report.pair import compare_pair
from flows.report.text import dollars, json_for_script, percent, score_text, seconds_text
from flows.untrusted import for_page
from flows.view.address import experiment_address, read, reference
from flows.view.boards import BoardWanted, TimeWanted, failures, leaderboard, spend
from flows.view.console import EXAMPLES, MOST_CHARS, SECONDS, Answer
from flows.view.listing import RUNNING, Wanted, listing, state_of

FOLDER = Path(__file__).parent / "view_templates"
TITLES = {
    "/": "Experiments",
    "/leaderboard": "Leaderboard",
    "/compare": "Compare",
    "/failures": "Failures",
    "/spend": "Spend",
    "/sql": "SQL",
}
DRAWN = (*frame.LIBRARIES, "charts.js")
OF_ALL = "view.js"
"""The script of every page of the server."""


class UnknownError(UserError):
    """What an address names is not in the history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFile:
    """A script or a style sheet."""

    content: bytes
    kind: str
    address: str
    """With the hash of the content, so that a browser may keep it."""


@cache
def static_files() -> dict[str, StaticFile]:
    """Return all that pages load, by name; nothing else can be loaded."""
    own = {OF_ALL: (FOLDER / OF_ALL).read_text(encoding="utf-8")}
    names = (*frame.LIBRARIES, *SCRIPTS)
    scripts = {**dict(zip(names, frame.script_texts(SCRIPTS), strict=True)), **own}
    style = frame.style_text() + (FOLDER / "view.css").read_text(encoding="utf-8")
    kinds = {name: (text, "text/javascript; charset=utf-8") for name, text in scripts.items()}
    kinds["view.css"] = (style, "text/css; charset=utf-8")
    return {name: _static_file(name, *each) for name, each in kinds.items()}


def _static_file(name: str, text: str, kind: str) -> StaticFile:
    content = text.encode()
    address = f"/static/{name}?{sha256(content).hexdigest()[:16]}"
    return StaticFile(content=content, kind=kind, address=address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page before it is HTML."""

    template: Path
    title: str
    place: str = ""
    """The entry of the menu that it belongs to."""
    scripts: tuple[str, ...] = ()
    payload: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    about: str | None = None
    """The experiment of which it has to hear; None for all."""

    def html(self, mark: str = "", notes: Sequence[str] = ()) -> str:
        """Return the page; with a mark, which stands for what it shows, it hears of changes.

        Notes say what a person should know of how fresh it is.
        """
        of_one = f"?experiment={quote(self.about, safe='')}" if self.about is not None else ""
        files = static_files()
        text = render_html(
            self.template,
            frame.FOLDER if self.template.parent == FOLDER else FOLDER,
            layout="view_frame.html.j2",
            title=self.title,
            place=self.place,
            menu=TITLES,
            style=files["view.css"].address,
            scripts=[files[name].address for name in (*self.scripts, OF_ALL)],
            payload=json_for_script(self.payload),
            licences=frame.licences() if self.scripts else "",
            mark=mark,
            notes=notes,
            events=f"/events{of_one}",
            version=assay_version(),
            **_HELPERS,
            **self.values,
        )
        return for_page(text)


def _chip(state: str) -> str:
    """Return the class of a state's chip."""
    return {"running": "best", "failed": "failed", "stopped": "failed"}.get(state, "")


def _gain(value: float | None) -> str:
    return "–" if value is None else f"{value:+,.1f}\N{NO-BREAK SPACE}%"


_HELPERS: dict[str, Any] = {
    "chip": _chip,
    "gain": _gain,
    "score": score_text,
    "seconds": seconds_text,
    "dollars": dollars,
    "percent": percent,
    "about": experiment_address,
    "reference": reference,
}


def experiments(ask: Ask, home: Path, given: Mapping[str, str]) -> Page:
    """Return the table of all experiments, or of those that are wanted."""
    view = listing(ask, home, read(Wanted, given))
    return _own("/", "experiments.html.j2", {"view": view, "home": str(home)})


def experiment(ask: Ask, home: Path, name: str) -> Page:
    """Return the page about an experiment, which is its report."""
    known = find_experiment(ask, name) if name else None
    if known is None:
        raise UnknownError(f"there is no experiment {name[:200]!r} in this history")
    data = loaded_with_costs(ask, home, known)
    data = replace(data, alive=state_of(home, known, data.experiment.status) == RUNNING)
    view = build_view(data)
    attempts = [slot_name(slot_of(row)) for row in data.candidates]
    best = slot_name(slot_of(data.best)) if data.best is not None else ""
    bar = slot_name(slot_of(data.best_baseline)) if data.best_baseline is not None else ""
    return Page(
        template=frame.FOLDER / TEMPLATE,
        title=view.title,
        place="/",
        about=known,
        scripts=(*frame.LIBRARIES, *SCRIPTS),
        payload=view.payload,
        values={
            "view": view,
            **COLUMNS,
            "attempts": {"experiment": known, "all": attempts, "pair": (best, bar)},
        },
    )


def compare(ask: Ask, named: Sequence[str]) -> Page:
    """Return two attempts side by side; a form where there are not two."""
    wanted = [each.strip() for each in named if each.strip()]
    if len(wanted) > 2:
        raise UserError(f"{len(wanted)} candidates were chosen, expected two: go back, choose two")
    if len(wanted) < 2:
        return _own("/compare", "compare.html.j2", {"view": None, "named": wanted})
    first, second = (_found(ask, each) for each in wanted)
    view = compare_pair(ask, first, second)
    return _own(
        "/compare",
        "compare.html.j2",
        {"view": view, "named": wanted},
        scripts=(*DRAWN, "panels.js"),
        payload=view.payload,
    )


def _found(ask: Ask, name: str) -> Found:
    """Return the attempt that ``EXPERIMENT:3/0`` or a candidate's name or sha256 names."""
    experiment_name, _, called = name.rpartition(":")
    found = None
    if at := PLACE.fullmatch(called):
        known = find_experiment(ask, experiment_name or None)
        found = find_at(ask, known, int(at[1]), int(at[2])) if known else None
    elif not experiment_name:
        found = find_named(ask, called) or find_candidate(ask, called)
    elif known := find_experiment(ask, experiment_name):
        found = find_named(ask, called, known)
    if found is None:
        raise UnknownError(
            f"there is no attempt {name[:200]!r}: expected EXPERIMENT:3/0, an experiment's name or "
            "id and the attempt, EXPERIMENT:brisk-otter, or the first characters of a sha256"
        )
    return found


def leaders(ask: Ask, given: Mapping[str, str]) -> Page:
    """Return the candidates of all experiments of a suite in one table."""
    view = leaderboard(ask, read(BoardWanted, given))
    return _own("/leaderboard", "leaderboard.html.j2", {"view": view})


def failed(ask: Ask, given: Mapping[str, str]) -> Page:
    """Return failures by kind over time."""
    view = failures(ask, read(TimeWanted, given))
    values = {"view": view}
    return _own("/failures", "failures.html.j2", values, scripts=DRAWN, payload=view.payload)


def spent(ask: Ask, given: Mapping[str, str]) -> Page:
    """Return what models cost over time, by model and by experiment."""
    found = spend(ask, read(TimeWanted, given))
    values = {"view": found.over_time, "spend": found}
    return _own("/spend", "spend.html.j2", values, scripts=DRAWN, payload=found.over_time.payload)


def console(statement: str, answer: Answer | None) -> Page:
    """Return the page on which a person asks in SQL, with the answer if one was asked for."""
    values = {
        "statement": statement,
        "answer": answer,
        "examples": EXAMPLES,
        "most_chars": MOST_CHARS,
        "most_seconds": SECONDS,
    }
    return _own("/sql", "console.html.j2", values)


def message(words: str) -> Page:
    """Return a page that says what is wrong."""
    return Page(template=FOLDER / "message.html.j2", title="Not shown", values={"words": words})


def door(path: str, given: Sequence[tuple[str, str]], *, was_wrong: bool) -> Page:
    """Return the page that asks for the token, and leads back to an address."""
    values = {"path": path, "given": given, "was_wrong": was_wrong}
    return Page(template=FOLDER / "door.html.j2", title="Token", values=values)


def _own(
    place: str,
    template: str,
    values: Mapping[str, Any],
    scripts: tuple[str, ...] = (),
    payload: Mapping[str, Any] | None = None,
) -> Page:
    return Page(
        template=FOLDER / template,
        title=TITLES[place],
        place=place,
        scripts=scripts,
        payload=payload or {},
        values=values,
    )
