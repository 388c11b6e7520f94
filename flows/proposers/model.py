"""Proposes what models answer: by weight, one of those that the configuration names.

The only module that holds the SDK: a client asks one model behind an OpenAI-compatible server.
"""

import json
import os
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import openai

from flows.attempt import Prompt, Proposal, ProposalRequest, ProposerRefused, ProposerUnavailable
from flows.clock import Clock, SystemClock, stamp
from flows.errors import ConfigError
from flows.history.records import LlmCallRow
from flows.history.redact import MIN_SECRET_LENGTH, REDACTED, redact
from flows.proposers.answers import ModelReply, proposal_of, read_body, reply_in
from flows.proposers.asking import (
    STREAMED,
    Body,
    Lessons,
    Room,
    cut_short,
    first_body,
    request_sha256,
)
from flows.proposers.choices import (
    Api,
    ModelSettings,
    key_for,
    model_settings,
    unusable,
    whose_turn,
)
from flows.proposers.connection import (
    MAX_REPLY_BYTES,
    TRANSPORT_ERRORS,
    TooLong,
    explain,
    http_client,
    timeouts,
)
from flows.proposers.prices import PriceList, may_be_charged, price_list
from flows.proposers.refusals import FINAL, Then, complaint, is_too_long, read_error
from flows.proposers.replies import MAX_REPLY_CHARS
from flows.settings.sections import ProposerConfig
from flows.untrusted import counted


class OpenAiProposer:
    """Proposes what a model answers. Safe to call from several threads."""

    name = "openai"
    uses_prompt = True

    def __init__(
        self,
        config: ProposerConfig,
        keys: Mapping[str, str],
        clock: Clock | None = None,
        prices: PriceList | None = None,
    ) -> None:
        settings = model_settings(config)
        listed = prices or price_list(config.prices)
        self._settings = settings
        self._clients = tuple(
            ModelClient(each, key_for(each, keys), listed, clock) for each in settings
        )
        self.model: str | None = ", ".join(each.model for each in settings)

    def __repr__(self) -> str:
        return f"OpenAiProposer({', '.join(map(repr, self._clients))})"

    def propose(self, request: ProposalRequest) -> Proposal:
        """Return the policy in a model's reply, or the reason why the reply holds none."""
        recorded = next((call for call in request.recorded_calls if call.outcome in FINAL), None)
        if recorded is not None:
            return proposal_of(request, reply_in(recorded), recorded.model)
        turn = whose_turn(self._settings, request.seed, request.iteration, request.slot)
        reply, prompt = self._clients[turn].ask(request)
        proposal = proposal_of(request, reply, self._settings[turn].model)
        return proposal if prompt is request.prompt else replace(proposal, prompt=prompt)


MOST_COMPLAINTS = 8
"""Requests that a server may refuse over their parameters before the attempt is given up."""
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
"""Between requests where the server does not say how long to wait."""
WORTH_A_NOTICE_SECONDS = 3.0
FAILED_STREAMS = 2
"""Proposals that only a whole reply answered, after which no streams are asked for any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """How one request ended, and the server's own words where it complained."""

    reply: ModelReply
    said: str = ""
    request_id: str | None = None


@dataclass(slots=True, kw_only=True)
class _Talk:
    """What was said so far for one proposal."""

    request: ProposalRequest
    prompt: Prompt
    calls: list[LlmCallRow]
    rng: random.Random
    began: float
    tries: int = 0
    waits: int = 0
    complaints: int = 0
    whole: bool = False
    """Whether the next reply is asked for as a whole, since streams failed."""


@dataclass(slots=True)
class _Gate:
    """When a server may be asked again; one for all slots."""

    opens_at: float = 0.0
    limited_since: float | None = None
    """When the server first asked to wait, without an answer since."""
    lock: threading.Lock = field(default_factory=threading.Lock)


class ModelClient:
    """Asks one model and records every request. Safe to call from several threads."""

    def __init__(
        self,
        settings: ModelSettings,
        key: str,
        prices: PriceList,
        clock: Clock | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        problem = unusable(settings, key)
        if problem is not None:
            raise ConfigError(problem)
        self.settings = settings
        self._key = key
        self._prices = prices
        self._clock = clock or SystemClock()
        self._environment = environment
        self._lessons = Lessons()
        self._room = Room()
        self._api: Api = settings.api
        self._answered = self._streamed = False
        self._only_whole = 0
        self._lock = threading.Lock()
        self._gate = _Gate()
        own = {settings.key_header: key} if settings.key_header else {}
        self._without = {"Authorization": openai.Omit()} if settings.key_header else {}
        self._client = openai.OpenAI(
            api_key=key,
            base_url=settings.base_url,
            timeout=timeouts(settings.timeout_seconds),
            max_retries=0,
            default_headers={**settings.headers, **own},
            default_query=dict(settings.query),
            http_client=http_client(settings.base_url, settings.timeout_seconds, environment),
        )

    def __repr__(self) -> str:
        return f"ModelClient(model={self.settings.model!r}, server={self.settings.address!r})"

    def ask(self, request: ProposalRequest) -> tuple[ModelReply, Prompt]:
        """Ask until an answer stands; return it with the prompt that it answers.

        Every request is recorded as it ends. What is no answer of the model is asked for again
        as far as tries, time and budget allow, and then loses the attempt.
        """
        if request.prompt is None:
            raise ValueError("the openai proposer needs a prompt, got None")
        talk = _Talk(
            request=request,
            prompt=request.prompt,
            calls=list(request.recorded_calls),
            rng=random.Random(f"{request.seed}/{request.iteration}/{request.slot}/wait"),
            began=self._clock.seconds(),
        )
        with self._lock:
            self._room.begin()
        self._keep_to_budget(talk)
        while True:
            self._wait_for_the_gate(talk)
            body = self._next_body(talk)
            answer = self._call(talk, body)
            reply, problem = answer.reply, answer.reply.problem or ""
            match reply.then:
                case "take":
                    self._note_success(talk, body)
                    return reply, talk.prompt
                case "stop":
                    raise ProposerRefused(
                        f"model {self.settings.model} at {self.settings.address}: {problem}"
                    )
                case "lose":
                    raise self._unavailable(problem)
                case "chat" if self.settings.tries_chat and self._api == "responses":
                    self._api = "chat"
                case "chat":
                    raise ProposerRefused(f"{self.settings.address}: {problem}")
                case "change":
                    self._change(talk, body, answer)
                case "wait":
                    self._keep_to_budget(talk)
                    self._close_the_gate(talk, answer)
                case "again":
                    self._pause(talk, answer)

    @property
    def _key_is_secret(self) -> bool:
        """Whether the key is long enough to be one, and no placeholder for a local server."""
        return len(self._key) >= MIN_SECRET_LENGTH

    def _note_success(self, talk: _Talk, body: Body) -> None:
        """Remember how the server answered: one that fails at streams is not asked for more."""
        with self._lock:
            self._answered, self._gate.limited_since = True, None
            self._streamed = self._streamed or "stream" in body
            self._only_whole += talk.whole
            if self._only_whole >= FAILED_STREAMS and not self._streamed:
                self._lessons.ask_whole(body)

    def _unavailable(self, said: str) -> ProposerUnavailable:
        return ProposerUnavailable(f"{self.settings.address}: {said}")

    def _keep_to_budget(self, talk: _Talk) -> None:
        """Refuse to ask again where that might cost more than is held for this proposal."""
        charged = [call for call in talk.calls if may_be_charged(call)]
        most = talk.request.charges
        if most is not None and len(charged) >= max(1, most):
            raise self._unavailable(
                f"{charged[-1].error}; not asked again: it may have been charged, and the budget "
                f"has room for {counted(most, 'such request')} at the largest"
            )

    # Waiting.

    def _pause(self, talk: _Talk, answer: _Answer) -> None:
        """Wait before a failed request is retried; lose the attempt after ``settings.tries``."""
        talk.tries += 1
        if talk.tries >= self.settings.tries:
            tries = counted(talk.tries, "try", "tries")
            raise self._unavailable(f"no reply after {tries}: {answer.reply.problem}")
        self._keep_to_budget(talk)
        talk.whole = not talk.whole
        asked = min(answer.reply.wait_seconds or 0.0, LONGEST_PAUSE_SECONDS)
        self._clock.wait(max(_doubled(talk.rng, talk.tries), asked))

    def _close_the_gate(self, talk: _Talk, answer: _Answer) -> None:
        """Let no slot ask before the server wants to be asked again."""
        talk.waits += 1
        now = self._clock.seconds()
        asked = answer.reply.wait_seconds or 0.0
        seconds = asked if asked >= FIRST_PAUSE_SECONDS else _doubled(talk.rng, talk.waits)
        with self._gate.lock:
            if self._gate.limited_since is None:
                self._gate.limited_since = now
            self._gate.opens_at = max(self._gate.opens_at, now + seconds)
        self._refuse_long_waits(talk, answer.reply.problem or "")
        if seconds >= WORTH_A_NOTICE_SECONDS:
            talk.request.notice(
                f"waiting {seconds:.0f} s for {self.settings.address}: {answer.said}"
            )

    def _wait_for_the_gate(self, talk: _Talk) -> None:
        while (seconds := self._gate.opens_at - self._clock.seconds()) > 0:
            self._refuse_long_waits(talk, "the server asked to wait")
            self._clock.wait(seconds)

    def _refuse_long_waits(self, talk: _Talk, problem: str) -> None:
        """Lose the attempt where the wait takes longer than the search has time for."""
        now, left = self._clock.seconds(), talk.request.seconds_left
        if left is not None:
            ends_at, whose = talk.began + left, "the search has time for"
        else:
            since = now if self._gate.limited_since is None else self._gate.limited_since
            ends_at, whose = since + self.settings.wait_seconds, "proposer.wait_seconds allows"
        if self._gate.opens_at >= ends_at:
            wait = max(0.0, self._gate.opens_at - now)
            raise self._unavailable(
                f"{problem}; another wait of {wait:.0f} s is longer than {whose}: "
                f"{max(0.0, ends_at - now):.0f} s are left"
            )

    # Requests.

    def _next_body(self, talk: _Talk) -> Body:
        """Return the request to send, its prompt and its reply as long as the server has room."""
        wanted = self.settings.max_output_tokens
        with self._lock:
            most = self._room.prompt_tokens(talk.prompt, wanted)
        if most is not None:
            shorter = talk.request.shorter(most)
            if shorter is not None and _size(shorter) < _size(talk.prompt):
                talk.prompt = shorter
        with self._lock:
            reply_tokens = self._room.reply_tokens(talk.prompt, wanted)
            first = first_body(self.settings, self._api, talk.prompt, reply_tokens)
            body = self._lessons.apply(first)
        streamed = STREAMED if talk.whole else ()
        return {name: value for name, value in body.items() if name not in streamed}

    def _change(self, talk: _Talk, body: Body, answer: _Answer) -> None:
        """Learn from a complaint; lose the attempt where the next request would be the same."""
        talk.complaints += 1
        said = answer.said
        with self._lock:
            learned = self._room.learn(talk.prompt, body, said)
            if not learned and not is_too_long(said):
                learned = self._lessons.apply(body) != body or self._lessons.learn(body, said)
        too_many = talk.complaints > MOST_COMPLAINTS
        if too_many or not learned or self._next_body(talk) == body:
            raise self._unavailable(f"{answer.reply.problem}{_advice(said, talk.prompt)}")

    def _call(self, talk: _Talk, body: Body) -> _Answer:
        """Make one request, record it, whatever came of it, and add it to the calls so far."""
        created, began = stamp(self._clock), self._clock.seconds()
        answer = self._send(body)
        reply, tokens = answer.reply, answer.reply.tokens
        url, model = self.settings.base_url, self.settings.model
        request = talk.request
        row = LlmCallRow(
            experiment_id=request.experiment_id,
            iteration=request.iteration,
            slot=request.slot,
            attempt=1 + max((call.attempt for call in talk.calls), default=-1),
            request_sha256=request_sha256(self._api, body),
            prompt_sha256=talk.prompt.sha256,
            provider=self.settings.address,
            model=model,
            api=self._api,
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
        talk.calls.append(row)
        request.record_call(row)
        return answer

    def _send(self, body: Body) -> _Answer:
        """Make one request; every failure becomes an answer with our own message.

        An exception of the SDK may carry the request's headers, so none of them leaves this method.
        """
        client: Any = self._client
        resource, text = client.responses, "input"
        if self._api == "chat":
            resource, text = client.chat.completions, "messages"
        named = {"model": body.get("model"), text: body.get(text)}
        more = {name: value for name, value in body.items() if name not in named}
        ask = resource.with_streaming_response.create
        answering = False
        try:
            with ask(**named, extra_body=more, extra_headers=self._without) as response:
                answering = True
                data = b"".join(response.iter_bytes())
                reply = read_body(data, self._clock.now(), _limit(body))
                number = response.headers.get("x-request-id")
                answer = _Answer(reply=reply, said=reply.problem or "", request_id=number)
                return self._redacted(answer)
        except openai.APIStatusError as error:
            return self._redacted(self._refusal(error))
        except TooLong:
            problem = f"the reply is longer than {MAX_REPLY_BYTES} bytes"
            return _Answer(reply=ModelReply(outcome="bad_reply", problem=problem, then="lose"))
        except Exception as error:
            if not isinstance(error, (openai.APIConnectionError, *TRANSPORT_ERRORS)):
                said = redact(f"{type(error).__name__}: {error}", (self._key,))
                raise RuntimeError(f"the request could not be made: {said}") from None
            return self._redacted(self._failure(error, answering))

    def _failure(self, error: Exception, answering: bool) -> _Answer:
        """Return why nothing, or only a part of an answer, arrived."""
        url, seconds = self.settings.base_url, self.settings.timeout_seconds
        failure = explain(error, url, seconds, self._environment)
        outcome = failure.outcome
        if answering and outcome == "connection_error":
            outcome = "connection_lost"
        lasting = failure.lasting and not self._answered
        then: Then = "stop" if lasting else "again"
        return _Answer(reply=ModelReply(outcome=outcome, problem=failure.problem, then=then))

    def _refusal(self, error: openai.APIStatusError) -> _Answer:
        headers, now = error.response.headers, self._clock.now()
        body = _decoded(error.response.text)
        found = read_error(error.status_code, body, headers, now, self._api)
        said = complaint(body)
        target = headers.get("location", "")[:200]
        moved = f" to {target}" if 300 <= error.status_code < 400 and target else ""
        return _Answer(
            reply=ModelReply(
                outcome=found.outcome,
                problem=f"HTTP {error.status_code}{moved}: {said}{found.advice}",
                then=found.then,
                wait_seconds=found.wait_seconds,
            ),
            said=said,
            request_id=error.request_id,
        )

    def _redacted(self, answer: _Answer) -> _Answer:
        reply = answer.reply
        text = reply.text[:MAX_REPLY_CHARS] if reply.text else None
        if text and self._key_is_secret:
            text = text.replace(self._key, REDACTED)
        problem = redact(reply.problem, (self._key,)) if reply.problem else None
        said = redact(answer.said, (self._key,))
        return replace(answer, reply=replace(reply, text=text, problem=problem), said=said)


def _decoded(text: str) -> object:
    """Return the body of an error: what its JSON or its first event says, or its beginning."""
    try:
        return json.loads(text.removeprefix("data:").partition("\n\n")[0])
    except (ValueError, RecursionError):
        return text[:10_000]


def _doubled(rng: random.Random, tries: int) -> float:
    """Return the seconds to wait before the next try: exponential backoff with jitter."""
    doubled = FIRST_PAUSE_SECONDS * float(2 ** min(tries - 1, 16))
    return min(doubled, LONGEST_PAUSE_SECONDS) * (0.5 + rng.random() / 2)


def _advice(said: str, prompt: Prompt) -> str:
    """Return what a user can do about a complaint that no change of the request can answer."""
    if not is_too_long(said):
        return ""
    return (
        f" (the prompt of {_size(prompt)} characters and its reply do not fit: give the server a "
        "larger context, or lower feedback.prompt_tokens and proposer.max_output_tokens)"
    )


def _size(prompt: Prompt) -> int:
    return len(prompt.system) + len(prompt.user)


def _limit(body: Mapping[str, Any]) -> int | None:
    """Return the bound on output tokens in a request."""
    limits = ("max_tokens", "max_completion_tokens", "max_output_tokens")
    return next((body[name] for name in limits if isinstance(body.get(name), int)), None)
