"""What engines say when they do not answer: in which shape, and whose fault it is."""

import json

import pytest

from aidx.adapters.talk.refusal import BusyError, refused
from aidx.errors import EngineError, InputError

SHAPES = [
    {"error": {"message": "no", "type": "t", "code": None}},  # OpenAI, llama-server
    {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}},  # Anthropic
    {"error": "no"},  # Ollama
    {"error": '{"error":{"code":400,"message":"no","type":"t"}}'},  # what Ollama passes on of its llama-server
    {"object": "error", "message": "no", "code": 400},  # vLLM until 0.10
    [{"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}],  # Gemini
]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_has_a_message(shape):
    found = refused(400, json.dumps(shape).encode(), who="it")

    assert isinstance(found, InputError)
    assert str(found) == "it refuses the request: no"


@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b"[]", b'"x"', b'{"error": 5}', b"\xff"])
def test_no_message_is_a_status(body):
    assert str(refused(400, body, who="it")).endswith("status 400")


@pytest.mark.parametrize("text", ['{"error": 5}', "{", "[1]", '{"x": 1}'])
def test_a_message_that_only_looks_like_one_that_was_passed_on_is_shown_as_it_is(text):
    assert str(refused(400, json.dumps({"error": text}).encode(), who="it")).endswith(text)


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, InputError, "invalid_request"),
        (422, InputError, "invalid_request"),
        (401, EngineError, "key_refused"),
        (403, EngineError, "key_refused"),
        (404, EngineError, "model_not_there"),
        (429, BusyError, "rate_limited"),
        (500, BusyError, "engine_failed"),
        (529, BusyError, "engine_failed"),
        (302, EngineError, "engine_failed"),
        (501, EngineError, "engine_failed"),
    ],
)
def test_whose_fault_it_is_and_whether_to_try_again(status, kind, code):
    found = refused(status, b'{"error": {"message": "no"}}', who="it")

    assert (type(found), found.code) == (kind, code)


def test_a_text_over_the_physical_batch_is_the_request_s_fault():
    said = b'{"error": {"message": "input (601 tokens) is too large to process. increase the physical batch size"}}'
    found = refused(500, said, who="it")

    assert (type(found), found.code) == (InputError, "context_length_exceeded")
    assert "601 tokens" in str(found)
    assert "ubatch_size" in found.hint
    assert type(refused(503, said, who="it")) is BusyError


@pytest.mark.parametrize(("status", "does"), [(500, "failed"), (502, "failed"), (503, "is busy"), (429, "is busy")])
def test_who_failed_is_not_said_to_be_busy(status, does):
    assert str(refused(status, b"", who="it")) == f"it {does}: status {status}"


@pytest.mark.parametrize(
    "error",
    [
        {"message": "x", "code": "context_length_exceeded"},  # OpenAI
        {"message": "x", "type": "exceed_context_size_error"},  # llama-server
        {"message": "prompt is too long: 210000 tokens > 200000 maximum"},  # Anthropic
        {"message": "This model's maximum context length is 4096 tokens"},  # vLLM
    ],
)
def test_a_prompt_that_is_too_long_is_known_as_one(error):
    assert refused(400, json.dumps({"error": error}).encode(), who="it").code == "context_length_exceeded"


@pytest.mark.parametrize(
    ("header", "seconds"), [("3", 3.0), ("0.5", 0.5), ("", None), ("-1", None), ("nan", None), ("Fri, 31 Dec", None)]
)
def test_retry_after_is_a_number_of_seconds_or_nothing(header, seconds):
    found = refused(429, b"{}", who="it", retry_after=header)

    assert isinstance(found, BusyError)
    assert found.retry_after == seconds


def test_a_message_is_one_line_of_bounded_length():
    message = str(refused(400, json.dumps({"error": "a\nb " * 9999}).encode(), who="it"))

    assert "\n" not in message
    assert len(message) < 400
