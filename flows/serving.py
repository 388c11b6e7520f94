"""What the servers of Assay share: where they listen, whom they answer, and how they end."""

import hmac
import re
import socket
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

import uvicorn

from flows.errors import UserError
from flows.loopback import is_loopback

SECONDS_TO_LEAVE = 3
"""How long clients have to end their requests when the server is to end."""
_NAME = re.compile(r"([a-zA-Z0-9.-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?")
SHORTEST_TOKEN = 16
"""Characters; what is shorter can be guessed over a network."""


def stays_here(host: str) -> bool:
    """Return whether an address to listen on can be reached from this machine only."""
    return is_loopback(f"http://{in_brackets(host)}")


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 is any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (")[0]
        raise UserError(
            f"port {port} of {host} cannot be used ({why}): name another with --port, or another "
            "--host"
        ) from None


def address_of(listening: socket.socket) -> str:
    """Return the address of a socket as a client names it."""
    host, port = listening.getsockname()[:2]
    return f"http://{in_brackets(host)}:{port}"


def in_brackets(host: str) -> str:
    """Return a host as it stands in an address: that of IP version 6 in brackets."""
    return f"[{host}]" if ":" in host else host


def serve(
    app: Any,
    listening: socket.socket,
    leaving: Callable[[], None] | None = None,
    log_level: str = "warning",
    **settings: Any,
) -> None:
    """Serve an ASGI application until interrupted; ``leaving`` is called when that happens."""
    config = uvicorn.Config(
        app,
        log_level=log_level,
        interface="asgi3",
        lifespan="on",
        timeout_graceful_shutdown=SECONDS_TO_LEAVE,
        **settings,
    )
    _Server(config, leaving).run(sockets=[listening])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, leaving: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._leaving = leaving

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Let answers without an end come to one, then leave."""
        if self._leaving is not None:
            self._leaving()
        super().handle_exit(sig, frame)


def checked_token(token: str, variable: str) -> str:
    """Return the token of an environment variable; refuse one that can be guessed."""
    if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable():
        raise UserError(
            f"{variable} has {len(token)} characters, expected at least {SHORTEST_TOKEN} that "
            "ASCII can print: unset it to have one made and printed"
        )
    return token


def same_secret(given: bytes, token: str) -> bool:
    """Compare what a client gave with the token, in a time that tells nothing."""
    return hmac.compare_digest(sha256(given).digest(), sha256(token.encode()).digest())


def bearer(scope: Mapping[str, Any]) -> bytes:
    """Return the token in the header Authorization of a request; empty for none."""
    kind, _, token = header(scope, b"authorization").partition(b" ")
    return token.strip() if kind.lower() == b"bearer" else b""


def names_this_machine(scope: Mapping[str, Any]) -> bool:
    """Return whether a request names the server as this machine and has only one such name.

    A page of another host that has its name point to 127.0.0.1 (DNS rebinding) names that host.
    """
    names = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    return len(names) == 1 and bool(_NAME.fullmatch(names[0])) and is_loopback(f"http://{names[0]}")


def header(scope: Mapping[str, Any], name: bytes) -> bytes:
    """Return the first header of a name; empty for none."""
    return next((value for found, value in scope["headers"] if found == name), b"")
