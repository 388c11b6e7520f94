"""What libCacheSim makes of traces: runs in its environment and knows nothing of ours.

``python -m libcachesim_side`` reads caches by name as JSON (``capacity``, ``sizes``, ``objects``,
``algorithms``) and prints for each, by algorithm, a text with ``h`` for every hit and ``.`` for
every miss.
"""

import json
import sys
from typing import Any

import libcachesim

NEVER = 1 << 60


def main() -> None:
    figures = {
        name: {
            each: hits(getattr(libcachesim, each)(cache_size=cache["capacity"]), cache)
            for each in cache["algorithms"]
        }
        for name, cache in json.load(sys.stdin).items()
    }
    json.dump(figures, sys.stdout)


def hits(cache: Any, trace: dict[str, Any]) -> str:
    """Replay a trace; Belady is told when each object comes next."""
    found = ""
    comes_next = next_uses(trace["objects"])
    for place, number in enumerate(trace["objects"]):
        request = libcachesim.Request(
            obj_id=number + 1,
            obj_size=trace["sizes"][number],
            clock_time=place,
            next_access_vtime=comes_next[place],
        )
        found += "h" if cache.get(request) else "."
    return found


def next_uses(objects: list[int]) -> list[int]:
    """Return where the object of each place occurs again."""
    found = [NEVER] * len(objects)
    last: dict[int, int] = {}
    for place in reversed(range(len(objects))):
        found[place] = last.get(objects[place], NEVER)
        last[objects[place]] = place
    return found


if __name__ == "__main__":
    main()
