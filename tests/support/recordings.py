"""Compares whole runs with recordings of them, row by row: figures, decisions, and the wording.

    python -m tests.support.recordings             run all again and say what differs
    python -m tests.support.recordings model       one of them
    python -m tests.support.recordings --write     keep what they do now

The wording of texts may change; ``--write`` refuses to keep changed figures and decisions until
``--figures`` is there too, and then the commit says why they changed.
"""

import argparse
import ast
import gzip
import hashlib
import json
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from flows.history.journal import journal_files
from tests.support.whole_runs import DOCKER, HERE, PROCESS, RUNS, Cell

Json = dict[str, Any]
FILES = Path(__file__).resolve().parents[1] / "data" / "recorded"
LEFT_OUT = {
    "experiment_id": "a hash over the settings, of which there may be more one day",
    "config": "the same settings; what they do is in the other rows",
    "config_sha256": "the same",
    "created_at": "a time",
    "finished_at": "a time",
    "seconds": "a time",
    "cell_seconds": "a time",
    "policy_cpu_seconds": "a time",
    "suite": "a path in the folder of the run",
    "provider": "a port",
    "flow_run_id": "of one run",
    "assay_version": "a version",
    "simulator_version": "a version",
    "domain_version": "a version",
    "domain_sha256": "a hash over the files of the domain",
    "domain_spec": "what is in one of these files",
    "image_id": "a version",
    "isolation": "what the machine grants",
    "host": "of one machine",
    "engine": "a version",
    "request_sha256": "a hash over the prompt",
    "prompt_sha256": "the same; the prompt itself is with its candidate",
    "template_sha256": "a hash over the templates",
    "size_bytes": "of a report",
    "path": "of a report",
}
"""Columns that are not compared, with the reason."""
WORDING = {
    "message": "what an event says to people",
    "status_detail": "the same",
    "standing_detail": "the same",
    "title": "the same",
    "problem": "what a failure says to people and models",
    "error": "the same",
    "findings": "the same",
    "prompt": "what is said to models",
    "input_tokens": "the length of that",
    "source": "comments of a policy; the column code has the rest",
    "reply": "the same, with the source in it",
    "prints": "how it is said that they were cut",
}
"""Columns whose texts may be written anew; whether there is a text is behaviour all the same."""
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)
PORT = re.compile(r"127\.0\.0\.1:\d+")
LONG = 12
"""Longer lists of numbers are kept as their hash: timelines, spans."""


def recorded_rows(name: str) -> list[Json]:
    """Return the rows of a recording."""
    with gzip.open(FILES / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def rows_now(name: str, cell: Cell = PROCESS) -> list[Json]:
    """Run it and return its rows in the form in which they are compared."""
    with tempfile.TemporaryDirectory() as folder:
        work, home = Path(folder, "work"), Path(folder, "home")
        work.mkdir()
        RUNS[name](work, home, cell)
        lines = [line for path in journal_files(home) for line in path.read_bytes().splitlines()]
    return comparable(map(json.loads, lines))


def comparable(lines: Iterable[Json]) -> list[Json]:
    """Return journal lines in an order of their own, without what differs from run to run.

    A candidate is called by the place where it was first met, not by its hash.
    """
    rows = {_name(line): {"table": line["kind"], **line["row"]} for line in lines}
    places, prompts = dict[str, str](), dict[str, Any]()
    for _, row in sorted(rows.items()):
        if row["table"] == "candidate" and row["candidate"]:
            places.setdefault(row["candidate"], f"policy of {row['iteration']}/{row['slot']}")
        if row["table"] == "prompt":
            prompts[row["prompt_sha256"]] = row["messages"]
    for row in rows.values():
        if row["table"] == "candidate":
            row["code"] = _code(row["source"] or "")
            row["prompt"] = prompts.get(row["prompt_sha256"])
            row.pop("name", None)  # it follows from the hash; rows are called by their place
        if row["table"] == "artifact" and row["kind"] == "report":
            del row["sha256"]
    return [
        {"name": name, **{key: _plain(row[key], places) for key in row if key not in LEFT_OUT}}
        for name, row in sorted(rows.items())
        if row["table"] != "prompt"
    ]


def behaviour(rows: Iterable[Json]) -> list[Json]:
    """Return the rows with nothing of a text but whether there is one."""
    return [{key: bool(row[key]) if key in WORDING else row[key] for key in row} for row in rows]


def differences(recorded: Iterable[Json], now: Iterable[Json]) -> Iterator[str]:
    """Yield each difference in words."""
    before, after = ({row["name"]: row for row in rows} for rows in (recorded, now))
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            yield f"{name} is {'gone' if new is None else 'new'}"
            continue
        for column in sorted(old.keys() | new.keys()):
            was, has = old.get(column), new.get(column)
            if was != has:
                yield f"{name}: {column} was {was!r:.300}, is {has!r:.300}"


def main() -> int:
    """Compare, say what differs, and keep it where that is asked for and in order."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.recordings")
    parser.add_argument("names", nargs="*", choices=[*RUNS, []], help="all, if none is named")
    parser.add_argument("--cell", choices=[DOCKER, PROCESS, HERE], default=PROCESS)
    parser.add_argument("--write", action="store_true", help="keep what they do now")
    parser.add_argument(
        "--figures", action="store_true", help="with --write: even if figures or decisions differ"
    )
    chosen = parser.parse_args()
    failed = False
    for name in chosen.names or RUNS:
        recorded, now = recorded_rows(name), rows_now(name, chosen.cell)
        found = list(differences(recorded, now))
        serious = len(list(differences(behaviour(recorded), behaviour(now))))
        print(*found, sep="\n")
        print(f"{name}: {len(now)} rows, {len(found)} differences, {serious} of them in behaviour")
        if chosen.write and (not serious or chosen.figures):
            keep(name, now)
        elif serious:
            failed = True
    return int(failed)


def keep(name: str, rows: Iterable[Json]) -> None:
    """Write the recording; the same rows give the same bytes."""
    text = "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows)
    FILES.mkdir(parents=True, exist_ok=True)
    (FILES / f"{name}.jsonl.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


def _name(line: Json) -> str:
    """Return what a row is about; rows of one name replace each other."""
    row, table = line["row"], line["kind"]
    match table:
        case "candidate":
            key = [f"{row['iteration']:03}/{row['slot']}"]
        case "evaluation":
            key = [f"{row['iteration']:03}/{row['slot']}", row["scenario"], row["attempt"]]
        case "llm_call":
            key = [f"{row['iteration']:03}/{row['slot']}", row["attempt"]]
        case "scenario":
            key = [row["scenario"]]
        case "event":
            key = [f"{row['sequence']:03}"]
        case "artifact":
            key = [row["kind"]]
        case "prompt":
            key = [row["prompt_sha256"]]
        case _:
            key = []
    return " ".join(map(str, [table, *key]))


def _code(source: str) -> str:
    """Return the hash of a policy's code without comments and docstrings."""
    with suppress(SyntaxError, ValueError):
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
                del node.body[0]
        source = ast.dump(tree)
    return hashlib.sha256(source.encode()).hexdigest()


def _plain(value: Any, places: Json) -> Any:
    match value:
        case str():
            return places.get(value) or PORT.sub("127.0.0.1", value)
        case dict():
            return {key: _plain(each, places) for key, each in value.items()}
        case list() if len(value) > LONG and not isinstance(value[0], str):
            return f"{len(value)} values, {hashlib.sha256(json.dumps(value).encode()).hexdigest()}"
        case list():
            return [_plain(each, places) for each in value]
        case _:
            return value


if __name__ == "__main__":
    sys.exit(main())
