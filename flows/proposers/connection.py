"""Connects to a model's server: through which proxy, with which certificates, and until when."""

import ipaddress
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from flows.errors import ConfigError
from flows.loopback import is_loopback

MAX_REPLY_BYTES = 32_000_000
"""A streamed reply takes some 300 bytes for each token."""
IDLE_SECONDS = 300.0
"""A reply that stops for this long after its beginning is given up."""

CONNECT_SECONDS = 30.0
"""A server that has not accepted a connection by then is not there."""

_AFTER_SENDING = ("ReadError", "RemoteProtocolError", "WriteError")
"""How the transport fails once a server has the request, so that it may have worked on it."""


TRANSPORT_ERRORS = (httpx2.HTTPError, httpx2.StreamError, OSError)
"""What may come up while a reply is read, besides the errors of the SDK."""


class TooLong(Exception):
    """More bytes than a reply may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """The proxy for an address, and the environment variable that names it."""

    variable: str
    url: str

    @property
    def shown(self) -> str:
        """The proxy without a user and a password."""
        parts = urlsplit(self.url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname or ''}{port} (from {self.variable})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why no answer arrived, in words; ``lasting`` when trying again will not help."""

    outcome: str
    problem: str
    lasting: bool = False


def http_client(
    base_url: str, timeout_seconds: float, environment: Mapping[str, str] = os.environ
) -> httpx2.Client:
    """Return a client for one server; refuse a proxy or certificates that cannot be used.

    It follows no redirects, which would carry the key elsewhere, and each request has
    its own connection, so that its deadline can close it.
    """
    proxy = proxy_for(base_url, environment)
    try:
        transport = httpx2.HTTPTransport(
            verify=_certificates(base_url, environment),
            trust_env=False,
            limits=httpx2.Limits(max_keepalive_connections=0),
            proxy=proxy.url if proxy is not None else None,
        )
    except ImportError:
        assert proxy is not None, "only SOCKS needs a package that may be missing"
        raise ConfigError(
            f"the proxy {proxy.shown} speaks SOCKS, which needs the package socksio: run "
            f"pip install socksio, name an HTTP proxy, or list the server in NO_PROXY"
        ) from None
    except (ValueError, httpx2.InvalidURL):
        assert proxy is not None, "the base URL was checked before"
        raise ConfigError(
            f"{proxy.variable} names no proxy that can be used: expected http://HOST:PORT, "
            f"https://... or socks5://..."
        ) from None
    return httpx2.Client(
        transport=_Watched(transport, timeout_seconds),
        timeout=timeouts(timeout_seconds),
        trust_env=False,
        follow_redirects=False,
    )


def timeouts(seconds: float) -> httpx2.Timeout:
    """Return the limits on single steps of a request that may take so long as a whole."""
    return httpx2.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))


def proxy_for(base_url: str, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy that the environment names for an address; this machine needs none."""
    parts = urlsplit(base_url)
    host, port = (parts.hostname or "").lower(), parts.port
    if is_loopback(base_url) or _excepted(host, port, environment):
        return None
    for name in (f"{parts.scheme}_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            url = environment.get(variable, "").strip()
            if url:
                return Proxy(variable=variable, url=url if "://" in url else f"http://{url}")
    return None


def _excepted(host: str, port: int | None, environment: Mapping[str, str]) -> bool:
    """Return whether ``NO_PROXY`` lists a host; what cannot be understood there is passed over."""
    listed = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    return any(_matches(entry, host, port) for entry in listed.lower().replace(",", " ").split())


def _matches(entry: str, host: str, port: int | None) -> bool:
    entry = entry.rpartition("://")[2]
    if entry == "*":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    name, colon, number = entry.rpartition(":")
    if colon and number.isdecimal() and (":" not in name or name.endswith("]")):
        if port is None or int(number) != port:
            return False
        entry = name
    entry = entry.strip("[]").lstrip("*").lstrip(".")
    return bool(entry) and (host == entry or host.endswith(f".{entry}"))


def _certificates(base_url: str, environment: Mapping[str, str]) -> ssl.SSLContext:
    """Return what a server's certificate is checked against; nothing is read where none is."""
    if urlsplit(base_url).scheme != "https":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        path = environment.get(variable)
        if path and not Path(path).exists():
            raise ConfigError(
                f"{variable} names {path}, which does not exist: name the file with your "
                "certificates, or unset the variable"
            )
    file, folder = environment.get("SSL_CERT_FILE"), environment.get("SSL_CERT_DIR")
    try:
        if file or folder:
            return ssl.create_default_context(cafile=file or None, capath=folder or None)
        return httpx2.create_ssl_context(trust_env=False)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"the certificates in {file or folder or 'this installation'} cannot be read: {error}"
        ) from None


def explain(
    error: BaseException, base_url: str, timeout_seconds: float, environment: Mapping[str, str]
) -> Failure:
    """Return why a request got no answer: what failed, at which address, and what to check."""
    chain = list(_chain(error))
    kinds = {type(each).__name__ for each in chain}
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    address = f"{host}:{parts.port}" if parts.port else host
    proxy = proxy_for(base_url, environment)
    if any("Timeout" in kind for kind in kinds):
        problem = f"no reply within {timeout_seconds:g} s: a larger --timeout waits longer"
        connecting = "ConnectTimeout" in kinds
        if connecting:
            limit = min(timeout_seconds, CONNECT_SECONDS)
            problem = f"no connection to {address} within {limit:g} s: check --base-url"
        return Failure(outcome="connection_error" if connecting else "timeout", problem=problem)
    if proxy is not None and kinds & {"ProxyError", "ConnectError", "SOCKSError"}:
        problem = f"the proxy {proxy.shown} does not lead to {address}: {_last_words(chain)}"
        return Failure(outcome="connection_error", problem=problem, lasting=True)
    unknown = next((each for each in chain if isinstance(each, socket.gaierror)), None)
    if unknown is not None:
        problem = (
            f"the host {host} is not known ({unknown.strerror or unknown}): check --base-url and "
            "this machine's network"
        )
        return Failure(outcome="connection_error", problem=problem, lasting=True)
    insecure = next((each for each in chain if isinstance(each, ssl.SSLError)), None)
    if insecure is not None:
        return Failure(outcome="connection_error", problem=_tls(insecure, address), lasting=True)
    kind = next((name for name in _AFTER_SENDING if name in kinds), None)
    if kind is not None or "ConnectError" not in kinds:
        why = kind or type(error).__name__
        return Failure(outcome="connection_lost", problem=f"the connection was lost ({why})")
    return Failure(
        outcome="connection_error",
        problem=f"no connection to {address}: is a server running there? check --base-url",
    )


def _tls(error: ssl.SSLError, address: str) -> str:
    said = getattr(error, "verify_message", "") or error.reason or "the handshake failed"
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of {address} is not trusted ({said}): name your authority's "
            "certificates with SSL_CERT_FILE"
        )
    return (
        f"{address} does not speak TLS as expected ({said.replace('_', ' ').lower()}): check "
        "whether its address begins with http:// or https://"
    )


def _last_words(chain: list[BaseException]) -> str:
    said = [str(each) for each in chain if str(each)]
    return " ".join(said[-1].split())[:200] if said else "no connection"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    for _ in range(20):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__


class _Watched(httpx2.BaseTransport):
    """Ends a request at its deadline, headers and body included, and a reply that stands still."""

    def __init__(self, inner: httpx2.BaseTransport, seconds: float) -> None:
        self._inner = inner
        self._seconds = seconds

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        watch = _Watch(self._seconds)
        request.extensions = {**request.extensions, "trace": watch.trace}
        try:
            response = self._inner.handle_request(request)
        except Exception as error:
            watch.close()
            if watch.expired:
                raise httpx2.ReadTimeout("the deadline passed") from error
            raise
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _WatchedStream(response.stream, watch)
        return response

    def close(self) -> None:
        self._inner.close()


class _WatchedStream(httpx2.SyncByteStream):
    """The body of a reply, under watch until it is closed."""

    def __init__(self, inner: httpx2.SyncByteStream, watch: "_Watch") -> None:
        self._inner = inner
        self._watch = watch

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        try:
            for chunk in self._inner:
                self._watch.saw_some()
                size += len(chunk)
                if size > MAX_REPLY_BYTES:
                    raise TooLong
                yield chunk
        except httpx2.TransportError as error:
            if self._watch.expired:
                raise httpx2.ReadTimeout("the deadline passed") from error
            raise
        if self._watch.expired:  # a reply that ends with its connection
            raise httpx2.ReadTimeout("the deadline passed")

    def close(self) -> None:
        self._watch.close()
        self._inner.close()


class _Watch:
    """Shuts a connection down at its deadline, which ends a blocked read."""

    def __init__(self, seconds: float) -> None:
        self.expired = False
        self._ends_at = time.monotonic() + seconds
        self._idle_at: float | None = None
        self._socket: socket.socket | None = None
        self._closed = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def trace(self, name: str, info: Mapping[str, Any]) -> None:
        """Note the connection as soon as there is one; a copy, since TLS takes the first over."""
        if name.endswith("connect_tcp.complete") and self._socket is None:
            self._socket = info["return_value"].get_extra_info("socket").dup()

    def saw_some(self) -> None:
        self._idle_at = time.monotonic() + IDLE_SECONDS

    def close(self) -> None:
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(max(0.0, self._due() - time.monotonic())):
            if time.monotonic() >= self._due():
                self.expired = True
                if self._socket is not None:
                    with suppress(OSError):
                        self._socket.shutdown(socket.SHUT_RDWR)
                self._closed.wait(1.0)  # a connection that is only now being made
        if self._socket is not None:
            self._socket.close()

    def _due(self) -> float:
        return min(self._ends_at, self._idle_at or self._ends_at)
