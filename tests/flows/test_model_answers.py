"""What comes with a status of 200: the model's answer, or a failure that is not the model's."""

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flows.proposers.answers import read_body
from flows.proposers.refusals import FINAL
from tests.support import model_server as server
from tests.support import server_shapes as shapes
from tests.support.asking import SOURCE, ask

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FENCED = f"```python\n{SOURCE}```\n"
PAGE = b"<!doctype html><html><head><title>Web UI</title></head></html>"


def chat(message: Any, reason: str | None = "stop", **choice: Any) -> bytes:
    usage = {"prompt_tokens": 900, "completion_tokens": 100}
    answer = {"index": 0, "message": message, "finish_reason": reason, **choice}
    return json.dumps({"choices": [answer], "usage": usage}).encode()


def response(status: str, text: str = "", **more: Any) -> bytes:
    parts = [{"type": "output_text", "text": text}] if text else []
    output = [{"type": "message", "content": parts}] if parts else []
    return json.dumps({"status": status, "output": output, **more}).encode()


NO_ANSWERS = {
    "nothing": b"",
    "a blank": b"\n",
    "text": b"upstream gone",
    "a number": b"7",
    "a list": b"[1, 2]",
    "a broken object": b'{"choices": [{"message": {"content": "```pyth',
    "another object": b'{"ok": true}',
    "no choices": b'{"choices": []}',
    "null choices": b'{"choices": null}',
    "choices of another shape": b'{"choices": [7]}',
    "a choice without a message": b'{"choices": [{"finish_reason": "stop"}]}',
    "an error as text": b'{"error": "no GPU"}',
    "an error in a list": b'[{"error": {"message": "no GPU", "code": 500}}]',
    "an error beside null": b'{"choices": null, "error": {"message": "no GPU"}}',
    "an empty stream": b"data: [DONE]\n\n",
    "a stream without a choice": b'data: {"choices": []}\n\ndata: [DONE]\n\n',
    "a stream that was cut": b'data: {"choices": [{"delta": {"content": "```py"}}]}\n\n',
    "an error in a stream": b'data: {"error": {"message": "gone", "code": 502}}\n\n',
    "a broken reply": chat({"content": FENCED[:60]}, "error", error={"code": 502, "message": "x"}),
    "a reply that was broken off whole": chat({"content": FENCED}, "error"),
    "an aborted reply": chat({"content": FENCED[:60]}, "abort"),
    "a filtered reply": chat({"content": ""}, "content_filter"),
    "a reply filtered in its middle": chat({"content": FENCED[:60]}, "SAFETY"),
    "a failed response": response("failed", error={"code": "server_error", "message": "x"}),
    "a response that failed late": response("failed", FENCED[:60], error={"message": "x"}),
    "a cancelled response": response("cancelled", FENCED[:60]),
    "a response in work": response("in_progress", FENCED[:60]),
    "a filtered response": response("incomplete", incomplete_details={"reason": "content_filter"}),
    "no output": response("completed"),
}


def test_what_is_no_answer_of_a_model_is_asked_for_again_and_then_lost() -> None:
    for name, body in NO_ANSWERS.items():
        asked = ask(server.raw(body), tries=2)

        assert asked.proposal is None and asked.lost, name
        assert len(asked.calls) == 2 and not set(asked.outcomes) & set(FINAL), name
        assert "no reply after 2 tries" in asked.lost, name
        again = ask(server.raw(body), server.policy(SOURCE))
        assert again.proposal is not None and again.proposal.source == SOURCE, name


def test_a_page_instead_of_an_api_is_lost_at_once_and_names_the_address() -> None:
    wrong = b'{"error": "Unexpected endpoint or method. (POST /chat/completions)"}'
    for body, words in ((PAGE, "a web page, 'Web UI'"), (wrong, "Unexpected endpoint")):
        asked = ask(server.raw(body))

        assert asked.outcomes == ["no_api"]
        assert words in asked.lost and "check --base-url" in asked.lost


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["choices", "message", "content", "error", "output", "status", "code",
                         "finish_reason", "usage", "type", "text", "tool_calls", "function"]),
        inner, max_size=3),
    max_leaves=12,
))  # fmt: skip
def test_no_body_of_any_shape_is_an_error_of_ours(body: Any) -> None:
    for data in (json.dumps(body).encode(), f"data: {json.dumps(body)}\n\n".encode()):
        reply = read_body(data, NOW)

        assert (reply.outcome == "ok") <= bool(reply.text)
        assert (reply.outcome in FINAL) == (reply.then == "take")


def test_a_policy_is_found_where_servers_put_it() -> None:
    arguments = json.dumps({"code": SOURCE})
    places = {
        "thoughts": chat({"content": None, "reasoning_content": FENCED}),
        "Ollama's thoughts": chat({"content": "", "reasoning": FENCED}),
        "a call": chat({"content": None, "tool_calls": [{"function": {"arguments": arguments}}]}),
        "parts": chat({"content": [{"type": "text", "text": FENCED}]}),
        "an old completion": json.dumps({"choices": [{"text": FENCED}]}).encode(),
        "a byte order mark": b"\xef\xbb\xbf" + chat({"content": FENCED}),
        "a response to a chat": response("completed", FENCED),
    }
    for name, body in places.items():
        asked = ask(server.raw(body))

        assert asked.outcomes == ["ok"], name
        assert asked.proposal is not None and asked.proposal.source == SOURCE, name


def test_a_call_of_a_tool_tells_the_model_that_there_is_none() -> None:
    call = {"function": {"name": "search", "arguments": '{"query": "scheduling"}'}}

    asked = ask(server.raw(chat({"content": None, "tool_calls": [call]}, "tool_calls")))

    assert asked.proposal is not None and asked.proposal.source is None
    assert "answer in text" in (asked.proposal.problem or "")


def test_tokens_are_read_however_they_are_written() -> None:
    body = json.loads(chat({"content": FENCED}))
    body["usage"] = {"prompt_tokens": 900.0, "completion_tokens": "100"}

    tokens = read_body(json.dumps(body).encode(), NOW).tokens

    assert (tokens.input, tokens.output) == (900, 100)


def test_every_finish_reason_but_a_failure_leaves_a_complete_policy_to_be_tried() -> None:
    reasons = ("stop", "length", "max_tokens", "content_filter", "tool_calls", "eos", None)
    for reason in reasons:
        asked = ask(server.raw(chat({"content": FENCED}, reason)))

        assert asked.proposal is not None and asked.proposal.source == SOURCE, reason
    cut = {"incomplete_details": {"reason": "max_output_tokens"}}
    whole = ask(server.raw(response("incomplete", FENCED, **cut)))
    assert whole.proposal is not None and whole.proposal.source == SOURCE


def test_a_policy_that_may_go_on_is_not_tried_when_the_reply_was_cut() -> None:
    for text in (f"```python\n{SOURCE}", SOURCE, f"```python\n{SOURCE[:-20]}"):
        asked = ask(server.cut_off(text))

        assert asked.outcomes == ["truncated"]
        assert asked.proposal is not None and asked.proposal.source is None
        assert "write a shorter policy" in (asked.proposal.problem or "")


def test_a_reply_that_ended_in_its_thoughts_tells_the_user_and_is_not_scored() -> None:
    spent = {"completion_tokens": 100, "completion_tokens_details": {"reasoning_tokens": 90}}
    begun = json.loads(chat({"content": "```python\n@regi"}, "length")) | {"usage": spent}
    thoughts = {
        "beside the text": chat({"content": None, "reasoning_content": "hmm"}, "length"),
        "in the text": chat({"content": "<think>\nhmm, maybe"}, "length"),
        "untold": chat({"content": ""}, "length"),
        "most of the tokens": json.dumps(begun).encode(),
        "a response": response("incomplete", incomplete_details={"reason": "max_output_tokens"}),
    }
    for name, body in thoughts.items():
        asked = ask(server.raw(body))

        assert asked.outcomes == ["thinking"] and asked.proposal is None, name
        assert "raise proposer.max_output_tokens or lower proposer.reasoning_effort" in asked.lost


def test_a_content_filter_that_answers_with_an_error_names_the_filter() -> None:
    errors = [
        (400, shapes.AZURE_FILTER),
        (400, {"message": "Not allowed.", "code": "content_policy_violation"}),
        (400, {"message": "Bad.", "code": "x", "innererror": shapes.AZURE_FILTER["innererror"]}),
        (403, {"message": "Flagged.", "code": "content_filter"}),
        (200, {"message": "Stopped.", "code": "content_filter"}),
    ]
    for status, error in errors:
        asked = ask(shapes.says_error(status, {"error": error}))

        assert asked.outcomes == ["filtered"] and asked.proposal is None
        assert error["message"] in asked.lost and "content filter" in asked.lost
