"""`aidx serve` as a user runs it: real sockets, the real engine, the shipped model, the real openai client."""

import json
import os
import pty
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import openai
import psutil
import pytest
from tests.endpoint import ADDRESS, CHAT, TINY, Endpoint, messages, until
from tests.running import AIDX, aidx

from aidx.adapters.stores import shipped

DONE = "01|def first(self, rows, limit=10):"  # as the model's card has it


@pytest.fixture(scope="module")
def endpoint():
    running = Endpoint("-np", "2", "-c", "1024")
    yield running
    running.stop()


@pytest.fixture
def own():
    """One of its own for a test that breaks it."""
    running = Endpoint("-np", "2", "-c", "1024")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def client(endpoint):
    with endpoint.client() as found:
        yield found


def test_the_openai_client_gets_a_plain_answer(client):
    found = client.chat.completions.with_raw_response.create(model="editor", messages=messages(), max_tokens=8)
    answer = found.parse()

    assert answer.choices[0].finish_reason in {"length", "stop"}
    assert 1 <= answer.usage.completion_tokens <= 8
    assert int(found.headers["x-aidx-prompt-tokens"]) == answer.usage.prompt_tokens
    assert int(found.headers["x-aidx-kv-reserved"]) == answer.usage.prompt_tokens + 8
    assert found.headers["x-aidx-role"] == "editor"
    assert found.headers["x-aidx-max-tokens"] == "8"


def test_the_openai_client_gets_a_stream_of_the_same_text(client):
    fields = {"model": "editor", "messages": messages(), "max_tokens": 40, "temperature": 0}
    plain = client.chat.completions.create(**fields)
    stream = client.chat.completions.create(**fields, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)

    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert plain.choices[0].message.content == DONE
    assert "".join(choice.delta.content or "" for choice in choices) == plain.choices[0].message.content
    assert choices[-1].finish_reason == plain.choices[0].finish_reason
    assert chunks[-1].usage.total_tokens == plain.usage.total_tokens


def test_the_openai_client_maps_our_errors_to_its_own(client):
    with pytest.raises(openai.BadRequestError) as over:
        client.chat.completions.create(model="editor", messages=messages("word " * 2000), max_tokens=8)
    assert over.value.code == "context_length_exceeded"
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="gpt-9", messages=messages())
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="editor", messages=messages(), n=2)


SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"not": {"type": "null"}}, "strict": True}}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]


@pytest.mark.parametrize(
    ("fields", "kind", "code"),
    [
        ({"response_format": SCHEMA}, openai.UnprocessableEntityError, "schema_not_enforceable"),
        ({"tools": TOOLS}, openai.BadRequestError, "tools_not_supported"),
        ({"temperature": -1}, openai.BadRequestError, "invalid_input"),
        ({"extra_headers": {"host": "evil.example"}}, openai.PermissionDeniedError, "host_not_allowed"),
        ({"extra_headers": {"origin": "https://evil.example"}}, openai.PermissionDeniedError, "origin_not_allowed"),
    ],
)
def test_each_refusal_is_the_client_s_own_kind_of_error(client, fields, kind, code):
    with pytest.raises(kind) as refused:
        client.chat.completions.create(model="editor", messages=messages(), max_tokens=1, **fields)

    assert refused.value.code == code


def test_the_openai_client_is_told_to_come_again(endpoint, client):
    def ask(_):
        try:
            client.chat.completions.create(
                model="editor", messages=messages(), max_tokens=300, extra_body={"ignore_eos": True}
            )
        except openai.RateLimitError as error:
            return error
        return None

    with ThreadPoolExecutor(16) as pool:
        refused = [error for error in pool.map(ask, range(16)) if error is not None]
    assert refused
    assert {error.code for error in refused} == {"kv_budget_exhausted"}
    assert all(int(error.response.headers["retry-after"]) >= 1 for error in refused)


def test_the_openai_client_completes_text(client):
    fields = {"model": "editor", "prompt": "def area(", "max_tokens": 6, "temperature": 0}
    plain = client.completions.create(**fields)
    pieces = [chunk.choices[0].text for chunk in client.completions.create(**fields, stream=True) if chunk.choices]

    assert plain.usage.completion_tokens <= 6
    assert "".join(pieces) == plain.choices[0].text != ""


def test_the_openai_client_is_told_that_this_model_makes_no_embeddings(client):
    with pytest.raises(openai.BadRequestError, match="makes no embeddings"):
        client.embeddings.create(model="editor", input="x")


def test_a_conversation_is_counted_as_the_engine_counts_it(endpoint):
    said = [{"role": "system", "content": "Be brief."}]
    for number in range(4):
        said.append({"role": "user", "content": f"{number}: é 日本 <|im_end|> x = {number}\n"})
        status, headers, answer = endpoint.call(CHAT, {"model": "editor", "messages": said, "max_tokens": 3})
        assert status == 200
        assert int(headers["x-aidx-prompt-tokens"]) == answer["usage"]["prompt_tokens"]
        said.append({"role": "assistant", "content": answer["choices"][0]["message"]["content"]})
    numbers = endpoint.call("/metrics", raw=True)[2].decode()
    assert 'aidx_token_drift_total{role="editor"} 0' in numbers
    assert 'aidx_token_counts_total{role="editor",by="aidx"} 0' not in numbers


def test_a_conversation_that_grows_too_long_loses_its_oldest_exchanges_where_that_is_wanted():
    running = Endpoint("-c", "1024", "--overflow", "compact", "--max-tokens", "64")
    exchange = [{"role": "user", "content": "x = 1\n" * 30}, {"role": "assistant", "content": "y = 2\n" * 30}]
    fields = {"model": "editor", "messages": [*exchange * 9, *messages()], "max_tokens": 8}
    try:
        status, headers, answer = running.call(CHAT, fields)
        assert status == 200
        assert int(headers["x-aidx-prompt-tokens"]) == answer["usage"]["prompt_tokens"] <= 960
        assert int(headers["x-aidx-evicted-messages"]) >= 2
        assert int(headers["x-aidx-evicted-tokens"]) > 100
    finally:
        running.stop()


def test_history_has_a_bound_of_its_own_where_one_is_set():
    running = Endpoint("-c", "1024", "--max-chat-history-tokens", "50")
    before = [{"role": "user", "content": "word " * 60}, {"role": "assistant", "content": "ok"}]
    try:
        assert running.ask(max_tokens=1)[0] == 200
        status, _, refused = running.call(CHAT, {"model": "editor", "messages": [*before, *messages()]})
        assert (status, refused["error"]["code"]) == (400, "history_over_gate")
        assert refused["error"]["over_by"] == refused["error"]["n_history_tokens"] - 50 > 0
    finally:
        running.stop()


def test_the_openai_client_lists_the_models(client):
    assert [model.id for model in client.models.list()] == ["editor", "aidx-tiny.gguf"]


def test_the_refusal_over_the_gate_counts_what_the_engine_counts(endpoint):
    texts = ("x = 1\n" * lines for lines in range(20, 500, 10))
    text, found = next((text, answer) for text in texts if (answer := endpoint.ask(text, max_tokens=1))[0] == 400)
    error = found[2]["error"]
    assert error["code"] == "context_length_exceeded"
    assert (error["n_ctx"], error["gate"]) == (1024, 768)
    assert error["over_by"] == error["n_prompt_tokens"] - 768 > 0

    wider = Endpoint("-c", "1024", "--gate", "1000", "--max-tokens", "16")
    try:
        assert wider.ask(text, max_tokens=1)[2]["usage"]["prompt_tokens"] == error["n_prompt_tokens"]
    finally:
        wider.stop()


def test_no_sequence_grows_beyond_what_the_model_was_trained_for():
    wider = Endpoint("-c", "2048", "-np", "2")
    try:
        error = wider.ask("x = 1\n" * 500)[2]["error"]
        assert (error["n_ctx"], error["gate"]) == (1024, 768)
        with ThreadPoolExecutor(2) as pool:
            both = list(pool.map(lambda _: wider.ask(max_tokens=900, ignore_eos=True), range(2)))
        assert [answer["usage"]["completion_tokens"] for _, _, answer in both] == [900, 900]
    finally:
        wider.stop()


def test_up_to_the_last_cell_is_answered_and_one_more_is_refused(endpoint):
    prompt = endpoint.ask(max_tokens=1)[2]["usage"]["prompt_tokens"]
    status, headers, answer = endpoint.ask(max_tokens=1024 - prompt, ignore_eos=True)
    assert status == 200
    assert answer["usage"]["total_tokens"] == 1024
    assert headers["x-aidx-kv-reserved"] == "1024"

    status, _, refused = endpoint.ask(max_tokens=1024 - prompt + 1, ignore_eos=True)
    assert status == 400
    assert refused["error"]["over_by"] == 1


def test_more_than_fits_waits_and_more_than_that_is_turned_away(endpoint):
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: endpoint.ask(max_tokens=300, ignore_eos=True), range(16)))

    answered = [answer for status, _, answer in found if status == 200]
    refused = [(headers, answer) for status, headers, answer in found if status == 429]
    assert len(answered) + len(refused) == 16
    assert len(answered) >= 10
    assert all(answer["usage"]["completion_tokens"] == 300 for answer in answered)
    for headers, answer in refused:
        assert answer["error"]["code"] == "kv_budget_exhausted"
        assert int(headers["retry-after"]) >= 1
    assert endpoint.reserved == {"tokens": 0, "bytes": 0, "requests": 0, "queued": 0}


def test_the_plan_is_the_one_that_was_printed(endpoint):
    printed = json.loads(aidx("plan", *TINY, "-np", "2", "-c", "1024", "--json").stdout)
    served = endpoint.call("/plan")[2]["plan"]

    assert served["plan_hash"] == printed["plan_hash"]
    for part in ("model", "settings"):
        assert served["roles"][0][part] == printed["roles"][0][part]


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_its_cells(endpoint, stream):
    body = json.dumps(
        {"model": "editor", "messages": messages(), "max_tokens": 900, "ignore_eos": True, "stream": stream}
    ).encode()
    host, port = endpoint.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as leaving:
        head = f"POST {CHAT} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
        leaving.sendall(head.encode() + body)
        if stream:
            assert leaving.recv(100).startswith(b"HTTP/1.1 200")
        until(lambda: endpoint.reserved["requests"] == 1)
    left = time.monotonic()

    free = until(lambda: endpoint.reserved["requests"] == 0)
    if stream:  # a short answer in one piece ends by itself
        began = time.monotonic()
        endpoint.ask(max_tokens=900, ignore_eos=True)
        assert free - left < (time.monotonic() - began) / 2, "the answer was finished for nobody"
    assert endpoint.ask(max_tokens=1)[0] == 200


@pytest.mark.parametrize("stream", [True, False])
def test_an_engine_that_dies_is_one_terminal_answer_and_another_engine(own, stream):
    first = own.engine.pid
    with own.client() as client, ThreadPoolExecutor(1) as pool:

        def converse():
            fields = {"model": "editor", "messages": messages(), "max_tokens": 900, "extra_body": {"ignore_eos": True}}
            found = client.chat.completions.create(**fields, stream=stream)
            return list(found) if stream else found

        asked = pool.submit(converse)
        until(lambda: own.reserved["requests"] == 1)
        os.kill(first, signal.SIGKILL)
        with pytest.raises(openai.APIError, match="signal 9") as died:
            asked.result(10)
        assert "hint" not in (died.value.body or {})  # there is nothing that the client could start

    until(lambda: own.call("/ready")[0] == 200)
    assert own.engine.pid != first
    assert own.ask(max_tokens=1)[0] == 200
    assert own.reserved["requests"] == 0
    told = [own.lines.get(timeout=5) for _ in range(4)]
    assert "the engine was ended by signal 9; starting it again" in told[2]
    assert "each as planned" in told[0]
    assert "each as planned" in told[3]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_drains_and_leaves_nothing_behind(own, number):
    engine = own.engine
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(own.ask, max_tokens=200, ignore_eos=True)
        until(lambda: own.reserved["requests"] == 1)
        os.kill(engine.pid, signal.SIGSTOP)  # the answer takes as long as we look
        own.process.send_signal(number)
        until(lambda: own.call("/ready")[2]["status"] == "draining")
        status, headers, refused = own.ask(max_tokens=1)
        assert (status, refused["error"]["code"]) == (503, "engine_loading")
        assert (headers["retry-after"], headers["connection"]) == ("5", "close")
        assert own.call("/health")[0] == 200
        os.kill(engine.pid, signal.SIGCONT)

        assert asked.result(10)[2]["usage"]["completion_tokens"] == 200  # what was being answered is answered

    assert own.process.wait(10) == 0
    assert not engine.is_running() or engine.status() == psutil.STATUS_ZOMBIE


def test_nohup_goes_on_when_the_terminal_closes():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as the child has it then
    try:
        running = Endpoint("-c", "1024")
    finally:
        signal.signal(signal.SIGHUP, before)
    try:
        running.process.send_signal(signal.SIGHUP)
        assert running.ask(max_tokens=1)[0] == 200
    finally:
        assert running.stop() == 0


def test_a_terminal_that_closes_cuts_no_answer():
    ours, theirs = pty.openpty()
    command = [*AIDX, "serve", *TINY, "--port", "0", "-np", "2", "-c", "1024", "-v"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, text=True)
    os.close(theirs)
    url = running.stdout.readline().strip().removeprefix(ADDRESS)
    try:
        with openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0, timeout=30) as client:
            fields = {"model": "editor", "messages": messages(), "max_tokens": 200, "extra_body": {"ignore_eos": True}}
            stream = iter(client.chat.completions.create(**fields, stream=True))
            pieces = [next(stream)]
            os.close(ours)  # nothing can be told from now on
            running.send_signal(signal.SIGHUP)
            pieces += stream
        assert pieces[-1].choices[0].finish_reason == "length"
        assert running.wait(10) == 0
    finally:
        running.kill()
        running.wait()
        running.stdout.close()


def test_ctrl_c_is_interrupted(own):
    assert own.stop(signal.SIGINT) == 130


def test_a_killed_server_takes_its_engine_along(own):
    engine = own.engine
    own.process.kill()
    own.process.wait()

    until(lambda: not engine.is_running() or engine.status() == psutil.STATUS_ZOMBIE, seconds=2)


def test_the_first_line_is_the_address_and_the_next_tells_how_to_use_it():
    running = Endpoint()
    try:
        assert "each as planned" in running.lines.get(timeout=5)
        told = running.lines.get(timeout=5)
        assert f"OPENAI_BASE_URL={running.url}/v1" in told
        assert "aidx-tiny.gguf" in told
        assert "GiB planned" in told
    finally:
        assert running.stop() == 0
    assert running.lines.empty()


def test_a_key_is_wanted_where_one_is_named():
    running = Endpoint("--api-key-env", "AIDX_TEST_KEY", env={"AIDX_TEST_KEY": "sesame"})
    try:
        assert running.call("/v1/models")[0] == 401
        assert running.call("/v1/models", headers={"authorization": "Bearer sesame"})[0] == 200
    finally:
        running.stop()


def serve(*arguments, code):
    done = aidx("serve", *arguments, code=code)
    assert ADDRESS not in done.stdout
    return done


def test_a_plan_that_does_not_hold_is_never_started():
    done = serve(shipped.path(), "--vram", "0", "--host-ram", "16M", "-c", "1024", "--port", "0", code=3)
    assert "does not fit" in done.stderr

    found = json.loads(
        serve(shipped.path(), "--vram", "0", "--host-ram", "16M", "-c", "1024", "--port", "0", "--json", code=3).stdout
    )
    assert found["verdict"] == "does_not_fit"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--host", "0.0.0.0"], 2, "needs an API key"),
        (["--api-key-env", "AIDX_NOT_SET"], 2, "AIDX_NOT_SET is not set"),
        (["--api-key-env", "AIDX_EMPTY"], 2, "AIDX_EMPTY is empty"),
        (["--gate", "5000"], 2, "--gate 5000"),
        (["--max-tokens", "0"], 2, "--max-tokens 0"),
        (["--max-chat-history-tokens", "9999"], 2, "--max-chat-history-tokens 9999"),
        (["--overflow", "shift"], 2, "'shift' is not one of"),
        (["--host", "192.0.2.1", "--api-key-env", "PATH"], 2, "cannot listen on 192.0.2.1"),
    ],
)
def test_what_cannot_be_served_says_why(arguments, code, says, monkeypatch):
    monkeypatch.setenv("AIDX_EMPTY", "")
    assert says in serve(shipped.path(), "--vram", "0", "-c", "1024", "--port", "0", *arguments, code=code).stderr


def test_a_gpu_that_no_engine_sees_is_never_served_on_the_cpu_instead():
    done = serve(shipped.path(), "--vram", "8GiB", "-ngl", "all", "-c", "1024", "--port", "0", code=4)

    assert "no engine here sees one" in done.stderr
    assert "or plan for the CPU with --vram 0" in done.stderr


def test_a_port_in_use_is_said_so(endpoint):
    done = serve(shipped.path(), "--vram", "0", "--port", endpoint.url.rpartition(":")[2], code=2)

    assert "cannot listen" in done.stderr


def test_a_model_that_is_known_and_not_here_is_said_so():
    assert "not on this machine" in serve("qwen2.5-coder:14b", "--vram", "0", "--host-ram", "64G", code=4).stderr


@pytest.mark.parametrize("kind", ["1", "a", " ", "\n", ".", "é", "1 ", "a1"])
def test_no_text_ends_the_engine(endpoint, kind):
    engine = endpoint.engine.pid
    for size in (2_000, 4_000, 40_000, 400_000):
        status, _, _ = endpoint.ask("x" + kind * (size // len(kind)) + "x", max_tokens=1)
        assert status in {200, 400}
    assert endpoint.engine.pid == engine


def test_what_the_engine_took_is_compared_with_the_plan():
    command = [*AIDX, "serve", "aidx-tiny", "--vram", "0", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout.readline().startswith("aidx: serving on http://127.0.0.1:")
        server.terminate()
        _, told = server.communicate(timeout=10)

    assert "in 4 kinds of buffers, each as planned" in told.splitlines()[0]
