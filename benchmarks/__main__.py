"""Takes the named measurements, or all short ones: ``python -m benchmarks [engine] [cell] ...``.

With ``BENCH_LEAST=1`` in the environment each is taken at its smallest size, to see that it works.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from flows.cli.errors import INTERRUPTED, say
from flows.cli.progress import working

LONG = ("bootstrap", "excess", "faas-policies", "lessons", "parents", "racing", "search")
"""Taken only when they are named: they last many minutes."""


def main(wanted: Sequence[str]) -> int:
    """Run the wanted measurements, else all short ones; return 1 if a promise was missed."""
    known = names()
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        print(
            f"no measurement {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr
        )
        return 2
    chosen = wanted or [name for name in known if name not in LONG]
    missed = []
    try:
        for number, name in enumerate(chosen, start=1):
            with working(f"measurement {number} of {len(chosen)}, {name}"):
                if not (_measure(name) if len(chosen) == 1 else _measure_apart(name)):
                    missed.append(name)
    except KeyboardInterrupt:
        say("benchmarks: interrupted")
        return INTERRUPTED
    if missed:
        print(f"not as promised: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


def names() -> list[str]:
    """Return what can be measured: the modules ``bench_*`` of this folder."""
    found = Path(__file__).parent.glob("bench_*.py")
    return sorted(path.stem.removeprefix("bench_").replace("_", "-") for path in found)


def _measure(name: str) -> bool:
    """Print the tables of one measurement; tell whether its promises were kept."""
    print(f"== {name} ==", flush=True)
    try:
        import_module(f"benchmarks.bench_{name.replace('-', '_')}").main()
    except SystemExit as stop:
        print(stop, file=sys.stderr, flush=True)
        return False
    return True


def _measure_apart(name: str) -> bool:
    """Measure in a process of its own: nothing that one leaves, such as a server, meets another."""
    quiet = {**os.environ, "ASSAY_PROGRESS": "no"}
    done = subprocess.run([sys.executable, "-m", "benchmarks", name], env=quiet, check=False)
    if done.returncode == INTERRUPTED:
        raise KeyboardInterrupt
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
