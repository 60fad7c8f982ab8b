"""Plans written by hand, and a tour made of them."""

import pytest
from msgspec.structs import replace
from tests.fakes import plans

from aidx.budget.compare import compare
from aidx.budget.ledger import Entry
from aidx.page.story import Budget, Edit, Refusal, Row, Running, Story
from aidx.plan.article import Claim

MIB = plans.MIB


@pytest.fixture
def gpu():
    return plans.gpu()


@pytest.fixture
def host():
    return plans.host()


@pytest.fixture
def role():
    return plans.role()


@pytest.fixture
def plan():
    return plans.fitting()


@pytest.fixture
def too_big():
    return plans.too_big()


@pytest.fixture
def story(gpu):
    allocated = {
        "host": (
            Entry("weights", 12 * MIB, "", "measured"),
            Entry("kv_cache", 6 * MIB, "", "measured"),
            Entry("compute", 9 * MIB, "", "measured"),
            Entry("output", 10_486, "", "measured"),
        )
    }
    small = plans.small()
    return Story(
        budget=Budget(
            stated=replace(gpu, name="article", entries=(Entry("driver", plans.GIB // 2, "stated", "assumed"),)),
            table=(Row("Model weights", 8 * plans.GIB, 8_544_198_656, "holds"),),
            plans={"F16": plans.too_big(), "Q4_K_M": plans.fitting()},
            claims=(Claim("weights ~8 GB", 8 * plans.GIB, 8_544_198_656, "holds", "a note"),),
        ),
        running=Running(small, compare(small.ledger, allocated, resolution=MIB // 100), "llama.cpp b11549", 150 * MIB),
        edit=Edit(
            kind="rename",
            file="textwrap.py",
            instruction="Rename <f> to g.",
            shown="01|def f(a):\n02|    return a < 1",
            answer="01|def g(a):",
            result="def g(a):\n    return a < 1",
            diff=("--- a/x", "+++ b/x", "@@ -1,2 +1,2 @@", "-def f(a):", "+def g(a):", "     return a < 1"),
            refused=None,
            as_expected=True,
            prompt_tokens=41,
        ),
        refusal=Refusal("the prompt has 1400 tokens", {"n_prompt_tokens": 1400, "gate": 768, "over_by": 632}),
        carried=(),
    )
