"""A model that makes vectors, through the embedded engine: aidx-tiny, told by its header to average its tokens."""

import asyncio
import json
from array import array
from base64 import b64decode

import pytest
from tests.embedder import embedder as make
from tests.talking import talk

from aidx.adapters.engines.embedded import ENGINE
from aidx.adapters.stores import shipped
from aidx.adapters.talk.vectors import Pace
from aidx.budget.settings import Settings
from aidx.errors import EngineError
from aidx.ports.chat import PATIENCE
from aidx.ports.engine import Launch

SETTINGS = Settings(ctx_size=1024, parallel=2)
BODY = json.dumps({"input": ["def f(", "x y z"], "encoding_format": "float"}).encode()


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    found = make(tmp_path_factory.mktemp("model"))
    running = ENGINE.start(Launch(str(found), "embedder", SETTINGS, threads=1, embedding=True))
    yield running
    running.stop()


def test_texts_become_vectors_and_the_count_is_what_is_used(embedder):
    async def both(chat):
        answer = b"".join([chunk async for chunk in chat.answer(BODY, slot=0, kind="embedding")])
        return json.loads(answer), await chat.count(BODY, kind="embedding")

    answer, counted = talk(embedder, both)
    vectors = [one["embedding"] for one in answer["data"]]
    assert len(vectors) == 2
    assert len({len(vector) for vector in vectors}) == 1
    assert vectors[0] != vectors[1]
    assert answer["usage"]["prompt_tokens"] == counted


def test_a_model_that_makes_none_is_not_started_as_one():
    with pytest.raises(EngineError, match="does not answer"):
        ENGINE.start(Launch(shipped.path(), "tiny", SETTINGS, threads=1, embedding=True))


def test_vectors_in_portions_are_those_in_one(embedder):
    """But for the last digits, which depend on what is read at once."""
    texts = [f"def f{number}(rows):\n    return rows[{number}]" for number in range(60)]

    async def both(chat):
        found = []
        for form in ("float", "base64"):
            body = json.dumps({"input": texts, "encoding_format": form}).encode()
            once = json.loads(await chat._one("embedding", body, PATIENCE))
            chat._vectors._pace = Pace()
            found.append(
                (once, json.loads(b"".join([piece async for piece in chat.answer(body, slot=0, kind="embedding")])))
            )
        return found

    for once, put_together in talk(embedder, both):
        vectors = [[floats(one.pop("embedding")) for one in answer["data"]] for answer in (once, put_together)]
        assert put_together == once
        assert vectors[1] == [pytest.approx(vector, abs=1e-4) for vector in vectors[0]]


def floats(vector):
    return list(array("f", b64decode(vector))) if isinstance(vector, str) else vector


def test_who_leaves_in_the_midst_leaves_nothing_to_be_read(embedder):
    body = json.dumps({"input": ["def f(x): " * 40] * 256, "encoding_format": "float"}).encode()

    async def leave(chat):
        async def ask():
            return [piece async for piece in chat.answer(body, slot=0, kind="embedding")]

        asking = asyncio.create_task(ask())
        await asyncio.sleep(0.3)
        assert not asking.done()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        return json.loads((await chat._pool.request("GET", "/slots"))[1])

    assert not any(slot["is_processing"] for slot in talk(embedder, leave))
