"""Answers one question to the history in a process of its own, whose memory the kernel limits.

DuckDB bounds what it sorts and joins, and not the texts that a query makes. A client's query may so
end this process, and never the server.
"""

import json
import resource
import subprocess
import sys
from pathlib import Path

from flows.errors import UserError
from flows.history.export import plain
from flows.history.store import Bounds, QueryError, Table, query

MEMORY_BYTES = 2 << 30
GRACE_SECONDS = 20.0
"""Beyond the time of the query, for the process to start and to answer."""


def ask_apart(folder: Path, statement: str, bounds: Bounds) -> Table:
    """Return the answer to a statement over the history in a folder; raise UserError for none.

    Values are those that JSON knows.
    """
    question = {"folder": str(folder), "statement": statement, "bounds": _plain(bounds)}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "flows.history.asked"],
            input=json.dumps(question),
            capture_output=True,
            text=True,
            timeout=bounds.seconds + GRACE_SECONDS,
            check=False,
        )
        answer = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        raise QueryError(
            f"the query took more than {MEMORY_BYTES >> 30} GB of memory or too much time: ask "
            "for less, or aggregate first"
        ) from None
    if "refused" in answer:
        raise QueryError(answer["refused"])
    return Table(
        columns=tuple(answer["columns"]),
        types=tuple(answer["types"]),
        rows=tuple(map(tuple, answer["rows"])),
        notes=tuple(answer["notes"]),
    )


def _plain(bounds: Bounds) -> dict[str, object]:
    return {name: getattr(bounds, name) for name in ("seconds", "rows", "chars", "memory", "spill")}


def main() -> None:
    """Read a question from standard input, and print the answer as JSON."""
    question = json.loads(sys.stdin.read())
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    bounds = Bounds(**question["bounds"])
    try:
        found = query(Path(question["folder"]), question["statement"], refresh=False, bounds=bounds)
    except UserError as error:
        print(json.dumps({"refused": str(error)}))
        return
    print(
        json.dumps(
            {
                "columns": found.columns,
                "types": found.types,
                "rows": [[plain(value) for value in row] for row in found.rows],
                "notes": found.notes,
            }
        )
    )


if __name__ == "__main__":
    main()
