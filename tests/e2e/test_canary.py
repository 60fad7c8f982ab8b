"""Nothing that was said and no key is written anywhere: whatever a client puts a word into, it stays between us."""

import json
import os
import socket
from contextlib import suppress

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.endpoint import CHAT, Endpoint, until

KEY = "canary-key-51d0"
WORDS = "canary-words-9e2c"
PAGES = ("/metrics", "/plan", "/props", "/v1/models", "/ready")
RIGHT = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
SAID = [{"role": "user", "content": f"say {WORDS}"}]
FIELDS = {"model": "editor", "messages": SAID, "max_tokens": 4}
SCHEMA = {"type": "object", "properties": {WORDS: {"type": "string", "enum": [WORDS]}}, "required": [WORDS]}


@pytest.fixture
def running():
    found = Endpoint("-v", "-np", "2", "-c", "1024", "--api-key-env", "AIDX_TEST_KEY", env={"AIDX_TEST_KEY": KEY})
    yield found
    found.stop()


def schema(value):
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": value}}}


BODIES = {
    "plain": (FIELDS, 200),
    "stream": ({**FIELDS, "stream": True}, 200),
    "long, put together": ({**FIELDS, "max_tokens": 900, "ignore_eos": True}, 200),
    "stop": ({**FIELDS, "stop": [WORDS]}, 200),
    "a field that is left out": ({**FIELDS, WORDS: WORDS, "user": WORDS, "metadata": {WORDS: WORDS}}, 200),
    "a schema": ({**FIELDS, "max_tokens": 200, **schema(SCHEMA)}, 200),
    "a schema that is not satisfied": ({**FIELDS, **schema({**SCHEMA, "not": {"const": WORDS}})}, 422),
    "a schema that is none": ({**FIELDS, **schema({"type": WORDS})}, 422),
    "tools": ({**FIELDS, "tools": [{"type": "function", "function": {"name": WORDS, "description": WORDS}}]}, 400),
    "a model": ({**FIELDS, "model": WORDS}, 404),
    "a role": ({**FIELDS, "messages": [{"role": WORDS, "content": "x"}]}, 400),
    "a number": ({**FIELDS, "temperature": WORDS}, 400),
    "two answers": ({**FIELDS, "n": 2}, 400),
    "too long": ({**FIELDS, "messages": SAID * 999}, 400),
}


def sent(endpoint, data):
    """Send *data* as it is, and read until the server closes."""
    host, port = endpoint.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as found:
        found.sendall(data)
        with suppress(ConnectionError):
            while found.recv(1 << 16):
                pass


def test_nothing_that_was_said_and_no_key_is_written_anywhere(running):
    processes = psutil.Process(running.process.pid), running.engine
    arguments = " ".join(" ".join(process.cmdline()) for process in processes)
    known = json.dumps(running.engine.environ())
    for name, (fields, status) in BODIES.items():
        assert running.call(CHAT, fields, RIGHT, raw=True)[0] == status, name
    assert running.call("/v1/completions", {"model": "editor", "prompt": WORDS, "max_tokens": 2}, RIGHT)[0] == 200
    assert running.call("/v1/embeddings", {"model": "editor", "input": WORDS}, RIGHT)[0] == 400
    assert running.call(f"/{WORDS}?api_key={KEY}", headers=RIGHT)[0] == 404
    assert running.call(f"/v1/models/{WORDS}", headers=RIGHT)[0] == 404
    for wrong in ({"authorization": f"Bearer {KEY}x"}, {"authorization": f"Basic {KEY}"}, {"x-api-key": KEY}):
        assert running.call(CHAT, FIELDS, wrong)[0] == 401
    assert running.call(CHAT, FIELDS, {**RIGHT, "origin": f"http://{WORDS}"})[0] == 403
    assert running.call(CHAT, FIELDS, {**RIGHT, "host": WORDS})[0] == 403
    sent(running, b"GET /" + WORDS.encode() + b"\r\nAuthorization: Bearer " + KEY.encode() + b"\r\n\r\n")
    sent(running, b"%b / HTTP/1.1\r\n\r\n" % WORDS.encode())
    sent(running, b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n" + WORDS.encode())
    os.kill(running.engine.pid, 9)
    until(lambda: running.call("/ready")[0] == 200)

    pages = [running.call(path, headers=RIGHT, raw=True)[2].decode() for path in PAGES]
    running.stop()
    lines = []
    while not running.lines.empty():
        lines.append(running.lines.get())
    logged = [json.loads(line) for line in lines if line.startswith("{")]
    assert len([line for line in logged if line["event"] == "request"]) >= len(BODIES) + 10
    told = "\n".join([*lines, *pages, arguments, known])
    assert WORDS not in told
    assert KEY not in told


def test_its_numbers_are_read_by_prometheus_own_parser_and_add_up(running):
    for fields, _ in BODIES.values():
        running.call(CHAT, fields, RIGHT, raw=True)
    text = running.call("/metrics", headers=RIGHT, raw=True)[2].decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}

    requests = families["aidx_requests"].samples
    asked = {(sample.labels["status"], sample.labels["code"]): sample.value for sample in requests}
    assert asked == {
        ("200", ""): len([name for name, (_, status) in BODIES.items() if status == 200]),
        ("400", "context_length_exceeded"): 1,
        ("400", "tools_not_supported"): 1,
        ("422", "schema_not_satisfied"): 1,
    }
    for family in families.values():
        assert family.type in {"counter", "gauge", "histogram"}, family.name
        assert family.documentation, family.name
    used = families["gen_ai_client_inference_usage_output_tokens"].samples[0].value
    each = families["gen_ai_client_inference_operation_output_tokens"].samples
    assert used == sum(sample.value for sample in each if sample.name.endswith("_sum")) > 900
    drift = families["aidx_token_drift"].samples[0]
    assert (drift.labels, drift.value) == ({"role": "editor"}, 0)
