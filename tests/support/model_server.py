"""A local server that speaks the OpenAI API and misbehaves exactly as its script says."""

import json
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal

Json = dict[str, Any]
PACE_SECONDS = 0.05
SECONDS = 120
"""How long a client that is gone may take to be noticed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What the server does with a request; ``hangs`` keeps silent until the client leaves.

    With ``breaks`` it leaves itself: before it answers, or with so many bytes of the body unsent.
    With ``trickles`` it sends one more header, or one more byte, again and again.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False
    breaks: int | None = None
    trickles: Literal["", "headers", "body"] = ""


Behaviour = Callable[[Received], Sent]


class ModelServer:
    """Answers request after request by its script; the last behaviour serves all later ones."""

    def __init__(self, *script: Behaviour) -> None:
        self.script = script
        self.requests: list[Received] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> "ModelServer":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def settle(self) -> None:
        """Wait until all is received that was sent by clients that are gone, or about to go."""
        with socket.create_connection(("127.0.0.1", self._server.server_port)) as last:
            last.shutdown(socket.SHUT_WR)
            last.recv(1)  # its turn comes once all that came before it were let in
        self._server.wait_until_left()

    def answer(self, received: Received) -> Sent:
        with self._lock:
            number = len(self.requests)
            self.requests.append(received)
        return self.script[min(number, len(self.script) - 1)](received)


class _Server(ThreadingHTTPServer):
    """Counts those who were let in and have not left."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._inside = 0
        self._changed = threading.Condition()
        super().__init__(address, handler)

    def wait_until_left(self) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: not self._inside, SECONDS), "a client stays"

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changed:
            self._inside += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()


def says(text: str, *, finish_reason: str = "stop", usage: Json | None = None) -> Behaviour:
    """Answer with this text, in the shape of the API that was asked."""
    return lambda received: _ok(_shape(received, text, finish_reason, usage))


def policy(source: str) -> Behaviour:
    """Answer with a policy in a code fence, with prose around it."""
    return says(f"Here is the policy.\n\n```python\n{source}```\n\nIt serves queries first.\n")


def prose() -> Behaviour:
    """Answer with words and no code."""
    return says("A good scheduler serves short work first and keeps memory requests small.")


def cut_off(text: str) -> Behaviour:
    """Answer with a text that ended at the limit of output tokens."""
    return says(text, finish_reason="length")


def filtered() -> Behaviour:
    """Answer that a content filter stopped the reply."""
    return says("", finish_reason="content_filter")


def refuses(words: str = "I cannot help with that.") -> Behaviour:
    """Answer with a refusal in the field that the API has for it."""
    message = {"role": "assistant", "content": None, "refusal": words}
    chat = {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}
    part = {"type": "refusal", "refusal": words}
    output = [{"type": "message", "role": "assistant", "content": [part]}]
    responses = {"status": "completed", "output": output}
    return lambda received: _ok(responses if _wants_responses(received) else chat)


def empty_choices() -> Behaviour:
    """Answer with an empty list of choices."""
    return lambda _: _ok({"id": "x", "object": "chat.completion", "choices": [], "output": []})


def raw(body: bytes, status: int = 200, **headers: str) -> Behaviour:
    """Answer with these bytes; header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: Sent(status=status, body=body, headers=named)


def broken_json() -> Behaviour:
    """Answer with a body that ends in the middle."""
    return raw(b'{"id": "x", "choices": [{"message": {"content": "```pyth')


def fails(status: int, message: str, **more: Any) -> Behaviour:
    """Answer with an error status and OpenAI's error body."""
    headers = {"Retry-After": str(more.pop("retry_after"))} if "retry_after" in more else {}
    error = {"message": message, "type": "error", "param": None, "code": None, **more}
    body = json.dumps({"error": error}).encode()
    return lambda _: Sent(status=status, body=body, headers=headers)


def rate_limited(retry_after: float = 7) -> Behaviour:
    """Answer that there were too many requests."""
    return fails(429, "Rate limit reached", retry_after=retry_after)


def server_error() -> Behaviour:
    """Answer with a status of 500."""
    return fails(500, "The server had an error")


def unsupported(parameter: str, instead: str = "") -> Behaviour:
    """Refuse a parameter as OpenAI does."""
    hint = f" Use '{instead}' instead." if instead else ""
    message = f"Unsupported parameter: '{parameter}' is not supported with this model.{hint}"
    return fails(400, message, param=parameter, code="unsupported_parameter")


def unless(accepts: Callable[[Json], bool], refusal: Behaviour, otherwise: Behaviour) -> Behaviour:
    """Refuse requests whose body is not accepted, answer the others."""
    return lambda received: (otherwise if accepts(received.body) else refusal)(received)


def by_model(models: Mapping[str, Behaviour]) -> Behaviour:
    """Answer as the model that is asked; several models are behind one server."""
    return lambda received: models[str(received.body["model"])](received)


def hangs() -> Behaviour:
    """Keep silent until the client leaves."""
    return lambda _: Sent(hangs=True)


def trickles(part: Literal["headers", "body"]) -> Behaviour:
    """Send a little more of the headers, or of the body, until the client leaves."""
    return lambda _: Sent(trickles=part)


def streams(text: str, reason: str | None = "stop", *, usage: bool = True) -> Behaviour:
    """Answer with a stream of events, in the shape of the API that was asked."""
    return lambda received: stream_of(_events(received, text, reason, usage))


def stream_of(events: Sequence[Json | str]) -> Sent:
    """Return an answer that is a stream of these events."""
    texts = [each if isinstance(each, str) else json.dumps(each) for each in events]
    body = "".join(f"data: {text}\n\n" for text in texts).encode()
    return Sent(body=body, headers={"Content-Type": "text/event-stream"})


def breaks(unsent: int = 0) -> Behaviour:
    """Close the connection: without a word, or in the middle of the body."""
    return lambda _: Sent(body=b'{"id": "c", "cho' if unsent else b"", breaks=unsent)


def _ok(body: Json) -> Sent:
    return Sent(body=json.dumps(body).encode(), headers={"x-request-id": "req-1"})


def _events(received: Received, text: str, reason: str | None, usage: bool) -> list[Json | str]:
    halves = [text[: len(text) // 2], text[len(text) // 2 :]]
    whole = _shape(received, text, reason or "stop", None)
    if _wants_responses(received):
        deltas = [{"type": "response.output_text.delta", "delta": half} for half in halves]
        kind = {"completed": "response.completed"}.get(whole["status"], "response.incomplete")
        return [*deltas, {"type": kind, "response": whole}]
    chunks = [{"choices": [{"index": 0, "delta": {"content": half}}]} for half in halves]
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
    counted = {"choices": [], "usage": whole["usage"]}
    return [*chunks, last, *([counted] if usage else []), "[DONE]"]


def _wants_responses(received: Received) -> bool:
    return received.path.endswith("/responses")


def _shape(received: Received, text: str, reason: str, usage: Json | None) -> Json:
    if not _wants_responses(received):
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": reason}
        counted = usage or {"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": 1000}
        return {"id": "c", "object": "chat.completion", "choices": [choice], "usage": counted}
    details = {"length": "max_output_tokens"}.get(reason, reason)
    part = {"type": "output_text", "text": text, "annotations": []}
    return {
        "id": "r",
        "object": "response",
        "status": "completed" if reason == "stop" else "incomplete",
        "incomplete_details": None if reason == "stop" else {"reason": details},
        "output": [
            {"type": "reasoning", "summary": []},
            {"type": "message", "role": "assistant", "content": [part]},
        ],
        "usage": usage or {"input_tokens": 900, "output_tokens": 100},
    }


def _handler(owner: ModelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            size = int(self.headers.get("content-length", "0"))
            body = json.loads(self.rfile.read(size) or b"{}")
            headers = {name.lower(): value for name, value in self.headers.items()}
            sent = owner.answer(Received(path=self.path, headers=headers, body=body))
            if sent.hangs:
                self.connection.recv(1)
                self.close_connection = True
                return
            if sent.trickles:
                self._trickle(sent.trickles)
                return
            if sent.breaks is not None:
                self.close_connection = True
                if not sent.breaks:
                    return
            self.send_response(sent.status)
            for name, value in {"Content-Type": "application/json", **sent.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(sent.body) + (sent.breaks or 0)))
            self.end_headers()
            self.wfile.write(sent.body)

        def _trickle(self, part: str) -> None:
            self.close_connection = True
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            if part == "body":
                self.wfile.write(b"Content-Type: text/event-stream\r\n\r\n: wait\n")
            self.connection.settimeout(PACE_SECONDS)
            with suppress(OSError):
                while not self._is_left():
                    self.wfile.write(b"X-More: 1\r\n" if part == "headers" else b":\n")

        def _is_left(self) -> bool:
            try:
                return not self.connection.recv(1)
            except TimeoutError:
                return False

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    return Handler
