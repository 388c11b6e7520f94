"""Open pages hear of what searches record, each of its own experiment, and of nothing else."""

import asyncio
from pathlib import Path

from flows.history.journal import Journal
from flows.history.store import query
from flows.view.live import Changes, journal_sizes, mark_of
from tests.support.history_rows import candidate, experiment, remember


def test_a_listener_hears_of_its_experiment_when_the_history_has_it(tmp_path: Path) -> None:
    remember(tmp_path, [experiment()])
    remember(tmp_path, [experiment(experiment_id="day")], "day")
    heard: dict[str, list[str]] = {"night": [], "day": []}
    attempts = "SELECT count(*) FROM candidates"

    async def main() -> None:
        changes = Changes(tmp_path, heartbeat=0.01)
        changes.listeners = 2
        told = {name: changes.told(name) for name in heard}
        for name, lines in told.items():
            heard[name].append(await anext(lines))
        with Journal(tmp_path, "night") as journal:
            journal.append(candidate())
        while True:
            for name, lines in told.items():
                line = await anext(lines)
                if line.startswith("data:"):
                    heard[name].append(line)
            if len(heard["night"]) == 2:
                break
        assert query(tmp_path, attempts, refresh=False).rows == ((1,),)
        changes.leave()
        for lines in told.values():
            assert [line async for line in lines if line.startswith("data:")] == []

    asyncio.run(asyncio.wait_for(main(), 60))

    assert len(heard["day"]) == 1 and heard["night"][0] != heard["night"][1]
    mark = mark_of(journal_sizes(tmp_path), "night")
    assert heard["night"][1] == f"data: {mark}\n\n"
