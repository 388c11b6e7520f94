"""The server of ``assay view``: which address shows what, whom it answers, and how it is shown.

Nothing changes anything: every route answers GET alone, and the history is opened read-only.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from flows.errors import UserError
from flows.history.store import Ask, Bounds, QueryError, StoreError, answers, refreshed
from flows.serving import bearer, header, names_this_machine, same_secret
from flows.view import pages
from flows.view.console import Console
from flows.view.live import MOST_LISTENERS, WAIT_SECONDS, Changes, look
from flows.view.pages import Page

T = TypeVar("T")

PAGE = Bounds(seconds=30.0, rows=5_000_000, chars=2_000_000_000, memory="1GB", spill="4GB")
"""What a page may take of the history: more than any needs, less than the machine has."""
PAGES_AT_ONCE = 4
PATIENCE_SECONDS = 20.0
MOST_CONNECTIONS = 128
MOST_ADDRESS_BYTES = 32_000
ASKED_HERE = ("", "none", "same-origin")
"""What ``Sec-Fetch-Site`` says of a request that no page of another site made."""
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
FRESH = {"cache-control": "no-store"}
KEPT = {"cache-control": "private, max-age=31536000, immutable"}
"""Of files whose address has their hash."""

KeepFault = Callable[[BaseException], str]
"""Keeps what an internal error says, and returns where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Whom a server answers."""

    token: str | None
    """That every request has to name; None on this machine alone."""
    only_here: bool
    """Nothing but this machine can reach the server, so it is only called by its names."""
    port: int

    @property
    def cookie(self) -> str:
        """The name of the cookie; cookies do not tell the ports of a machine apart."""
        return f"assay-{self.port}"


class Pages:
    """Answers requests for pages about the history of a home folder."""

    def __init__(self, home: Path, keep_fault: KeepFault) -> None:
        self._home = home
        self._keep_fault = keep_fault
        self._turns = threading.BoundedSemaphore(PAGES_AT_ONCE)
        self._console = Console(home)
        self.changes = Changes(home)

    def app(self, door: Door) -> Any:
        """Return the ASGI application."""
        routes = [
            Route("/", self._experiments),
            Route("/experiment/{experiment:path}", self._experiment),
            Route("/compare", self._compare),
            Route("/leaderboard", self._leaderboard),
            Route("/failures", self._failures),
            Route("/spend", self._spend),
            Route("/sql", self._sql),
            Route("/sql.csv", self._csv),
            Route("/events", _Events(self.changes)),
            Route("/static/{name}", _static),
        ]
        handlers: Mapping[Any, Any] = {
            HTTPException: self._refused,
            UserError: self._problem,
            Exception: self._fault,
        }
        inside = Starlette(routes=routes, exception_handlers=handlers)
        return _Headers(_Gate(inside, door))

    def _experiments(self, request: Request) -> Response:
        return self._shown(
            request, lambda ask: pages.experiments(ask, self._home, request.query_params)
        )

    def _experiment(self, request: Request) -> Response:
        name = request.path_params["experiment"]
        return self._shown(request, lambda ask: pages.experiment(ask, self._home, name))

    def _compare(self, request: Request) -> Response:
        named = request.query_params.getlist("c")
        return self._shown(request, lambda ask: pages.compare(ask, named))

    def _leaderboard(self, request: Request) -> Response:
        return self._shown(request, lambda ask: pages.leaders(ask, request.query_params))

    def _failures(self, request: Request) -> Response:
        return self._shown(request, lambda ask: pages.failed(ask, request.query_params))

    def _spend(self, request: Request) -> Response:
        return self._shown(request, lambda ask: pages.spent(ask, request.query_params))

    def _sql(self, request: Request) -> Response:
        statement = request.query_params.get("q", "").strip()
        asked = bool(statement) and _asked_here(request)
        answer = self._console.answer(statement) if asked else None
        return _html(pages.console(statement, answer))

    def _csv(self, request: Request) -> Response:
        if not _asked_here(request):
            raise HTTPException(403, "a page of another site asked for this: ask on the page SQL")
        statement = request.query_params.get("q", "").strip()
        kind = {"content-disposition": 'attachment; filename="assay.csv"', **FRESH}
        text = self._console.csv(statement).encode("utf-8", "replace")
        return Response(text, media_type="text/csv; charset=utf-8", headers=kind)

    def _shown(self, _: Request, make: Callable[[Ask], Page]) -> Response:
        """Return a page from answers of one moment, with the mark that tells whether it is old."""
        seen = look(self._home)
        if not self._turns.acquire(timeout=PATIENCE_SECONDS):
            raise HTTPException(503, "the server is busy: load the page again in a moment")
        try:
            notes = refreshed(self._home, WAIT_SECONDS)
            page = answers(self._home, make, refresh=False, bounds=PAGE)
        finally:
            self._turns.release()
        return _html(page, seen.mark(page.about), notes)

    def _refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        words = {404: f"there is no page {request.url.path}", 405: "this server only shows"}
        return _message(error.status_code, words.get(error.status_code, error.detail))

    def _problem(self, _: Request, error: Exception) -> Response:
        match error:
            case pages.UnknownError():
                status = 404
            case StoreError() if not isinstance(error, QueryError):
                status = 503
            case _:
                status = 400
        return _message(status, str(error))

    def _fault(self, _: Request, error: Exception) -> Response:
        where = self._keep_fault(error)
        return _message(500, f"internal error: {type(error).__name__}; please report it ({where})")


def _asked_here(request: Request) -> bool:
    """Return whether a person or a page of ours asked; what others link to has to be confirmed."""
    return _site(request.scope) in ASKED_HERE


def _site(scope: Mapping[str, Any]) -> str:
    return header(scope, b"sec-fetch-site").decode("latin-1")


def _html(page: Page, mark: str = "", notes: Sequence[str] = ()) -> HTMLResponse:
    return HTMLResponse(page.html(mark, notes), headers=FRESH)


def _message(status: int, words: str) -> HTMLResponse:
    return HTMLResponse(pages.message(words).html(), status, headers=FRESH)


def _static(request: Request) -> Response:
    found = pages.static_files().get(request.path_params["name"])
    if found is None:
        raise HTTPException(404)
    return Response(found.content, media_type=found.kind, headers=KEPT)


class _Events:
    """Tells a page of changes until it leaves; a limited number of pages."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] != "GET":
            raise HTTPException(405)
        if self._changes.listeners >= MOST_LISTENERS:
            later = {"retry-after": "30", **FRESH}
            busy = f"{MOST_LISTENERS} pages are told of changes already: close some\n"
            await PlainTextResponse(busy, 503, headers=later)(scope, receive, send)
            return
        experiment = Request(scope).query_params.get("experiment")
        self._changes.listeners += 1
        try:
            told = self._changes.told(experiment)
            answer = StreamingResponse(told, media_type="text/event-stream", headers=FRESH)
            await answer(scope, receive, send)
        finally:
            self._changes.listeners -= 1


class _Headers:
    """Adds to every answer what keeps a page to itself."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_more(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *self._headers]}
            await send(message)

        await self._app(scope, receive, send_more if scope["type"] == "http" else send)


class _Gate:
    """Lets requests in that call the server by a name of this machine and know the token."""

    def __init__(self, app: Any, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            answer = self._answer(scope)
            if answer is not None:
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _answer(self, scope: Any) -> Response | None:
        """Return what is answered in place of a page; None for who may come in."""
        if scope["type"] != "http" or len(scope["query_string"]) > MOST_ADDRESS_BYTES:
            return _message(400, "the address is too long")
        if self._door.only_here and not names_this_machine(scope):
            return _message(
                421, "this server only answers to the names of this machine, such as 127.0.0.1"
            )
        mode = header(scope, b"sec-fetch-mode").decode("latin-1")
        if mode not in ("", "navigate") and _site(scope) not in ASKED_HERE:
            return _message(403, "a page of another site asked for this")
        token = self._door.token
        if token is None or scope["path"].startswith("/static/"):  # where no data are
            return None
        if same_secret(bearer(scope), token):
            return None
        if same_secret(_cookie(scope, self._door.cookie), _kept(token)):
            return None
        return self._entered(scope, token)

    def _entered(self, scope: Any, token: str) -> Response:
        """Answer a request without the cookie: one that names the token gets it, others a form."""
        given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        tokens = [value for name, value in given if name == "token"]
        rest = [(name, value) for name, value in given if name != "token"]
        path = "/" + scope.get("raw_path", b"/").decode("latin-1").lstrip("/\\")
        known = bool(tokens) and same_secret(tokens[0].encode("utf-8", "replace"), token)
        if not known or scope["method"] not in ("GET", "HEAD"):
            page = pages.door(path, rest, was_wrong=bool(tokens))
            return HTMLResponse(page.html(), 401, headers=FRESH)
        there = f"{path}?{urlencode(rest)}" if rest else path
        answer = Response(status_code=303, headers={"location": there, **FRESH})
        answer.set_cookie(self._door.cookie, _kept(token), path="/", httponly=True, samesite="lax")
        return answer


def _kept(token: str) -> str:
    """Return what a browser keeps in place of the token."""
    return sha256(b"assay view " + token.encode()).hexdigest()


def _cookie(scope: Any, name: str) -> bytes:
    try:
        cookies = SimpleCookie(header(scope, b"cookie").decode("latin-1"))
    except CookieError:
        return b""
    return cookies[name].value.encode("utf-8", "replace") if name in cookies else b""
