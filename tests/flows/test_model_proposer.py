"""The model proposer's answers, through the real SDK, against a local server."""

import pytest

from flows.attempt import Proposal, ProposerUnavailable
from flows.history.records import LlmCallRow
from flows.proposers.model import OpenAiProposer
from flows.settings.sections import ProposerConfig
from tests.support import model_server as server
from tests.support.asking import SOURCE, StillClock, ask, request
from tests.support.model_server import ModelServer


def test_a_fenced_policy_is_proposed_and_its_call_recorded() -> None:
    asked = ask(server.policy(SOURCE))

    assert asked.proposal == Proposal(
        source=SOURCE,
        title="Queries first.",
        origin="model",
        operator="refine",
        parents=("ab" * 32,),
        problem=None,
    )
    call = asked.calls[0]
    assert (call.outcome, call.attempt, call.api, call.model) == ("ok", 0, "chat", "any")
    assert (call.input_tokens, call.output_tokens, call.request_id) == (900, 100, "req-1")
    assert call.reply is not None and SOURCE in call.reply
    assert call.cost_usd is None
    assert asked.server.requests[0].path == "/v1/chat/completions"
    assert asked.bodies[0]["messages"][0] == {"role": "system", "content": "the job"}


def test_the_responses_api_is_spoken_when_asked_for() -> None:
    asked = ask(server.policy(SOURCE), api="responses", reasoning_effort="low")

    assert asked.proposal is not None and asked.proposal.source == SOURCE
    assert asked.server.requests[0].path == "/v1/responses"
    assert asked.bodies[0]["reasoning"] == {"effort": "low"}
    assert asked.bodies[0]["instructions"] == "the job"


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_an_answer_of_the_model_without_a_policy_is_a_malformed_proposal(api: str) -> None:
    answers = [
        (server.prose(), "ok", "no code"),
        (server.says(""), "empty", "the reply is empty"),
        (server.cut_off("```python\n@register_sched"), "truncated", "write a shorter policy"),
        (server.refuses("I must not."), "refused", "I must not."),
    ]
    for behaviour, outcome, words in answers:
        asked = ask(behaviour, api=api)

        assert asked.error is None and asked.proposal is not None, words
        assert asked.proposal.source is None and words in (asked.proposal.problem or "")
        assert asked.outcomes == [outcome]


def test_failures_of_the_server_are_repeated_and_each_is_recorded() -> None:
    asked = ask(server.rate_limited(7), server.server_error(), server.policy(SOURCE))

    assert asked.proposal is not None and asked.proposal.source == SOURCE
    assert asked.outcomes == ["rate_limited", "server_error", "ok"]
    assert [call.attempt for call in asked.calls] == [0, 1, 2]
    assert asked.clock.waits[0] == 7
    assert 0.5 <= asked.clock.waits[1] <= 1


def test_waits_follow_from_the_seed() -> None:
    one, two = (ask(server.server_error(), tries=4) for _ in range(2))

    assert len(one.clock.waits) == 3
    assert one.clock.waits == two.clock.waits


def test_a_server_that_keeps_failing_makes_the_proposer_unavailable() -> None:
    asked = ask(server.server_error(), tries=3)

    assert isinstance(asked.error, ProposerUnavailable)
    assert "no reply after 3 tries: HTTP 500: The server had an error" in str(asked.error)
    assert asked.outcomes == ["server_error"] * 3


def test_a_server_that_hangs_is_left_after_the_time_limit() -> None:
    asked = ask(server.hangs(), tries=1, timeout_seconds=0.2)

    assert isinstance(asked.error, ProposerUnavailable)
    assert asked.outcomes == ["timeout"]
    assert "no reply within 0.2 s" in (asked.calls[0].error or "")


def test_a_server_that_is_not_there_makes_the_proposer_unavailable() -> None:
    calls: list[LlmCallRow] = []
    with ModelServer(server.prose()) as running:
        url = running.url
    config = ProposerConfig(kind="openai", base_url=url, model="any", tries=2)

    with pytest.raises(ProposerUnavailable, match="no reply after 2 tries"):
        OpenAiProposer(config, {}, StillClock()).propose(request(calls))

    assert [call.outcome for call in calls] == ["connection_error"] * 2
