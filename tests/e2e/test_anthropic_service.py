"""A service that speaks as Anthropic does: what it says of a model's structured outputs is taken at its word."""

import pytest
from tests.fakes.upstream import say, upstream

from aidx.adapters.cloud import anthropic
from aidx.budget.settings import Settings
from aidx.ports.engine import Launch


@pytest.mark.parametrize(
    ("model", "enforced"),
    [
        ({"capabilities": {"structured_outputs": {"supported": True}}}, "documented"),
        ({"capabilities": {"structured_outputs": {"supported": False}}}, "none"),
        ({"capabilities": None}, "none"),
        ({}, "none"),
    ],
)
def test_what_it_says_of_the_model_is_what_it_enforces(model, enforced):
    with upstream({("GET", "/v1/models/m"): lambda _: say({"id": "m", "type": "model", **model})}) as service:
        launch = Launch("", "m", Settings(ctx_size=4096), urls=(service.url,), key="k")
        assert anthropic.ENGINE.start(launch).chat().enforces() == enforced
