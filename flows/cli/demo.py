"""``assay demo``: a short search that anyone can run, from nothing to a report."""

from itertools import count
from pathlib import Path

from flows.cli.run import print_end, run_shown
from flows.cli.terminal import print_line
from flows.errors import OrchestratorUnavailable
from flows.experiment import Finished, ended
from flows.home import home_folder
from flows.search.ledger import Ledger, recorded
from flows.settings.cells import check_cell
from flows.settings.search import SearchConfig, experiment_id, load_config
from sandbox.provider import DOCKER

PATIENCE_SECONDS = 75
"""How long a demo waits for Prefect's server before it goes on without."""

SEED = 7
SETTINGS = {"name": "demo", "suite": "smoke", "seed": SEED, "slots": 2, "budget.candidates": 24}


def run_demo(fresh: bool, direct: bool, cell: str, verbose: bool) -> int:
    """Search with the offline proposer; an interrupted demo goes on unless ``fresh``."""
    check_cell(cell)
    config = demo_config(home_folder(), fresh, cell)
    where = "a locked container" if cell == DOCKER else "an embedded cell"
    print_line(
        f"{config.budget.candidates} policies from the offline proposer, each tried in {where}"
    )
    print_end(_search(config, direct, verbose))
    return 0


def _search(config: SearchConfig, direct: bool, verbose: bool) -> Finished:
    if direct:
        return run_shown(config, direct=True)
    try:
        return run_shown(config, verbose=verbose, patience_seconds=PATIENCE_SECONDS)
    except OrchestratorUnavailable as error:
        print_line(f"{error}")
        print_line("going on with the same search without Prefect")
        return run_shown(config, direct=True)


def demo_config(home: Path, fresh: bool, cell: str = DOCKER) -> SearchConfig:
    """Return the first demo that has not ended, by number; a fresh one has not even begun."""
    settings = {**SETTINGS, "cell": cell}
    config = load_config(None, settings)
    for number in count(2):
        ledger = Ledger(recorded(home, experiment_id(config)))
        begun = ledger.experiment is not None
        if not begun or not (fresh or ended(ledger.experiment, ledger.tried(), config)):
            break
        changed = {"name": f"demo-{number}", "seed": SEED + number}
        config = load_config(None, {**settings, **changed})
    return config
