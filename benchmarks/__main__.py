"""Takes every measurement, or those named: ``python -m benchmarks [engine] [cell] [history] ...``."""

import sys
from importlib import import_module
from pathlib import Path


def names() -> list[str]:
    """Return what can be measured: the modules ``bench_*`` of this folder."""
    return sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))


def main(wanted: list[str]) -> int:
    """Run the wanted measurements, all of them if none is named."""
    unknown = sorted(set(wanted) - set(names()))
    if unknown:
        print(f"no measurement {', '.join(unknown)}; there are: {', '.join(names())}", file=sys.stderr)
        return 2
    for name in wanted or names():
        print(f"== {name} ==", flush=True)
        import_module(f"benchmarks.bench_{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
