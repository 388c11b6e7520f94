"""Open pages hear of what searches record, each of its own experiment, and of nothing else."""

import asyncio
from pathlib import Path

from flows.history.journal import Journal
from flows.history.store import query
from flows.home import experiment_folder, only_one
from flows.view.live import Changes, look
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
    assert heard["night"][1] == f"data: {look(tmp_path).mark('night')}\n\n"


def test_a_listener_hears_that_the_process_of_a_search_is_gone(tmp_path: Path) -> None:
    remember(tmp_path, [experiment()])
    remember(tmp_path, [experiment(experiment_id="day")], "day")

    async def main() -> list[bool]:
        with only_one(experiment_folder(tmp_path, "night"), "busy", "search"):
            changes = Changes(tmp_path, heartbeat=0.01)
            changes.listeners = 3
            told = [changes.told(name) for name in (None, "night", "day")]
            first = [await anext(lines) for lines in told]
        while (last := await anext(told[0])).startswith(":"):
            pass
        later = [last, *[await anext(lines) for lines in told[1:]]]
        changes.leave()
        return [
            old != new and new.startswith("data:") for old, new in zip(first, later, strict=True)
        ]

    assert asyncio.run(asyncio.wait_for(main(), 60)) == [True, True, False]
