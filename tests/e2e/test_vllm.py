"""vLLM: attached to, read back, and counted with its own tokenizer."""

import pytest
from tests.fakes.hosts.vllm import vllm

from aidx.adapters.engines.vllm import ENGINE
from aidx.adapters.stores import shipped
from aidx.budget.settings import Settings
from aidx.errors import BudgetError, EngineError
from aidx.ports import Launch

LAUNCH = Launch(shipped.path(), "tiny", Settings(ctx_size=1024), threads=1)


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
