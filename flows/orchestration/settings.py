"""Settings that Prefect must find before it is imported; what the user has set stays as it is.

Prefect reads ``.env``, ``prefect.toml`` and ``pyproject.toml`` of the current folder, which may be
anybody's, so it is imported in our own folder, and its children begin there.
"""

import importlib
import os
import tomllib
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import chdir, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flows.errors import ConfigError
from flows.loopback import never_proxy_loopback
from flows.settings.sections import RunnerConfig

START_SECONDS = 300
OUR_FOLDER = Path(__file__).resolve().parent / "empty"
FOLDER = "ASSAY_FOLDER"
"""The variable that tells the process of a run in which folder its flow works."""


def prepare_prefect(
    home: Path, environment: MutableMapping[str, str], *, verbose: bool = False
) -> None:
    """Set defaults: no telemetry, its files under our home folder, no code from a folder.

    Prefect's log goes to its pages; failures come back to our caller, who prints them once.
    """
    defaults = {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "INFO",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO" if verbose else "CRITICAL",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PYTHONSAFEPATH": "1",  # no process begins with the current folder on its path
    }
    if not uses_a_server(environment):
        defaults["PREFECT_HOME"] = str(home / "prefect")
        home.mkdir(parents=True, exist_ok=True)  # Prefect makes its own folder, not ours
    if not environment.get("PREFECT_HOME") and "PREFECT_HOME" in defaults:
        # That folder may have come with others: it holds Prefect's database and no settings.
        defaults["PREFECT_PROFILES_PATH"] = str(OUR_FOLDER / "no-profiles.toml")
        defaults["PREFECT_LOGGING_SETTINGS_PATH"] = str(OUR_FOLDER / "no-logging.yml")
        _drop_unspoken_proxies(environment)
    for name, value in defaults.items():
        environment.setdefault(name, value)
    never_proxy_loopback(environment)


def import_flows() -> Any:
    """Return the module of our flows, imported where no file can be a setting of Prefect."""
    with chdir(OUR_FOLDER):
        return importlib.import_module("flows.orchestration.flows")


@contextmanager
def runs_begin_elsewhere(environment: MutableMapping[str, str]) -> Iterator[None]:
    """Have the processes of runs begin in our folder; their flows go to the current one."""
    environment[FOLDER] = str(Path.cwd())
    with chdir(OUR_FOLDER):
        yield


def go_to_work() -> None:
    """Go to the folder in which the flow of this process works, if it began elsewhere."""
    folder = os.environ.get(FOLDER)
    if folder:
        os.chdir(folder)


def drop_stderr() -> None:
    """Keep to themselves what libraries still say of an interpreter that ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def check_runner(config: RunnerConfig) -> None:
    """Refuse a runner whose extra is not installed, without the slow import of it."""
    package = f"prefect_{config.kind}"
    if config.kind != "threads" and find_spec(package) is None:
        raise ConfigError(
            f"runner.kind is {config.kind!r}, which needs the package {package}: install "
            f"assay[{config.kind}], or use runner.kind 'threads'"
        )


def uses_a_server(environment: Mapping[str, str]) -> bool:
    """Return whether the user has a Prefect server: in the environment, or in a Prefect profile."""
    if environment.get("PREFECT_API_URL"):
        return True
    folder = environment.get("PREFECT_HOME") or str(Path.home() / ".prefect")
    path = environment.get("PREFECT_PROFILES_PATH") or str(Path(folder) / "profiles.toml")
    try:
        profiles = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    active = environment.get("PREFECT_PROFILE") or profiles.get("active")
    known = profiles.get("profiles", {})
    chosen = known.get(active) if isinstance(known, dict) and isinstance(active, str) else None
    return bool(isinstance(chosen, dict) and chosen.get("PREFECT_API_URL"))


def _drop_unspoken_proxies(environment: MutableMapping[str, str]) -> None:
    """Take out SOCKS proxies where nothing here speaks to them: one stops every HTTP client."""
    if find_spec("socksio") is None:
        for name, value in list(environment.items()):
            if name.lower().endswith("_proxy") and value.lower().startswith("socks"):
                del environment[name]
