"""The only module that talks to the Docker engine: its address, its abilities, its requests.

The engine is that of DOCKER_HOST, else of DOCKER_CONTEXT, else of Docker's current context, as for
the ``docker`` command. What the engine reports about itself decides whether it can protect a cell.
Whatever the client library raises becomes a SandboxError.
"""

import hashlib
import json
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

from sandbox.errors import CellFailed, ImageMissing, SandboxUnavailable
from sandbox.image import build_command
from simulator.cell.seccomp import ARCHITECTURES
from simulator.domain import Domain

LOCAL = "unix:///var/run/docker.sock"
SCHEMES = ("unix", "http+unix", "tcp", "http", "https")
DEFAULT = "default"
_START = "start the engine (in a checkout of assay: `make engine`) and check with `docker version`"
_SSH = (
    "forward its socket (ssh -nNT -L /tmp/engine.sock:/var/run/docker.sock USER@HOST) and set "
    "DOCKER_HOST=unix:///tmp/engine.sock"
)
SAFE_RUNC: dict[tuple[int, ...], tuple[int, ...]] = {(1, 2): (1, 2, 8), (1, 3): (1, 3, 3)}
"""The first release of each line without races in how paths are masked; earlier lines have none.
A cell gives no chance to exploit these races."""
DOCKER_ENGINE = "Engine"
_SAME_KERNEL = ("runc", "crun", "io.containerd.runc.v2", "youki")
"""Runtimes under which a container uses the machine's own kernel and its system call filters."""
_OTHER_NAMES = {"amd64": "x86_64"}
"""Podman uses Go's names of machines, Docker the kernel's."""
ANSWER_SECONDS = 15.0
"""Timeout for the first answer; an engine that hangs counts as unavailable."""
_REMOVAL_POLL_SECONDS = 0.02
_PERMIT = "add yourself to the group docker (sudo usermod -aG docker $USER), then log in again"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineAddress:
    """Where an engine is, and which setting named it."""

    host: str
    named_by: str
    """The setting that named it, to begin an error with; empty for the default address."""
    remedy: str
    """What to do when it does not answer."""
    tls_folder: Path | None = None
    """Holds ``ca.pem``, ``cert.pem`` and ``key.pem`` of a context, as far as it has them."""
    verify_tls: bool = True


def engine_address(environment: Mapping[str, str]) -> EngineAddress:
    """Return the address of the engine that ``environment`` names; raise if it is unusable."""
    host = environment.get("DOCKER_HOST", "")
    if host:
        named = f"DOCKER_HOST={host}"
        _require_scheme(host, named)
        remedy = "start the engine that DOCKER_HOST names, or unset it to use the default one"
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
        problem = f"{source} names the Docker context {name!r}, which does not exist"
        raise SandboxUnavailable(problem, remedy)
    endpoints = _read(meta).get("Endpoints")
    found = endpoints.get("docker") if isinstance(endpoints, dict) else None
    endpoint: dict[str, Any] = found if isinstance(found, dict) else {}
    host = endpoint.get("Host")
    named = f"the Docker context {name!r}"
    if not isinstance(host, str) or not host:
        raise SandboxUnavailable(f"{named} ({meta}) has no engine address", remedy)
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
    """Return what a file of Docker's holds, nothing if it is missing; raise if it is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        found = error
    if not isinstance(found, dict):
        reason = found.strerror if isinstance(found, OSError) else "it is not a JSON object"
        problem = f"{path}, which says where the Docker engine is, cannot be read ({reason})"
        raise SandboxUnavailable(problem, "repair or remove that file, or set DOCKER_HOST")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """The parts of an engine's answers that cells depend on."""

    name: str
    """``Engine`` for Docker, else the name of whatever answers in its place."""
    server_version: str
    os_type: str
    architecture: str
    kernel: str
    cgroup_driver: str
    cgroup_version: str
    cpus: int
    memory_limit: bool
    swap_limit: bool
    pids_limit: bool
    cpuset: bool
    security: tuple[str, ...]
    """Some of ``seccomp apparmor selinux userns rootless cgroupns``."""
    runtimes: tuple[str, ...]
    default_runtime: str
    runc_version: str

    @property
    def rootless(self) -> bool:
        """Whether the engine runs without root's rights."""
        return "rootless" in self.security


def facts_from(info: Mapping[str, Any], version: Mapping[str, Any]) -> EngineFacts:
    """Return the facts in the engine's answers to ``info`` and ``version``."""
    components = {part.get("Name"): part for part in version.get("Components") or ()}
    machine = str(info.get("Architecture", "unknown"))
    return EngineFacts(
        name=str(next(iter(components), DOCKER_ENGINE)),
        server_version=str(version.get("Version", "unknown")),
        os_type=str(info.get("OSType", "unknown")),
        architecture=_OTHER_NAMES.get(machine, machine),
        kernel=str(info.get("KernelVersion", "unknown")),
        cgroup_driver=str(info.get("CgroupDriver", "unknown")),
        cgroup_version=str(info.get("CgroupVersion", "1")),
        cpus=int(info.get("NCPU", 0)),
        memory_limit=bool(info.get("MemoryLimit")),
        swap_limit=bool(info.get("SwapLimit")),
        pids_limit=bool(info.get("PidsLimit")),
        cpuset=bool(info.get("CPUSet")),
        security=_security_names(info.get("SecurityOptions") or ()),
        runtimes=tuple(sorted(info.get("Runtimes") or ())),
        default_runtime=str(info.get("DefaultRuntime", "unknown")),
        runc_version=str(components.get("runc", {}).get("Version", "unknown")),
    )


def shortcomings(facts: EngineFacts, runtime: str | None = None) -> tuple[str, ...]:
    """Return what the engine lacks and every cell needs; each text says what to do."""
    found = []
    if facts.os_type != "linux":
        found.append(f"it runs {facts.os_type} containers; switch it to Linux containers")
    if facts.architecture not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        found.append(f"its machine is {facts.architecture!r}; cells are made for {known}")
    if "seccomp" not in facts.security:
        found.append("it cannot filter system calls; use a kernel and an engine with seccomp")
    found += _missing_limits(facts)
    if runtime is not None and runtime not in facts.runtimes:
        known = ", ".join(facts.runtimes)
        found.append(f"it has no runtime {runtime!r}; install it or choose one of {known}")
    return tuple(found)


def warnings_about(facts: EngineFacts, runtime: str | None = None) -> tuple[str, ...]:
    """Return what should be fixed but does not endanger cells, or what only a trial can show."""
    found = []
    if facts.name != DOCKER_ENGINE:
        found.append(
            f"{facts.name} is not Docker; only the canaries show whether its cells are safe"
        )
    chosen = runtime or facts.default_runtime
    if chosen not in (*_SAME_KERNEL, "unknown"):
        found.append(
            f"the runtime {chosen!r} gives a cell its own kernel; a trial whose cell cannot prove "
            "its system call filters is refused"
        )
    if facts.rootless and facts.cgroup_version == "1":
        found.append("rootless engines seldom enforce limits on cgroup v1; boot with cgroup v2")
    if not facts.swap_limit:
        found.append("swap is not limited; each policy's address space still is")
    version = _numbers(facts.runc_version)
    if version and version < SAFE_RUNC.get(version[:2], min(SAFE_RUNC.values())):
        wanted = " or ".join(".".join(map(str, each)) for each in SAFE_RUNC.values())
        found.append(
            f"runc {facts.runc_version} has known vulnerabilities; update it to {wanted} or later"
        )
    if not facts.cpuset:
        found.append("cells cannot be pinned to one processor; timings will vary more")
    return tuple(found)


def _missing_limits(facts: EngineFacts) -> list[str]:
    delegate = "delegate the cgroup controllers to it (see its rootless guide) or run it as root"
    if facts.cgroup_driver == "none":
        return [f"it has no cgroup driver, so it ignores every limit; {delegate}"]
    found = []
    if not facts.memory_limit:
        found.append(f"it cannot limit memory; {delegate}")
    if not facts.pids_limit:
        found.append(f"it cannot limit processes; {delegate}")
    return found


def _security_names(options: Any) -> tuple[str, ...]:
    """Return the names in entries such as ``name=seccomp,profile=default``."""
    names = []
    for option in options:
        first = str(option).split(",", 1)[0]
        names.append(first.removeprefix("name="))
    return tuple(names)


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version such as ``1.1.5+ds1``; empty where there are none."""
    numbers = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedContainer:
    """A container that carries a label, as the engine lists it."""

    id: str
    name: str
    labels: Mapping[str, str]
    running: bool


class Daemon:
    """A connection to the engine that ``engine_address`` finds, for cells of a domain.

    One thread at a time may use it; each thread that needs one opens its own.
    """

    def __init__(self, timeout_seconds: float = 60.0, domain: Domain | None = None) -> None:
        self._build = f"run `{build_command(domain)}` to build it"
        self._address = engine_address(os.environ)
        with self._our_errors("connecting"):
            self._api = _client(timeout_seconds, self._address)

    def facts(self) -> EngineFacts:
        """Return what the engine reports about itself."""
        with self._our_errors("asking the engine about itself"):
            return facts_from(self._api.info(), self._api.version())

    def image_id(self, name: str) -> str:
        """Return the id of the image ``name``; raise ImageMissing if there is none."""
        with self._our_errors("looking for the image"):
            try:
                return str(self._api.inspect_image(name)["Id"])
            except docker.errors.ImageNotFound:
                problem = f"the image {name} of this version is missing"
                raise ImageMissing(problem, self._build) from None

    def create(self, name: str, options: Mapping[str, Any]) -> None:
        """Create a container; ``name`` identifies it even if the engine's answer is lost."""
        with self._our_errors("creating a cell"):
            try:
                self._api.create_container_from_config(dict(options), name=name)
            except docker.errors.ImageNotFound:
                problem = f"the image {options.get('Image')} was removed"
                raise ImageMissing(problem, self._build) from None

    def attach(self, container: str) -> socket.socket:
        """Return a socket to a container's standard streams; call it before ``start``."""
        wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        with self._our_errors("attaching to a cell"):
            stream = self._api.attach_socket(container, params=wanted)
        raw = getattr(stream, "_sock", stream)
        # The HTTP objects that own the connection must outlive the socket.
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
        """Tell whether the engine reports an out-of-memory kill in a container."""
        seen = {"container": container, "event": "oom"}
        with self._our_errors("asking for events"):
            # The engine's clock: it may run on another machine, or ours may just have been set.
            now = datetime.fromisoformat(self._api.info()["SystemTime"])
            until = int(now.timestamp()) + 1
            events = self._api.events(since=1, until=until, filters=seen, decode=True)
            return len(list(events)) > 0

    def remove(self, container: str) -> None:
        """Kill and remove a container; no error if it is gone or being removed already."""
        with self._our_errors("removing a cell"):
            try:
                self._api.remove_container(container, force=True, v=True)
            except docker.errors.NotFound:
                return
            except docker.errors.APIError as error:
                if error.status_code != requests.codes.conflict:
                    raise

    def remove_for_good(self, container: str, timeout_seconds: float) -> bool:
        """Remove a container, wait until it is gone, and tell whether it is."""
        deadline = time.monotonic() + timeout_seconds
        self.remove(container)
        while (there := self.exists(container)) and time.monotonic() < deadline:
            time.sleep(_REMOVAL_POLL_SECONDS)
            self.remove(container)
        self.drop_idle_connections()
        return not there

    def drop_idle_connections(self) -> None:
        """Close idle connections: the library keeps one per URL, and each container has its own.

        Otherwise hundreds would be open after a few trials.
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
        """Turn whatever the client library raises into a SandboxError with a remedy."""
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
    """A socket and the objects that would close it when they are garbage collected."""

    def __init__(self, raw: Any, owner: Any) -> None:
        self._raw = raw
        self._owner = owner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def close(self) -> None:
        """Close the connection, through the response that owns it if there is one."""
        response = getattr(self._owner, "_response", None)
        if response is not None:
            # Closing the response itself would return the used connection to the pool.
            response.raw.close()
        self._raw.close()


def _client(timeout_seconds: float, address: EngineAddress) -> docker.APIClient:
    """Return a client for the engine's API version; the engine must name it within a timeout."""
    given = _arguments(address)
    _require_socket(address.host)
    oldest = docker.constants.MINIMUM_DOCKER_API_VERSION
    with docker.APIClient(timeout=ANSWER_SECONDS, version=oldest, **given) as first:
        first.trust_env = False
        agreed = _api_version(first)
    client = docker.APIClient(timeout=timeout_seconds, version=agreed, **given)
    client.trust_env = False  # use the engine's certificates, whatever REQUESTS_CA_BUNDLE says
    return client


def _api_version(client: docker.APIClient) -> str:
    """Return the API version; any bad answer means that this is not a Docker engine."""
    try:
        return str(client.version(api_version=False)["ApiVersion"])
    except Exception as error:
        raise docker.errors.DockerException(f"it does not name its API version: {error}") from error


def _require_socket(address: str) -> None:
    """Raise if the socket does not exist; the library would leak an open one per failure."""
    scheme, _, path = address.rpartition("://")
    if scheme in ("unix", "http+unix"):
        Path("/" + path.lstrip("/")).stat()


def _arguments(address: EngineAddress) -> dict[str, Any]:
    """Return the client library's arguments for an engine, with its TLS keys."""
    if address.tls_folder is None:
        given = docker.utils.kwargs_from_env() if os.environ.get("DOCKER_HOST") else {}
        return {**given, "base_url": address.host}
    ca, cert, key = (address.tls_folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
    client = (str(cert), str(key)) if cert.exists() or key.exists() else None
    trusted = str(ca) if ca.exists() else None
    tls = TLSConfig(client_cert=client, ca_cert=trusted, verify=address.verify_tls)
    return {"base_url": address.host, "tls": tls}


def _cause_of(error: BaseException) -> BaseException:
    """Return the operating system's error behind ``error``, or ``error`` if there is none."""
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
