"""The bodies with which vLLM, Ollama, llama.cpp and OpenAI answer, as they are documented."""

import json
from collections.abc import Callable
from typing import Any

from tests.support.model_server import Behaviour, Json, Received, Sent, raw

Shape = Callable[[str, str], Json]
"""(text, finish reason) -> body."""

AZURE_FILTER: Json = {
    "message": "The response was filtered due to the prompt triggering Azure OpenAI's content "
    "management policy. Please modify your prompt and retry.",
    "type": None,
    "param": "prompt",
    "code": "content_filter",
    "status": 400,
    "innererror": {
        "code": "ResponsibleAIPolicyViolation",
        "content_filter_result": {"violence": {"filtered": True, "severity": "medium"}},
    },
}
"""What Azure says of a prompt that its content filter stops, with a status of 400."""


def answers(shape: Shape, text: str, finish_reason: str = "stop") -> Behaviour:
    """Answer every request with this text in this shape."""
    body = json.dumps(shape(text, finish_reason)).encode()
    return lambda _: Sent(body=body)


def says_error(status: int, body: Json, **headers: str) -> Behaviour:
    """Answer with an error in a body of its own shape."""
    return raw(json.dumps(body).encode(), status=status, **headers)


def follows(accepts: Callable[[Json], Behaviour | None], otherwise: Behaviour) -> Behaviour:
    """Answer with what ``accepts`` finds wrong with a request, else with ``otherwise``."""

    def behave(received: Received) -> Sent:
        return (accepts(received.body) or otherwise)(received)

    return behave


def vllm(text: str, finish_reason: str) -> Json:
    """Chat completion of vLLM: OpenAI's fields, many of them null, and some of its own."""
    message: Json = {
        "role": "assistant",
        "content": text,
        "refusal": None,
        "annotations": None,
        "audio": None,
        "function_call": None,
        "tool_calls": [],
        "reasoning_content": None,
    }
    choice = {
        **{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason},
        **{"stop_reason": None, "token_ids": None},
    }
    return {
        "id": "chatcmpl-3c0e",
        "object": "chat.completion",
        "created": 1767225600,
        "model": "local",
        "choices": [choice],
        "service_tier": None,
        "system_fingerprint": None,
        "usage": {
            **{"prompt_tokens": 900, "total_tokens": 1000, "completion_tokens": 100},
            "prompt_tokens_details": None,
        },
        "prompt_logprobs": None,
        "kv_transfer_params": None,
    }


def vllm_error(status: int, kind: str, message: str) -> Json:
    """Error of vLLM, newer releases: OpenAI's nesting with a number as the code."""
    return {"error": {"message": message, "type": kind, "param": None, "code": status}}


def vllm_old_error(status: int, kind: str, message: str) -> Json:
    """Error of vLLM, older releases: flat."""
    return {
        **{"object": "error", "message": message, "type": kind},
        **{"param": None, "code": status},
    }


def ollama(text: str, finish_reason: str) -> Json:
    """Chat completion of Ollama; a thinking model's thoughts stand beside the content."""
    message = {"role": "assistant", "content": text, "reasoning": "Short work first, I think."}
    return {
        "id": "chatcmpl-529",
        "object": "chat.completion",
        "created": 1767225600,
        "model": "local",
        "system_fingerprint": "fp_ollama",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": 1000},
    }


def ollama_error(message: str) -> Json:
    """Error of Ollama's compatible API."""
    return {"error": {"message": message, "type": "api_error", "param": None, "code": None}}


def llama_cpp(text: str, finish_reason: str) -> Json:
    """Chat completion of llama.cpp's server: the choice comes without an id, timings come along."""
    message = {"role": "assistant", "content": text}
    return {
        "choices": [{"finish_reason": finish_reason, "index": 0, "message": message}],
        "created": 1767225600,
        "model": "local",
        "system_fingerprint": "b6000-0000000",
        "object": "chat.completion",
        "usage": {"completion_tokens": 100, "prompt_tokens": 900, "total_tokens": 1000},
        "id": "chatcmpl-XXnT",
        "timings": {"prompt_n": 900, "prompt_ms": 12.5, "predicted_n": 100, "cache_n": 0},
    }


def llama_cpp_error(status: int, kind: str, message: str, **more: Any) -> Json:
    """Error of llama.cpp's server."""
    return {"error": {"code": status, "message": message, "type": kind, **more}}


def openai_chat(text: str, finish_reason: str) -> Json:
    """Chat completion of OpenAI."""
    message: Json = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    usage: Json = {
        **{"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": 1000},
        "prompt_tokens_details": {"cached_tokens": 512, "audio_tokens": 0},
        "completion_tokens_details": {
            **{"reasoning_tokens": 64, "audio_tokens": 0},
            **{"accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
        },
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-B9MB",
        "object": "chat.completion",
        "created": 1767225600,
        "model": "gpt-4.1-2025-04-14",
        "choices": [choice],
        "usage": usage,
        "service_tier": "default",
        "system_fingerprint": "fp_50cad350e4",
    }


def openai_responses(text: str, finish_reason: str) -> Json:
    """Response of OpenAI; a reasoning item stands before the message."""
    cut = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(finish_reason)
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": text}
    status = "incomplete" if cut else "completed"
    message = {"id": "msg_1", "type": "message", "status": status, "role": "assistant"}
    return {
        **{"id": "resp_67cc", "object": "response", "created_at": 1767225600, "status": status},
        **{"background": False, "error": None, "instructions": "the job", "temperature": 1.0},
        "incomplete_details": {"reason": cut} if cut else None,
        "max_output_tokens": 16_000,
        "model": "gpt-5-mini-2025-08-07",
        "output": [
            {"id": "rs_1", "type": "reasoning", "summary": []},
            {**message, "content": [part]},
        ],
        "parallel_tool_calls": True,
        "reasoning": {"effort": "medium", "summary": None},
        "store": False,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "truncation": "disabled",
        "usage": {
            **{"input_tokens": 900, "output_tokens": 100, "total_tokens": 1000},
            "input_tokens_details": {"cached_tokens": 512},
            "output_tokens_details": {"reasoning_tokens": 64},
        },
    }


def openai_error(message: str, param: str | None = None, code: str | None = None) -> Json:
    """Error of OpenAI."""
    kind = "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
