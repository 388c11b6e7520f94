"""Streams, deadlines and lengths: how a reply arrives, and how long it may be."""

from functools import partial
from typing import Any

from flows.settings.sections import ProposerConfig
from tests.support import model_server as server
from tests.support import server_shapes as shapes
from tests.support.asking import SOURCE, ask
from tests.support.model_server import Behaviour, Json, Received, Sent

FENCED = f"```python\n{SOURCE}```\n"
APIS = ("chat", "responses")


def test_a_reply_is_asked_for_as_a_stream_and_counted() -> None:
    for api in APIS:
        asked = ask(server.streams(FENCED), api=api)

        assert asked.proposal is not None and asked.proposal.source == SOURCE
        assert asked.bodies[0]["stream"] is True
        assert (asked.calls[0].input_tokens, asked.calls[0].output_tokens) == (900, 100)
    assert "stream_options" not in asked.bodies[0]
    assert ask(server.streams(FENCED)).bodies[0]["stream_options"] == {"include_usage": True}


def test_a_server_that_answers_whole_though_asked_for_a_stream_is_read() -> None:
    for api in APIS:
        asked = ask(server.policy(SOURCE), api=api)

        assert asked.outcomes == ["ok"]


def test_streams_are_read_as_servers_write_them() -> None:
    first, second = (
        {"choices": [{"delta": {"content": half}}]} for half in (FENCED[:9], FENCED[9:])
    )
    stop = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
    streams: dict[str, Sent] = {
        "no end but its reason": server.stream_of([first, second, stop]),
        "no reason but its end": server.stream_of([first, second, "[DONE]"]),
        "whole messages": server.stream_of(
            [{"choices": [{"message": {"content": FENCED}, "finish_reason": "stop"}]}]
        ),
        "comments and names": Sent(
            body=b": keep-alive\r\n\r\nevent: message\r\n"
            + server.stream_of([first, second, stop]).body.replace(b"\n", b"\r\n")
        ),
        "no blank lines": Sent(
            body=server.stream_of([first, second, stop]).body.replace(b"\n\n", b"\n")
        ),
    }
    for name, sent in streams.items():
        asked = ask(_always(sent))

        assert asked.proposal is not None and asked.proposal.source == SOURCE, name


def test_what_a_server_does_not_know_of_streams_is_left_out_from_then_on() -> None:
    for name in ("stream_options", "stream"):
        complaint = shapes.openai_error(f"Unrecognized request argument supplied: {name}", name)
        strict = server.unless(
            partial(_lacks, name),
            shapes.says_error(400, complaint),
            server.policy(SOURCE),
        )

        asked = ask(strict, times=2)

        assert asked.outcomes == ["bad_request", "ok", "ok"], name
        assert ("stream" in asked.bodies[-1]) == (name == "stream_options")


def _always(sent: Sent) -> Behaviour:
    return lambda _: sent


def _lacks(name: str, body: Json) -> bool:
    return name not in body


def test_a_server_that_fails_at_streams_is_asked_for_whole_replies() -> None:
    fails_at_streams = server.unless(
        lambda body: "stream" not in body, server.server_error(), server.policy(SOURCE)
    )

    asked = ask(fails_at_streams, times=3)

    assert asked.outcomes == ["server_error", "ok", "server_error", "ok", "ok"]
    assert "stream" not in asked.bodies[-1]
    once = ask(server.server_error(), server.policy(SOURCE), times=2)
    assert ["stream" in body for body in once.bodies] == [True, False, True]


def test_an_error_that_comes_as_a_stream_is_read() -> None:
    body = b'data: {"error": {"message": "the upstream is gone", "code": "500"}}\n\ndata: [DONE]\n'

    asked = ask(server.raw(body, status=500), tries=1)

    assert "HTTP 500: the upstream is gone" in asked.lost


def test_a_deadline_ends_headers_and_bodies_that_trickle() -> None:
    for trickle in (server.trickles("headers"), server.trickles("body")):
        asked = ask(trickle, tries=1, timeout_seconds=0.4)

        assert asked.outcomes == ["timeout"]
        assert "no reply within 0.4 s" in asked.lost


def test_the_default_deadline_has_time_for_the_longest_reply_of_a_slow_server() -> None:
    usual = ProposerConfig(kind="openai", model="m")
    longer = ProposerConfig(kind="openai", model="m", max_output_tokens=64_000)

    assert usual.deadline_seconds == 60 + usual.max_output_tokens / 25 == 700
    assert longer.deadline_seconds == 60 + 64_000 / 25
    assert ProposerConfig(kind="openai", model="m", timeout_seconds=9).deadline_seconds == 9


def room(context: int, complaint: str) -> Behaviour:
    """Answer what fits into so many tokens of four characters, complain about the rest."""

    def behave(received: Received) -> Sent:
        chars = sum(len(each["content"]) for each in received.body["messages"])
        prompt, reply = -(-chars // 4), received.body["max_tokens"]
        if prompt + reply <= context:
            return server.says(FENCED)(received)
        said = complaint.format(context=context, prompt=prompt, reply=reply, all=prompt + reply)
        return server.fails(400, said)(received)

    return behave


COMPLAINTS = [
    "This model's maximum context length is {context} tokens. However, you requested {all} tokens "
    "({prompt} in the messages, {reply} in the completion). Please reduce the length.",
    "request ({prompt} tokens) exceeds the available context size ({context} tokens)",
    "'max_tokens' is too large: {reply}. This model's maximum context length is {context} tokens "
    "and your request has {prompt} input tokens ({reply} > {context} - {prompt}).",
    "`inputs` tokens + `max_new_tokens` must be <= {context}. Given: {prompt} `inputs` tokens",
    "input length and `max_tokens` exceed context limit: {prompt} + {reply} > {context}",
    "The input token count ({prompt}) exceeds the maximum number of tokens allowed ({context}).",
    "Prompt contains {prompt} tokens, too large for model with {context} maximum context length",
    "The prompt is too long for this server.",
]


def test_a_full_context_shrinks_the_prompt_before_a_reply_would_be_too_short() -> None:
    for complaint in COMPLAINTS:
        asked = ask(room(8_000, complaint), prompt_chars=30_000)

        body: dict[str, Any] = asked.bodies[-1]
        chars = sum(len(each["content"]) for each in body["messages"])
        assert asked.outcomes[-1] == "ok", complaint
        assert chars < 20_000 and body["max_tokens"] > 2_000, complaint
        assert asked.calls[-1].prompt_sha256 != asked.calls[0].prompt_sha256
        assert asked.proposal is not None and asked.proposal.prompt is not None
        assert asked.proposal.prompt.sha256 == asked.calls[-1].prompt_sha256


def test_a_prompt_that_fits_is_kept_and_the_reply_gets_what_is_left() -> None:
    for complaint in COMPLAINTS[:4]:
        asked = ask(room(8_000, complaint), prompt_chars=8_000)

        assert asked.outcomes == ["bad_request", "ok"], complaint
        assert 5_500 < asked.bodies[-1]["max_tokens"] < 6_000


def test_a_limit_that_was_learned_is_not_kept_for_ever() -> None:
    grows = [room(8_000, COMPLAINTS[0])] * 3 + [server.says(FENCED)]

    asked = ask(*grows, prompt_chars=8_000, times=16)

    limits = [body["max_tokens"] for body in asked.bodies]
    assert limits[0] == limits[-1] == 16_000
    assert limits[2] < 6_000


def test_the_most_that_a_model_can_write_is_asked_for_once_it_is_known() -> None:
    small = server.unless(
        lambda body: body["max_tokens"] <= 4096,
        server.fails(400, "max_tokens is too large: this model supports at most 4096 tokens"),
        server.policy(SOURCE),
    )

    asked = ask(small, times=2)

    assert [body["max_tokens"] for body in asked.bodies] == [16_000, 4096, 4096]


def test_a_context_without_room_for_any_prompt_is_lost_with_advice() -> None:
    for complaint in COMPLAINTS:
        always = server.fails(400, complaint.format(context=512, prompt=900, reply=9, all=909))
        asked = ask(always, prompt_chars=3_000)

        assert "give the server a larger context, or lower feedback.prompt_tokens" in asked.lost
        assert len(asked.calls) <= 9
