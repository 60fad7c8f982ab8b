"""Every embedder does the same: through the gate to a model of our own, over HTTP, and the fake."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from math import isclose
from pathlib import Path
from threading import Thread
from time import monotonic

import pytest
from tests.fakes.index import LetterEmbedder

from aidx.adapters.embeddings import HttpEmbedder
from aidx.adapters.engines.embedded import ENGINE
from aidx.adapters.stores import shipped
from aidx.adapters.stores.file import read_header
from aidx.budget.settings import Settings
from aidx.errors import EngineError, InputError
from aidx.gate.admit import limits
from aidx.gate.embed import GateEmbedder
from aidx.model.gguf.render import render
from aidx.pipeline.research.build import embed_all
from aidx.ports.engine import Launch
from aidx.ports.retrieval import vectors_in

MEAN = 1  # llama.cpp's LLAMA_POOLING_TYPE_MEAN
SETTINGS = Settings(ctx_size=1024, parallel=1)
TEXTS = [f"def f{n}(rows):\n    return rows[{n}]" for n in range(40)]


@pytest.fixture(scope="module")
def launch(tmp_path_factory):
    """aidx-tiny, told by its header to average its tokens."""
    path = Path(shipped.path())
    header = read_header(str(path), keep_tokenizer=True).header
    key = f"{header.metadata['general.architecture']}.pooling_type"
    found = tmp_path_factory.mktemp("model") / "embedder.gguf"
    found.write_bytes(
        render({**header.metadata, key: MEAN}, header.tensors, kinds=header.kinds) + path.read_bytes()[header.size :]
    )
    return Launch(str(found), "embedder", SETTINGS, threads=1, embedding=True)


@pytest.fixture(scope="module")
def server(launch):
    """The engine's own server: a real one, with a key."""
    running = ENGINE.start(launch)
    yield running
    running.stop()


@pytest.fixture(scope="module", params=["gate", "http", "fake"])
def embedder(request, launch):
    if request.param == "gate":
        made = GateEmbedder("embedder", lambda: ENGINE.start(launch), limits(SETTINGS, 1024), monotonic)
    elif request.param == "http":
        running = request.getfixturevalue("server")
        made = HttpEmbedder(running._url.geturl(), "embedder", running._key)
    else:
        made = LetterEmbedder(most=4000)
    yield made
    made.close()


def test_it_has_a_name(embedder):
    assert embedder.name in {"embedder", "letters"}


def test_each_text_has_a_vector_of_its_own(embedder):
    vectors = embedder.embed(TEXTS)

    assert len(vectors) == len(TEXTS)
    assert len({len(vector) for vector in vectors}) == 1
    (alone,) = embedder.embed([TEXTS[7]])
    assert all(isclose(one, other, abs_tol=1e-3) for one, other in zip(alone, vectors[7], strict=True))


def test_no_text_is_no_vector(embedder):
    assert embedder.embed([]) == ()


def test_a_text_that_is_too_long_is_refused_and_the_next_one_is_not(embedder):
    with pytest.raises(InputError):
        embedder.embed(["word " * 3000])
    assert len(embedder.embed(["word"])) == 1


def test_a_text_that_is_too_long_has_the_mean_of_its_parts(embedder):
    (whole,) = embed_all(embedder, [f"{'a b c d ' * 200}\n{'x y z ' * 700}"])

    assert len(whole) == len(embedder.embed(["a"])[0])


@contextmanager
def answering(status, body):
    """A server that says only this."""

    class Only(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Only) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def vectors(*found):
    return json.dumps({"data": [{"index": n, "embedding": each} for n, each in enumerate(found)]}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "told"),
    [
        (401, b"no", EngineError, "status 401"),
        (404, b"model not found", EngineError, "status 404"),
        (500, b"broken", EngineError, "status 500"),
        (500, b"input is too large to process", InputError, "refuses a text"),
        (400, b"context length", InputError, "refuses a text"),
        (200, b"{}", EngineError, "holds no embeddings"),
        (200, b"<html>", EngineError, "holds no embeddings"),
        (200, vectors([1.0]), EngineError, "does not hold 2"),
        (200, vectors([1.0], [1.0, 2.0]), EngineError, "does not hold 2"),
        (200, vectors([], []), EngineError, "does not hold 2"),
        (200, vectors([1.0], [float("nan")]), EngineError, "does not hold 2"),
        (200, vectors(["x"], [1.0]), EngineError, "holds no embeddings"),
    ],
)
def test_what_a_server_says_is_not_believed(status, body, kind, told):
    with answering(status, body) as url, pytest.raises(kind, match=told) as caught:
        HttpEmbedder(f"{url}/v1/", "m").embed(["a", "b"])
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_a_server_that_is_not_there_is_one_line():
    with pytest.raises(EngineError, match="does not answer"):
        HttpEmbedder("http://127.0.0.1:9", "m").embed(["a"])


def test_vectors_come_in_the_order_of_the_texts():
    body = json.dumps({"data": [{"index": 1, "embedding": [2]}, {"index": 0, "embedding": [1]}]}).encode()

    assert vectors_in(body, 2) == ((1.0,), (2.0,))
