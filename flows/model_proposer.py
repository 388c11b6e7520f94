"""Asks a model behind an OpenAI-compatible server for the next policy."""

import random
import threading
from dataclasses import dataclass
from typing import Any

import openai

from flows.clock import Clock, SystemClock, stamp
from flows.config_sections import ProposerConfig
from flows.errors import ConfigError
from flows.model_bodies import ModelReply, Refusal, complaint, read_body, read_status
from flows.model_requests import (
    OPENAI_URL,
    Body,
    Lessons,
    address_of,
    api_of,
    first_body,
    request_sha256,
    unusable,
)
from flows.model_waits import pause_seconds, requested_wait
from flows.prices import cost_usd
from flows.proposing import Proposal, ProposalRequest, ProposerRefused, ProposerUnavailable
from flows.records import LlmCallRow
from flows.redact import MIN_SECRET_LENGTH, REDACTED, redact
from flows.replies import extract_source, title_of

MAX_REPLY_BYTES = 4_000_000
MAX_STORED_CHARS = 200_000
MOST_COMPLAINTS = 8
"""Requests that a server may refuse over their parameters before the attempt is given up."""

FINAL = ("ok", "bad_reply", "refused", "truncated")
"""Outcomes of a call that was answered: the answer stands, good or bad, and is not asked again."""

_REPEATABLE = ("rate_limited", "server_error", "timeout", "connection_error")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """How one request ended; ``hopeless`` when this configuration will never be answered."""

    reply: ModelReply
    request_id: str | None = None
    wait_seconds: float | None = None
    hopeless: bool = False


class OpenAiProposer:
    """Proposes what a model answers. Safe to call from several threads."""

    name = "openai"
    uses_prompt = True

    def __init__(self, settings: ProposerConfig, api_key: str, clock: Clock | None = None) -> None:
        problem = unusable(settings, api_key)
        if problem is not None:
            raise ConfigError(problem)
        self.settings = settings
        self.model: str | None = settings.model
        self._key = api_key
        self._clock = clock or SystemClock()
        self._api = api_of(settings)
        self._lessons = Lessons()
        self._lock = threading.Lock()
        self._client = openai.OpenAI(
            api_key=api_key,
            base_url=settings.base_url or OPENAI_URL,
            timeout=settings.timeout_seconds,
            max_retries=0,
        )

    def __repr__(self) -> str:
        return f"OpenAiProposer(model={self.model!r}, server={address_of(self.settings)!r})"

    def propose(self, request: ProposalRequest) -> Proposal:
        """Return the policy in the model's reply, or the reason why the reply holds none."""
        recorded = next((call for call in request.recorded_calls if call.outcome in FINAL), None)
        reply = _recorded_reply(recorded) if recorded is not None else self._ask(request)
        source, problem = None, reply.problem
        if reply.outcome == "ok":
            found = extract_source(reply.text or "")
            source, problem = found.source, found.problem
        parent = request.best.candidate if request.best is not None else None
        return Proposal(
            source=source,
            title=(title_of(source) if source else "") or f"reply of {self.model}",
            origin="model",
            operator="refine" if parent else "sample",
            parents=(parent,) if parent else (),
            problem=problem,
        )

    def _ask(self, request: ProposalRequest) -> ModelReply:
        """Ask until an answer stands; record every request as it ends."""
        if request.prompt is None:
            raise ValueError("the openai proposer needs a prompt, got None")
        rng = random.Random(f"{request.seed}/{request.iteration}/{request.slot}/wait")
        plain = first_body(self.settings, request.prompt)
        number = 1 + max((call.attempt for call in request.recorded_calls), default=-1)
        tries = complaints = 0
        while True:
            with self._lock:
                body = self._lessons.apply(plain)
            answer = self._call(request, body, number)
            outcome, said = answer.reply.outcome, answer.reply.problem or ""
            number += 1
            if outcome in FINAL:
                return answer.reply
            if answer.hopeless:
                raise ProposerRefused(f"{address_of(self.settings)} will not answer: {said}")
            if outcome in _REPEATABLE:
                tries += 1
                if tries >= self.settings.tries:
                    raise self._unavailable(f"no reply after {tries} tries: {said}")
                self._clock.wait(pause_seconds(rng, tries, answer.wait_seconds))
            else:
                complaints += 1
                if complaints > MOST_COMPLAINTS or not self._learn(body, said):
                    raise self._unavailable(said)

    @property
    def _key_is_secret(self) -> bool:
        """Whether the key is long enough to be one, and no placeholder for a local server."""
        return len(self._key) >= MIN_SECRET_LENGTH

    def _unavailable(self, said: str) -> ProposerUnavailable:
        return ProposerUnavailable(f"{address_of(self.settings)}: {said}")

    def _learn(self, body: Body, said: str) -> bool:
        """Whether the next request will differ, by this complaint or by one of another thread."""
        with self._lock:
            return self._lessons.apply(body) != body or self._lessons.learn(body, said)

    def _call(self, request: ProposalRequest, body: Body, number: int) -> _Answer:
        """Make one request and record it, whatever came of it."""
        created, began = stamp(self._clock), self._clock.seconds()
        answer = self._send(body)
        reply, tokens = answer.reply, answer.reply.tokens
        url, model = self.settings.base_url or OPENAI_URL, self.model or ""
        row = LlmCallRow(
            experiment_id=request.experiment_id,
            iteration=request.iteration,
            slot=request.slot,
            attempt=number,
            request_sha256=request_sha256(self._api, body),
            prompt_sha256=request.prompt.sha256 if request.prompt else "",
            provider=address_of(self.settings),
            model=model,
            api=self._api,
            outcome=reply.outcome,
            error=reply.problem,
            reply=reply.text,
            finish_reason=reply.finish_reason,
            request_id=answer.request_id,
            input_tokens=tokens.input,
            cached_tokens=tokens.cached,
            output_tokens=tokens.output,
            reasoning_tokens=tokens.reasoning,
            cost_usd=cost_usd(model, url, tokens.input, tokens.cached, tokens.output),
            seconds=round(self._clock.seconds() - began, 3),
            created_at=created,
        )
        request.record_call(row)
        return answer

    def _send(self, body: Body) -> _Answer:
        """Make one request; every failure becomes an answer with words of our own.

        An exception of the SDK may carry the request's headers, so none of them leaves this method.
        """
        began = self._clock.seconds()
        client: Any = self._client
        resource = client.chat.completions if self._api == "chat" else client.responses
        try:
            with resource.with_streaming_response.create(**body) as response:
                data = self._read(response, began)
                reply = self._redacted(read_body(self._api, data))
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
            return _failed("connection_error", f"the connection failed ({cause})")

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


def _recorded_reply(call: LlmCallRow) -> ModelReply:
    return ModelReply(outcome=call.outcome, text=call.reply, problem=call.error)
