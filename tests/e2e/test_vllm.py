"""vLLM: attached to, read back, and counted with its own tokenizer."""

import pytest
from tests.contract.test_engine import body, talk, whole
from tests.fakes.hosts.vllm import FakeVllm, vllm
from tests.fakes.upstream import say, upstream

from aidx.adapters.engines.vllm import ENGINE
from aidx.adapters.stores import shipped
from aidx.budget.settings import Settings
from aidx.errors import BudgetError, EngineError
from aidx.ports.engine import Launch

LAUNCH = Launch(shipped.path(), "tiny", Settings(ctx_size=1024), threads=1)
SAID = {"choices": [{"message": {"role": "assistant", "content": "x"}}]}


@pytest.fixture
def scripted():
    """Says ``x`` to everything; what it was asked is kept."""
    with upstream(FakeVllm(None, 1024).routes) as found:
        found.routes["POST", "/v1/chat/completions"] = lambda _: say(SAID)
        yield found


def test_less_than_planned_does_not_hold_and_another_model_is_named():
    with vllm(LAUNCH, length=1000) as ready:
        with pytest.raises(BudgetError, match="1,000 tokens, and 1,024") as less:
            ENGINE.start(ready)
        assert less.value.exit_code == 3
        with pytest.raises(EngineError, match="serves tiny, and not other"):
            ENGINE.start(Launch("", "other", Settings(ctx_size=512), urls=ready.urls))


def test_its_base_may_be_written_as_openai_s():
    with vllm(LAUNCH) as ready:
        deployment = ENGINE.start(Launch("", "tiny", LAUNCH.settings, urls=(f"{ready.urls[0]}/v1",)))
    assert deployment.allocated().build == "vLLM 0.14.1"
    assert "cache_type_k" in deployment.allocated().assumed


def test_the_penalty_of_repetitions_has_vllm_s_name(scripted):
    deployment = ENGINE.start(Launch("", "tiny", LAUNCH.settings, urls=(scripted.url,)))
    talk(deployment, lambda chat: whole(chat, body(repeat_penalty=1.5)))

    asked = scripted.asked("/v1/chat/completions")[-1].json
    assert asked["repetition_penalty"] == 1.5
    assert "repeat_penalty" not in asked  # vLLM passes over what it does not know


def test_a_server_that_does_not_embed_is_known_at_the_start(scripted):
    embedder = Launch("", "tiny", LAUNCH.settings, urls=(scripted.url,), embedding=True)
    scripted.routes["POST", "/v1/embeddings"] = lambda _: say({"detail": "Not Found"}, 404)  # as vLLM 0.32 does
    with pytest.raises(EngineError, match="does not embed") as wrong:
        ENGINE.start(embedder)
    assert wrong.value.exit_code == 4
    scripted.routes["POST", "/v1/embeddings"] = lambda _: say({"data": [{"embedding": [1.0]}]})
    assert ENGINE.start(embedder).allocated().n_ctx == 1024
