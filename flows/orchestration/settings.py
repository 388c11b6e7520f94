"""Settings that Prefect must find before it is imported; what the user has set stays as it is."""

from collections.abc import Mapping, MutableMapping
from pathlib import Path

from flows.loopback import never_proxy_loopback

START_SECONDS = 300


def prepare_prefect(
    home: Path,
    environment: MutableMapping[str, str],
    *,
    verbose: bool = False,
    patience_seconds: int = START_SECONDS,
) -> None:
    """Set defaults: no telemetry, patience with a slow start, its files under our home folder.

    Prefect's log goes to its pages; failures come back to our caller, who prints them once.
    """
    defaults = {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(patience_seconds),
        "PREFECT_LOGGING_LEVEL": "INFO",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO" if verbose else "CRITICAL",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    }
    if not uses_a_server(environment):
        defaults["PREFECT_HOME"] = str(home / "prefect")
        home.mkdir(parents=True, exist_ok=True)  # Prefect makes its own folder, not ours
    for name, value in defaults.items():
        environment.setdefault(name, value)
    never_proxy_loopback(environment)


def uses_a_server(environment: Mapping[str, str]) -> bool:
    """Return whether the user has a Prefect server: in the environment, or in a Prefect profile."""
    if environment.get("PREFECT_API_URL"):
        return True
    folder = environment.get("PREFECT_HOME") or str(Path.home() / ".prefect")
    try:
        return "PREFECT_API_URL" in (Path(folder) / "profiles.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
