"""Clients that mean harm, against `aidx serve` as it runs: it answers the others, and keeps its size."""

import json
import socket
from contextlib import ExitStack

import psutil
import pytest
from tests.e2e.test_serve import CHAT, Endpoint, until
from tests.fakes.malice import CORPUS
from tests.running import aidx

MIB = 1 << 20


@pytest.fixture(scope="module")
def endpoint():
    running = Endpoint("-np", "2", "-c", "1024")
    yield running
    running.stop()


def connect(endpoint):
    host, port = endpoint.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def exchange(endpoint, data):
    """Send *data* as it is; what comes back until the connection is closed."""
    with connect(endpoint) as found:
        found.sendall(data)
        parts = []
        while part := found.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def post(body, *, head=b"", length=None):
    size = len(body) if length is None else length
    return b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n%b\r\n%b" % (CHAT.encode(), size, head, body)


@pytest.mark.parametrize("name", CORPUS)
def test_malice_is_refused_and_never_reaches_the_engine(endpoint, name):
    engine = endpoint.engine
    before = engine.cpu_times()
    answer = exchange(endpoint, post(CORPUS[name], head=b"Connection: close\r\n"))

    status = int(answer.split(b" ", 2)[1])
    if status == 200:
        assert b"x-aidx-ignored: x\r\n" in answer  # what was wrong with it was left out
        return
    assert status in {400, 413, 422}
    error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert error["type"] == "invalid_request_error"
    assert len(error["message"]) < 500
    used = sum(engine.cpu_times()[:2]) - sum(before[:2])
    assert used < 0.5  # the engine has nothing to do with it; its own threads wake up now and then


def test_all_of_it_together_leaves_no_trace_in_memory(endpoint):
    process = psutil.Process(endpoint.process.pid)
    exchange(endpoint, post(CORPUS["many keys"], head=b"Connection: close\r\n"))
    before = process.memory_info().rss

    for _ in range(3):
        for body in CORPUS.values():
            exchange(endpoint, post(body, head=b"Connection: close\r\n"))

    assert process.memory_info().rss - before < 32 * MIB


def test_too_large_a_body_is_refused_before_it_is_read(endpoint):
    process = psutil.Process(endpoint.process.pid)
    before = process.memory_info().rss
    answer = exchange(endpoint, post(b"x" * 65_536, length=1 << 40))

    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer
    assert process.memory_info().rss - before < 32 * MIB


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\nX-Long: " + b"a" * 70_000, 431),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n", 431),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", 400),
        (b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ],
    ids=["a long header", "a long path", "another protocol", "a negative length", "two lengths"],
)
def test_heads_that_are_none_are_refused_in_openai_s_shape(endpoint, data, status):
    answer = exchange(endpoint, data)

    assert answer.startswith(b"HTTP/1.1 %d" % status)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]


def test_256_clients_that_dawdle_keep_nobody_waiting(endpoint):
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(endpoint)) for _ in range(256)]
        for number, one in enumerate(slow):
            one.sendall((b"GET /health HT", post(b'{"model":', length=500))[number % 2])
        for _ in range(100):  # how soon, benchmarks/gateway/hostile.py measures
            assert endpoint.call("/health")[0] == 200
        assert endpoint.ask(max_tokens=1)[0] == 200

        heads = slow[::2]
        for one in heads:
            answer = one.recv(4096)  # their time is over after five seconds
            assert answer.startswith(b"HTTP/1.1 408")
    assert endpoint.reserved == {"tokens": 0, "bytes": 0, "requests": 0, "queued": 0}


def test_nobody_may_open_a_thousand_connections(endpoint):
    with ExitStack() as stack:
        many = [stack.enter_context(connect(endpoint)) for _ in range(600)]
        refused = [one for one in many[-20:] if one.recv(4096).startswith(b"HTTP/1.1 503")]
        assert refused
    until(lambda: endpoint.call("/health")[0] == 200)


def test_media_are_never_fetched(endpoint):
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.2)
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/x.png"
        parts = [
            {"type": "image_url", "image_url": {"url": url}},
            {"type": "input_audio", "input_audio": {"data": url}},
            {"type": "text", "text": url},
        ]
        for part in parts:
            message = {"role": "user", "content": [part]}
            assert endpoint.call(CHAT, {"model": "editor", "messages": [message], "max_tokens": 1})[0] in {200, 400}
        with pytest.raises(TimeoutError):
            trap.accept()


def test_the_address_space_of_others_needs_a_key():
    done = aidx("serve", "aidx-tiny", "--host", "0.0.0.0", "--port", "0", code=2)

    assert "needs an API key" in done.stderr
