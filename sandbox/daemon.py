"""The one door to the Docker engine: whatever it raises leaves here as one of our errors."""

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests.exceptions
from docker.tls import TLSConfig

from sandbox.engine_address import EngineAddress, engine_address
from sandbox.engine_facts import EngineFacts, facts_from
from sandbox.errors import CellFailed, ImageMissing, SandboxUnavailable

ANSWER_SECONDS = 15.0
"""How long an engine may take for its first answer; one that hangs is as good as none."""
_GONE_POLL_SECONDS = 0.02
_PERMIT = "add yourself to the group docker (sudo usermod -aG docker $USER), then log in again"
_BUILD = "run `make image` to build it"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedContainer:
    """A container that carries a label, as the engine lists it."""

    id: str
    name: str
    labels: Mapping[str, str]
    running: bool


class Daemon:
    """A connection to the engine that ``engine_address`` finds.

    One thread at a time may use it; each thread that needs one opens its own.
    """

    def __init__(self, timeout_seconds: float = 60.0) -> None:
        self._address = engine_address(os.environ)
        with self._our_errors("connecting"):
            self._api = _client(timeout_seconds, self._address)

    def facts(self) -> EngineFacts:
        """Return what the engine says of itself."""
        with self._our_errors("asking the engine about itself"):
            return facts_from(self._api.info(), self._api.version())

    def image_id(self, name: str) -> str:
        """Return the id of the image ``name``; raise ImageMissing where the engine has none."""
        with self._our_errors("looking for the image"):
            try:
                return str(self._api.inspect_image(name)["Id"])
            except docker.errors.ImageNotFound:
                problem = f"the image {name} of this version is missing"
                raise ImageMissing(problem, _BUILD) from None

    def create(self, name: str, options: Mapping[str, Any]) -> None:
        """Create a container; by its name it can be removed even when the answer gets lost."""
        with self._our_errors("creating a cell"):
            try:
                self._api.create_container_from_config(dict(options), name=name)
            except docker.errors.ImageNotFound:
                problem = f"the image {options.get('Image')} has gone"
                raise ImageMissing(problem, _BUILD) from None

    def attach(self, container: str) -> socket.socket:
        """Return a socket to a container's standard streams; call it before ``start``."""
        wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        with self._our_errors("attaching to a cell"):
            stream = self._api.attach_socket(container, params=wanted)
        raw = getattr(stream, "_sock", stream)
        # The HTTP objects that own the connection must live as long as the socket does.
        return _OwnedSocket(raw, stream)  # type: ignore[return-value]

    def start(self, container: str) -> None:
        """Start a created container."""
        with self._our_errors("starting a cell"):
            self._api.start(container)

    def exists(self, container: str) -> bool:
        """Tell whether the engine still knows a container."""
        with self._our_errors("looking at a cell"):
            try:
                self._api.inspect_container(container)
            except docker.errors.NotFound:
                return False
            return True

    def ran_out_of_memory(self, container: str) -> bool:
        """Tell whether the engine saw the kernel kill something in a container for its memory."""
        seen = {"container": container, "event": "oom"}
        with self._our_errors("asking for events"):
            # The engine's own clock: ours may be another machine's, or may just have been set.
            now = datetime.fromisoformat(self._api.info()["SystemTime"])
            until = int(now.timestamp()) + 1
            events = self._api.events(since=1, until=until, filters=seen, decode=True)
            return len(list(events)) > 0

    def remove(self, container: str) -> None:
        """Kill and remove a container; it is no error if that has happened or is under way."""
        with self._our_errors("removing a cell"):
            try:
                self._api.remove_container(container, force=True, v=True)
            except docker.errors.NotFound:
                return
            except docker.errors.APIError as error:
                if error.status_code != requests.codes.conflict:
                    raise

    def remove_for_good(self, container: str, patience_seconds: float) -> bool:
        """Remove a container and wait for its end; tell whether it is gone."""
        deadline = time.monotonic() + patience_seconds
        self.remove(container)
        while (there := self.exists(container)) and time.monotonic() < deadline:
            time.sleep(_GONE_POLL_SECONDS)
            self.remove(container)
        self.drop_idle_connections()
        return not there

    def drop_idle_connections(self) -> None:
        """Close connections that wait for more: the library keeps one for each address, for ever.

        Each container has addresses of its own, so after a few trials hundreds would be open.
        """
        self._api.close()

    def containers_with(self, label: str) -> list[ListedContainer]:
        """Return all containers, running or not, that carry ``label``."""
        with self._our_errors("listing cells"):
            listed = self._api.containers(all=True, filters={"label": label})
        return [
            ListedContainer(
                id=str(one["Id"]),
                name=next(iter(one.get("Names") or ()), "").lstrip("/"),
                labels=dict(one.get("Labels") or {}),
                running=one.get("State") == "running",
            )
            for one in listed
        ]

    def close(self) -> None:
        """Give up the connection."""
        self._api.close()

    @contextmanager
    def _our_errors(self, doing: str) -> Iterator[None]:
        """Turn whatever the client library raises into one of our errors, with a remedy."""
        try:
            yield
        except docker.errors.APIError as error:
            problem = f"the Docker engine refused ({doing}: {_first_line(error.explanation)})"
            raise CellFailed(problem, "try again, then look at `assay doctor`") from error
        except (
            docker.errors.DockerException,
            requests.exceptions.RequestException,
            OSError,
        ) as error:
            cause = _cause_of(error)
            named = f"{self._address.named_by}, " if self._address.named_by else ""
            remedy = _PERMIT if isinstance(cause, PermissionError) else self._address.remedy
            problem = f"no Docker engine answers ({named}{doing}: {_first_line(cause)})"
            raise SandboxUnavailable(problem, remedy) from error


class _OwnedSocket:
    """A socket together with the objects that would close it when they are collected."""

    def __init__(self, raw: Any, owner: Any) -> None:
        self._raw = raw
        self._owner = owner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def close(self) -> None:
        """Close the connection, through the response that owns it where there is one."""
        response = getattr(self._owner, "_response", None)
        if response is not None:
            # Not the response itself: that would give the spent connection back, to be kept.
            response.raw.close()
        self._raw.close()


def _client(timeout_seconds: float, address: EngineAddress) -> docker.APIClient:
    """Return a client of the version that the engine tells, which it has to do soon."""
    given = _arguments(address)
    _require_door(address.host)
    oldest = docker.constants.MINIMUM_DOCKER_API_VERSION
    with docker.APIClient(timeout=ANSWER_SECONDS, version=oldest, **given) as first:
        first.trust_env = False
        agreed = _version_told_by(first)
    client = docker.APIClient(timeout=timeout_seconds, version=agreed, **given)
    client.trust_env = False  # its certificates are the engine's, whatever REQUESTS_CA_BUNDLE says
    return client


def _version_told_by(client: docker.APIClient) -> str:
    """Return the version of the API; whatever is wrong with the answer, no engine gave it."""
    try:
        return str(client.version(api_version=False)["ApiVersion"])
    except Exception as error:
        raise docker.errors.DockerException(f"it tells no version: {error}") from error


def _require_door(address: str) -> None:
    """Raise where there is no socket; the library would leave one open for each such failure."""
    scheme, _, path = address.rpartition("://")
    if scheme in ("unix", "http+unix"):
        Path("/" + path.lstrip("/")).stat()


def _arguments(address: EngineAddress) -> dict[str, Any]:
    """Return how the library is told of an engine, with the keys that go with its address."""
    if address.tls_folder is None:
        given = docker.utils.kwargs_from_env() if os.environ.get("DOCKER_HOST") else {}
        return {**given, "base_url": address.host}
    ca, cert, key = (address.tls_folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
    client = (str(cert), str(key)) if cert.exists() or key.exists() else None
    trusted = str(ca) if ca.exists() else None
    tls = TLSConfig(client_cert=client, ca_cert=trusted, verify=address.verify_tls)
    return {"base_url": address.host, "tls": tls}


def _cause_of(error: BaseException) -> BaseException:
    """Return the operating system's error behind ``error``, or ``error`` where there is none."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError) and link.strerror:
            return link
        link = link.__cause__ or link.__context__
    return error


def _first_line(error: object) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    lines = text.splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]
