"""A model that makes vectors, through the embedded engine: aidx-tiny, told by its header to average its tokens."""

import json

import pytest
from tests.embedder import embedder as make
from tests.talking import talk

from aidx.adapters.engines.embedded import ENGINE
from aidx.adapters.stores import shipped
from aidx.budget.settings import Settings
from aidx.errors import EngineError
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
