"""Asks one model behind an OpenAI-compatible server; the only module that holds the SDK."""

import random
import threading
from dataclasses import dataclass
from typing import Any

import openai

from flows.attempt import ProposalRequest, ProposerRefused, ProposerUnavailable
from flows.clock import Clock, SystemClock, stamp
from flows.errors import ConfigError
from flows.history.records import LlmCallRow
from flows.history.redact import MIN_SECRET_LENGTH, REDACTED, redact
from flows.proposers.asking import (
    Body,
    Lessons,
    advice_on,
    cut_short,
    first_body,
    request_sha256,
)
from flows.proposers.bodies import FINAL, ModelReply, Refusal, complaint, read_body, read_status
from flows.proposers.choices import ModelSettings, unusable
from flows.proposers.prices import PriceList, may_be_charged
from flows.proposers.waits import pause_seconds, requested_wait
from flows.wording import counted

MAX_REPLY_BYTES = 4_000_000
MAX_STORED_CHARS = 200_000
MOST_COMPLAINTS = 8
"""Requests that a server may refuse over their parameters before the attempt is given up."""

_REPEATABLE = ("rate_limited", "server_error", "timeout", "connection_error", "connection_lost")
_AFTER_SENDING = ("ReadError", "RemoteProtocolError")
"""How the transport fails once a server has the request, so that it may have worked on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """How one request ended; ``hopeless`` when this configuration will never be answered."""

    reply: ModelReply
    request_id: str | None = None
    wait_seconds: float | None = None
    hopeless: bool = False


class ModelClient:
    """Asks one model and records every request. Safe to call from several threads."""

    def __init__(
        self, settings: ModelSettings, key: str, prices: PriceList, clock: Clock | None = None
    ) -> None:
        problem = unusable(settings, key)
        if problem is not None:
            raise ConfigError(problem)
        self.settings = settings
        self._key = key
        self._prices = prices
        self._clock = clock or SystemClock()
        self._lessons = Lessons()
        self._lock = threading.Lock()
        self._client = openai.OpenAI(
            api_key=key,
            base_url=settings.base_url,
            timeout=settings.timeout_seconds,
            max_retries=0,
        )

    def __repr__(self) -> str:
        return f"ModelClient(model={self.settings.model!r}, server={self.settings.address!r})"

    def ask(self, request: ProposalRequest) -> ModelReply:
        """Ask until an answer stands; record every request as it ends."""
        if request.prompt is None:
            raise ValueError("the openai proposer needs a prompt, got None")
        rng = random.Random(f"{request.seed}/{request.iteration}/{request.slot}/wait")
        plain = first_body(self.settings, request.prompt)
        calls = list(request.recorded_calls)
        tries = complaints = 0
        self._keep_to_budget(request, calls)
        while True:
            with self._lock:
                body = self._lessons.apply(plain)
            answer = self._call(request, body, calls)
            outcome, said = answer.reply.outcome, answer.reply.problem or ""
            if outcome in FINAL:
                return answer.reply
            if answer.hopeless:
                raise ProposerRefused(f"{self.settings.address} will not answer: {said}")
            if outcome in _REPEATABLE:
                tries += 1
                if tries >= self.settings.tries:
                    raise self._unavailable(f"no reply after {tries} tries: {said}")
                self._keep_to_budget(request, calls)
                self._clock.wait(pause_seconds(rng, tries, answer.wait_seconds))
            else:
                complaints += 1
                if complaints > MOST_COMPLAINTS or not self._learn(body, said):
                    raise self._unavailable(f"{said}{advice_on(said)}")

    @property
    def _key_is_secret(self) -> bool:
        """Whether the key is long enough to be one, and no placeholder for a local server."""
        return len(self._key) >= MIN_SECRET_LENGTH

    def _keep_to_budget(self, request: ProposalRequest, calls: list[LlmCallRow]) -> None:
        """Refuse to ask again where that might cost more than is held for this proposal."""
        charged = [call for call in calls if may_be_charged(call)]
        if request.charges is not None and len(charged) >= max(1, request.charges):
            raise self._unavailable(
                f"{charged[-1].error}; not asked again: it may have been charged, and the budget "
                f"has room for {counted(request.charges, 'such request')} at the largest"
            )

    def _unavailable(self, said: str) -> ProposerUnavailable:
        return ProposerUnavailable(f"{self.settings.address}: {said}")

    def _learn(self, body: Body, said: str) -> bool:
        """Whether the next request will differ, by this complaint or by one of another thread."""
        with self._lock:
            return self._lessons.apply(body) != body or self._lessons.learn(body, said)

    def _call(self, request: ProposalRequest, body: Body, calls: list[LlmCallRow]) -> _Answer:
        """Make one request, record it, whatever came of it, and add it to the ``calls`` so far."""
        created, began = stamp(self._clock), self._clock.seconds()
        answer = self._send(body)
        reply, tokens = answer.reply, answer.reply.tokens
        url, model = self.settings.base_url, self.settings.model
        row = LlmCallRow(
            experiment_id=request.experiment_id,
            iteration=request.iteration,
            slot=request.slot,
            attempt=1 + max((call.attempt for call in calls), default=-1),
            request_sha256=request_sha256(self.settings.api, body),
            prompt_sha256=request.prompt.sha256 if request.prompt else "",
            provider=self.settings.address,
            model=model,
            api=self.settings.api,
            outcome=reply.outcome,
            error=reply.problem or cut_short(body, tokens.input),
            reply=reply.text,
            finish_reason=reply.finish_reason,
            request_id=answer.request_id,
            input_tokens=tokens.input,
            cached_tokens=tokens.cached,
            output_tokens=tokens.output,
            reasoning_tokens=tokens.reasoning,
            cost_usd=self._prices.cost_usd(model, url, tokens.input, tokens.cached, tokens.output),
            seconds=round(self._clock.seconds() - began, 3),
            created_at=created,
        )
        calls.append(row)
        request.record_call(row)
        return answer

    def _send(self, body: Body) -> _Answer:
        """Make one request; every failure becomes an answer with words of our own.

        An exception of the SDK may carry the request's headers, so none of them leaves this method.
        """
        client: Any = self._client
        resource = client.chat.completions if self.settings.api == "chat" else client.responses
        began = self._clock.seconds()  # not before the SDK has loaded what it needs for this
        answering = False
        try:
            with resource.with_streaming_response.create(**body) as response:
                answering = True
                data = self._read(response, began)
                reply = self._redacted(read_body(self.settings.api, data))
                return _Answer(reply=reply, request_id=response.headers.get("x-request-id"))
        except openai.APIStatusError as error:
            return self._refusal(error)
        except (openai.APITimeoutError, TimeoutError):
            return _failed("timeout", f"no reply within {self.settings.timeout_seconds:g} s")
        except _TooLongError:
            return _failed("bad_reply", f"the reply is longer than {MAX_REPLY_BYTES} bytes")
        except Exception as error:
            # The transport's own exceptions come through the SDK while a body is read.
            cause = type(error.__cause__ or error).__name__
            if "Timeout" in cause:
                return _failed("timeout", f"no reply within {self.settings.timeout_seconds:g} s")
            lost = answering or cause in _AFTER_SENDING
            outcome = "connection_lost" if lost else "connection_error"
            where = f": is a server running at {self.settings.address}? check --base-url"
            return _failed(outcome, f"the connection failed ({cause}){'' if lost else where}")

    def _read(self, response: Any, began: float) -> bytes:
        data = bytearray()
        for chunk in response.iter_bytes():
            data += chunk
            if len(data) > MAX_REPLY_BYTES:
                raise _TooLongError
            if self._clock.seconds() - began > self.settings.timeout_seconds:
                raise TimeoutError
        return bytes(data)

    def _refusal(self, error: openai.APIStatusError) -> _Answer:
        refusal: Refusal = read_status(error.status_code, error.body)
        said = redact(complaint(error.body), (self._key,))
        text = f"HTTP {error.status_code}: {said}{refusal.advice}"
        return _Answer(
            reply=ModelReply(outcome=refusal.outcome, problem=text),
            request_id=error.request_id,
            wait_seconds=requested_wait(error.response.headers, self._clock.now()),
            hopeless=refusal.hopeless,
        )

    def _redacted(self, reply: ModelReply) -> ModelReply:
        text = reply.text[:MAX_STORED_CHARS] if reply.text else None
        return ModelReply(
            outcome=reply.outcome,
            text=text.replace(self._key, REDACTED) if text and self._key_is_secret else text,
            problem=redact(reply.problem, (self._key,)) if reply.problem else None,
            finish_reason=reply.finish_reason,
            tokens=reply.tokens,
        )


class _TooLongError(Exception):
    """More bytes than a reply may have."""


def _failed(outcome: str, problem: str) -> _Answer:
    return _Answer(reply=ModelReply(outcome=outcome, problem=problem))
