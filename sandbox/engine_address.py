"""Which Docker engine is meant: DOCKER_HOST, else DOCKER_CONTEXT, else Docker's current context.

The ``docker`` command decides the same way, so that both always speak to one engine.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.errors import SandboxUnavailable

LOCAL = "unix:///var/run/docker.sock"
SCHEMES = ("unix", "http+unix", "tcp", "http", "https")
DEFAULT = "default"
_START = "start the engine (on this machine: `make engine`) and check with `docker version`"
_SSH = (
    "forward its socket (ssh -nNT -L /tmp/engine.sock:/var/run/docker.sock USER@HOST) and set "
    "DOCKER_HOST=unix:///tmp/engine.sock"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineAddress:
    """Where an engine is, and who said so."""

    host: str
    named_by: str
    """What chose it, as an error about it begins; nothing where nobody chose."""
    remedy: str
    """What to do where it does not answer."""
    tls_folder: Path | None = None
    """Holds ``ca.pem``, ``cert.pem`` and ``key.pem`` of a context, as far as it has them."""
    verify_tls: bool = True


def engine_address(environment: Mapping[str, str]) -> EngineAddress:
    """Return the address of the engine that ``environment`` names; refuse one that is unusable."""
    host = environment.get("DOCKER_HOST", "")
    if host:
        named = f"DOCKER_HOST={host}"
        _require_scheme(host, named)
        remedy = "start the engine that DOCKER_HOST names, or unset it to use the one chosen here"
        return EngineAddress(host=host, named_by=named, remedy=remedy)
    folder = _config_folder(environment)
    name = environment.get("DOCKER_CONTEXT", "")
    source = "DOCKER_CONTEXT" if name else str(folder / "config.json")
    name = name or str(_read(folder / "config.json").get("currentContext") or DEFAULT)
    if name == DEFAULT:
        return EngineAddress(host=LOCAL, named_by="", remedy=_START)
    return _of_context(name, source, folder / "contexts")


def _of_context(name: str, source: str, folder: Path) -> EngineAddress:
    identity = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    meta = folder / "meta" / identity / "meta.json"
    choose = (
        "unset DOCKER_CONTEXT, or set it to a context"
        if source == "DOCKER_CONTEXT"
        else "choose a context with `docker context use`"
    )
    remedy = f"{choose} that `docker context ls` lists"
    if not meta.is_file():
        problem = f"{source} names the Docker context {name!r}, and there is none of that name"
        raise SandboxUnavailable(problem, remedy)
    endpoints = _read(meta).get("Endpoints")
    found = endpoints.get("docker") if isinstance(endpoints, dict) else None
    endpoint: dict[str, Any] = found if isinstance(found, dict) else {}
    host = endpoint.get("Host")
    named = f"the Docker context {name!r}"
    if not isinstance(host, str) or not host:
        raise SandboxUnavailable(f"{named} ({meta}) has no address of an engine", remedy)
    _require_scheme(host, named)
    tls = folder / "tls" / identity / "docker"
    return EngineAddress(
        host=host,
        named_by=f"{named}, {host}",
        remedy=f"start the engine of that context, or {choose} that answers",
        tls_folder=tls if tls.is_dir() else None,
        verify_tls=not endpoint.get("SkipTLSVerify", False),
    )


def _require_scheme(host: str, named: str) -> None:
    scheme, sign, _ = host.partition("://")
    if sign and scheme not in SCHEMES:
        other = "use an address that begins with unix:// or tcp://"
        problem = f"{named}: an engine behind {scheme}:// cannot be used for cells"
        raise SandboxUnavailable(problem, _SSH if scheme == "ssh" else other)


def _config_folder(environment: Mapping[str, str]) -> Path:
    given = environment.get("DOCKER_CONFIG")
    return Path(given) if given else Path(environment.get("HOME") or Path.home()) / ".docker"


def _read(path: Path) -> dict[str, Any]:
    """Return what a file of Docker's says, nothing where there is none; never guess."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        found = error
    if not isinstance(found, dict):
        said = found.strerror if isinstance(found, OSError) else "it is no JSON object"
        problem = f"{path}, which says where the Docker engine is, cannot be read ({said})"
        raise SandboxUnavailable(problem, "repair or remove that file, or set DOCKER_HOST")
    return found
