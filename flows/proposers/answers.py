"""Reads what OpenAI-compatible servers answer with: whole or as a stream, however it is shaped."""

import ast
import codecs
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from flows.attempt import Move, Proposal, ProposalRequest
from flows.history.records import LlmCallRow
from flows.proposers.refusals import ADDRESS_ADVICE, FILTER_ADVICE, Then, complaint, read_error
from flows.proposers.replies import (
    USUAL,
    Registers,
    complete_policy,
    extract_source,
    only_thoughts,
)
from sandbox.source import parse

MOST_THOUGHT = 0.5
"""A reply that is cut off though less than this part of it was text: thoughts took the rest."""

_LENGTH = {
    *("length", "max_tokens", "max_output_tokens", "model_length", "token_limit"),
    *("model_context_window_exceeded", "incomplete"),
}
_FILTERED = {
    *("content_filter", "content_filtered", "safety", "recitation", "prohibited_content"),
    *("blocklist", "sensitive", "spii", "guardrail_intervened"),
}
_FAILED = {
    *("error", "abort", "aborted", "cancelled", "canceled", "failed", "network_error"),
    *("insufficient_system_resource", "timeout", "engine_error", "finish_reason_unspecified"),
}
_IN_ANSWER = {"server_error": "failed", "timeout": "failed", "bad_request": "bad_reply"}
"""What an error is called that comes inside of an answer: the server may have charged for it."""
_UNDONE = {"queued", "in_progress"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_TITLE_CHARS = 90
_LAST_EVENTS = ("response.completed", "response.incomplete", "response.failed", "response.done")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What the server says it counted; None where it says nothing."""

    input: int | None = None
    cached: int | None = None
    output: int | None = None
    reasoning: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReply:
    """One request that ended; ``problem`` says what is wrong where ``outcome`` is not ok."""

    outcome: str
    text: str | None = None
    problem: str | None = None
    finish_reason: str | None = None
    tokens: Tokens = Tokens()
    then: Then = "take"
    """What follows; an answer of the model is taken, whatever it is worth."""
    wait_seconds: float | None = None


def read_body(data: bytes, now: datetime, limit: int | None = None) -> ModelReply:
    """Return the reply in a body that came with a status of 200.

    ``limit`` is the bound on output tokens that was asked for. What is no answer of a model is
    never taken for one: it is asked for again, or lost.
    """
    data = data.removeprefix(codecs.BOM_UTF8).lstrip()
    head = data[:1]
    if not head:
        return _unusable("the server's reply is empty")
    if head == b"<":
        said = complaint(data[:5000].decode("utf-8", "replace"))
        problem = f"the server answered with {said}, not as an API{ADDRESS_ADVICE}"
        return ModelReply(outcome="no_api", problem=problem, then="lose")
    body = _joined_events(data) if head not in b"{[" else _decoded(data)
    if not isinstance(body, dict | list) or not body:
        return _unusable(f"the server's reply is not JSON: {_head(data)}")
    fields = _dict(body)
    error = fields.get("error") if fields else body
    if error and not fields.get("choices") and not fields.get("output"):
        return _error_in_body(body, now)
    if "choices" in fields:
        return _read_chat(fields, now, limit)
    if isinstance(fields.get("output"), list):
        return _read_responses(fields, now, limit)
    return _unusable(f"the server's reply is no chat completion and no response: {_head(data)}")


def _read_chat(body: Mapping[str, Any], now: datetime, limit: int | None) -> ModelReply:
    tokens = _chat_tokens(_dict(body.get("usage")))
    choice = next(iter(_list(body.get("choices"))), None)
    message = _dict(choice).get("message")
    if not isinstance(message, dict):
        text = _dict(choice).get("text")  # a completion of the old kind
        if not isinstance(text, str):
            return replace(_unusable("the server's reply has no choices"), tokens=tokens)
        message = {"content": text}
    reason = _word(_dict(choice).get("finish_reason"))
    error = _dict(choice).get("error") or body.get("error")
    if error or (reason or "").lower() in _FAILED:
        return _gave_up(error, reason, tokens, now)
    text = _text(message.get("content"), "text")
    thoughts = _text(message.get("reasoning_content") or message.get("reasoning"), "text")
    calls = _calls(message)
    refusal = _text(message.get("refusal"), "refusal")
    return _judge(text, refusal, reason, tokens, limit, thoughts=thoughts, calls=calls)


def _read_responses(body: Mapping[str, Any], now: datetime, limit: int | None) -> ModelReply:
    tokens = _responses_tokens(_dict(body.get("usage")))
    output, status = _list(body.get("output")), _word(body.get("status"))
    reason = _word(_dict(body.get("incomplete_details")).get("reason")) or status
    if body.get("error") or reason in _FAILED:
        return _gave_up(body.get("error"), reason, tokens, now)
    if status in _UNDONE:
        return replace(_unusable(f"the server's reply is not done: it is {status}"), tokens=tokens)
    if not output and reason not in _LENGTH | _FILTERED:
        return replace(_unusable("the server's reply has no output"), tokens=tokens)
    parts = [
        part
        for item in output
        if _dict(item).get("type") == "message"
        for part in _list(_dict(item).get("content"))
    ]
    text = _text([part for part in parts if _dict(part).get("type") == "output_text"], "text")
    refusal = _text([part for part in parts if _dict(part).get("type") == "refusal"], "refusal")
    return _judge(text, refusal, reason, tokens, limit)


def _judge(
    text: str,
    refusal: str,
    reason: str | None,
    tokens: Tokens,
    limit: int | None,
    thoughts: str = "",
    calls: str = "",
) -> ModelReply:
    """Return what an answer is worth; a complete policy is taken whatever ended the reply."""
    word = (reason or "").lower()
    reply = ModelReply(outcome="ok", text=text, finish_reason=reason, tokens=tokens)
    if text.strip() and complete_policy(text) is not None:
        return replace(reply, outcome="truncated" if word in _LENGTH else "ok")
    if word in _FILTERED:
        problem = f"the reply ended early ({reason}){FILTER_ADVICE}"
        return replace(reply, outcome="filtered", problem=problem, then="again")
    if word in _LENGTH:
        return _cut_off(reply, limit)
    if refusal and not text.strip():
        problem = f"the model refused: {' '.join(refusal[:2000].split())[:300]}"
        return replace(reply, outcome="refused", text=refusal, problem=problem)
    if text.strip():
        return reply
    for elsewhere, bare in ((calls, True), (thoughts, False)):
        if complete_policy(elsewhere, bare=bare) is not None:
            return replace(reply, text=elsewhere)
    problem = f"the reply is empty (finish reason: {reason})"
    if calls:
        problem = "the reply calls a tool, and there is none: answer in text"
    return replace(reply, outcome="empty", text=calls or text, problem=problem)


def _cut_off(reply: ModelReply, limit: int | None) -> ModelReply:
    """Return a reply that ended at a limit: the model's failure, or that of the settings."""
    output, reasoning = reply.tokens.output, reply.tokens.reasoning
    mostly = bool(output and reasoning and reasoning >= MOST_THOUGHT * output)
    bound = f"the limit of {limit} output tokens" if limit else "the limit of output tokens"
    if mostly or only_thoughts(reply.text or ""):
        spent = f" ({reasoning} of them thoughts)" if mostly else ""
        problem = (
            f"the reply was cut off at {bound}{spent} before the policy was written: raise "
            "proposer.max_output_tokens or lower proposer.reasoning_effort"
        )
        if limit and output is not None and output < limit // 2:
            problem += f"; only {output} were written, so the server's context may be too small"
        return replace(reply, outcome="thinking", problem=problem, then="lose")
    problem = f"the reply was cut off at {bound}: write a shorter policy"
    return replace(reply, outcome="truncated", problem=problem)


def _gave_up(error: object, reason: str | None, tokens: Tokens, now: datetime) -> ModelReply:
    """Return a reply that its server broke off: whatever it holds, the model did not end it."""
    why = f": {complaint(error)}" if error else f" (finish reason: {reason})"
    problem = f"the server broke the reply off{why}"
    if not error:
        return ModelReply(
            outcome="failed", problem=problem, finish_reason=reason, tokens=tokens, then="again"
        )
    found = read_error(500, {"error": error}, {}, now)
    then: Then = found.then if found.then in ("wait", "stop", "lose") else "again"
    return ModelReply(
        outcome=_IN_ANSWER.get(found.outcome, found.outcome),
        problem=f"{problem}{found.advice}",
        finish_reason=reason,
        tokens=tokens,
        then=then,
        wait_seconds=found.wait_seconds,
    )


def _error_in_body(body: object, now: datetime) -> ModelReply:
    found = read_error(200, body, {}, now)
    return ModelReply(
        outcome=_IN_ANSWER.get(found.outcome, found.outcome),
        problem=f"the server reported an error: {complaint(body)}{found.advice}",
        then="again" if found.then in ("chat", "change") else found.then,
        wait_seconds=found.wait_seconds,
    )


def _unusable(problem: str) -> ModelReply:
    return ModelReply(outcome="bad_reply", problem=problem, then="again")


# Streams.


def _joined_events(data: bytes) -> dict[str, Any] | None:
    """Return a stream of events as the body that would have come at once; None if it is none.

    A stream that ends without saying so was cut: it is returned as an error.
    """
    parts: dict[str, list[str]] = {"content": [], "reasoning_content": [], "refusal": []}
    calls: list[str] = []
    body: dict[str, Any] = {}
    reason, done, events, choices = None, False, 0, 0
    for event in _events(data):
        if event == "[DONE]":
            done = True
            break
        fields = _dict(_decoded(event.encode("utf-8", "replace")))
        events += bool(fields)
        response = _dict(fields.get("response"))
        if fields.get("type") in _LAST_EVENTS and response:
            return {"output": [], **response}
        if fields.get("error") or fields.get("type") == "error":
            return {"error": fields.get("error") or fields}
        choice = _dict(next(iter(_list(fields.get("choices"))), None))
        choices += bool(choice)
        delta = _dict(choice.get("delta")) or _dict(choice.get("message"))
        parts["content"].append(
            _text(delta.get("content"), "text") or _text(choice.get("text"), "")
        )
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        parts["reasoning_content"].append(_text(thought, "text"))
        parts["refusal"].append(_text(delta.get("refusal"), "refusal"))
        calls += [_argument(call) for call in _list(delta.get("tool_calls"))]
        reason = _word(choice.get("finish_reason")) or reason
        if choice.get("error"):
            body["error"] = choice["error"]
        body["usage"] = fields.get("usage") or body.get("usage")
    if not choices and (done or not events):
        return {"choices": []} if done else None
    if not done and reason is None:
        return {"error": {"message": "the stream ended before the reply did", "code": "502"}}
    message: dict[str, Any] = {name: "".join(texts) for name, texts in parts.items()}
    message["tool_calls"] = [{"function": {"arguments": "".join(calls)}}] if any(calls) else []
    return {**body, "choices": [{"message": message, "finish_reason": reason}]}


def _events(data: bytes) -> Iterator[str]:
    """Yield the data of each event of a stream."""
    lines: list[str] = []
    for line in re.split(r"\r\n|\n|\r", data.decode("utf-8", "replace")):
        text = line[5:].strip() if line.startswith("data:") else ""
        if text and not lines and (text == "[DONE]" or text[0] + text[-1] == "{}"):
            yield text  # some servers leave out the blank line after it
        elif text:
            lines.append(text)
        elif not line and lines:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)


# Fields of any shape.


def _calls(message: Mapping[str, Any]) -> str:
    """Return what the model passes to tools, which may be the policy."""
    every = [*_list(message.get("tool_calls")), {"function": message.get("function_call")}]
    texts = []
    for call in every:
        arguments = _argument(call)
        decoded = _dict(_decoded(arguments.encode("utf-8", "replace")))
        texts += [each for each in decoded.values() if isinstance(each, str)] or [arguments]
    return "\n".join(text for text in texts if text)


def _argument(call: object) -> str:
    return _text(_dict(_dict(call).get("function")).get("arguments"), "")


def _chat_tokens(usage: Mapping[str, Any]) -> Tokens:
    return Tokens(
        input=_count(usage.get("prompt_tokens")),
        cached=_count(_dict(usage.get("prompt_tokens_details")).get("cached_tokens")),
        output=_count(usage.get("completion_tokens")),
        reasoning=_count(_dict(usage.get("completion_tokens_details")).get("reasoning_tokens")),
    )


def _responses_tokens(usage: Mapping[str, Any]) -> Tokens:
    return Tokens(
        input=_count(usage.get("input_tokens")),
        cached=_count(_dict(usage.get("input_tokens_details")).get("cached_tokens")),
        output=_count(usage.get("output_tokens")),
        reasoning=_count(_dict(usage.get("output_tokens_details")).get("reasoning_tokens")),
    )


def _decoded(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _text(content: object, field: str) -> str:
    """Return a text that may come whole or in parts."""
    if isinstance(content, str):
        return content
    parts = [part if isinstance(part, str) else _dict(part).get(field) for part in _list(content)]
    return "".join(part for part in parts if isinstance(part, str))


def _head(data: bytes) -> str:
    return repr(data[:120].decode("utf-8", "replace"))


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _count(value: object) -> int | None:
    """Return a number of tokens, also of a server that writes it as a float or a text."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < 2**53 else None


# What an answer proposes.


def proposal_of(request: ProposalRequest, reply: ModelReply, model: str) -> Proposal:
    """Return what a model's reply proposes."""
    source, problem = None, reply.problem
    registers = USUAL if request.contract is None else Registers.of(request.contract)
    if reply.outcome == "ok":
        found = extract_source(reply.text or "", registers)
        source, problem = found.source, found.problem
    elif reply.outcome == "truncated":
        source = complete_policy(reply.text or "", registers)
        problem = None if source is not None else problem
    parents = _parents(request)
    return Proposal(
        source=source,
        title=(title_of(source) if source else "") or f"reply of {model}",
        origin="model",
        operator=_operator(request.move, parents),
        parents=parents,
        problem=problem,
    )


def reply_in(call: LlmCallRow) -> ModelReply:
    """Return the reply that a recorded request got."""
    return ModelReply(outcome=call.outcome, text=call.reply, problem=call.error)


def _parents(request: ProposalRequest) -> tuple[str, ...]:
    """Return the attempts that the prompt asks to start from: none for a fresh policy."""
    starts = list(request.chosen)
    if request.move == "free":
        starts = [request.best] if request.best is not None else []
    return tuple(each.candidate for each in starts if each.candidate is not None)


def _operator(move: Move, parents: tuple[str, ...]) -> str:
    if not parents:
        return "sample"
    return {"vary": "mutate", "combine": "crossover"}.get(move, "refine")


def title_of(source: str) -> str:
    """Return the first line of a policy's docstring or comment, made safe to print, or ``''``."""
    text = ""
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = ast.Module(body=[], type_ignores=[])
    first = tree.body[0] if tree.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        text = first.value.value if isinstance(first.value.value, str) else ""
    if not text.strip() and source.lstrip().startswith("#"):
        text = _first_line(source).lstrip("#! ")
    line = " ".join(_CONTROL.sub(" ", _first_line(text)[: 10 * _TITLE_CHARS]).split())
    return line if len(line) <= _TITLE_CHARS else line[: _TITLE_CHARS - 1].rstrip() + "…"


def _first_line(text: str) -> str:
    return next(iter(text.strip()[: 100 * _TITLE_CHARS].splitlines()), "")
