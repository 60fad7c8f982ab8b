"""What is said of an answer that was cut: a larger max_tokens only where that lets it go on."""

import pytest

from aidx.gate.admit import Limits
from aidx.pipeline.contract import OTHERWISE, Request
from aidx.pipeline.run.cutoff import way_out

FULL = "The context is full"


@pytest.mark.parametrize(
    ("prompt", "granted", "written", "trained", "said"),
    [
        (100, 200, 200, 0, "[roles.editor] a larger max_tokens (it was 200, 900 have room beside the prompt)"),
        (100, 200, 0, 0, "[roles.editor] a larger max_tokens"),  # nobody has said how many were written
        (800, 200, 200, 0, f"{FULL}: give [roles.editor] a larger ctx_size"),
        (800, 200, 200, 4096, f"{FULL}: give [roles.editor] a larger ctx_size"),
        (800, 200, 200, 1000, f"{FULL}, and the model was trained for no longer one: make the step smaller"),
        (100, 200, 150, 0, "200 tokens were allowed: m itself writes no more, and a larger max_tokens does not help"),
    ],
)
def test_what_would_have_let_it_go_on(prompt, granted, written, trained, said):
    context = (("all", prompt), (OTHERWISE, 50))
    request = Request("edit", "editor", "m", prompt + 50, written, 800, prompt + granted, 0, context)

    hint = way_out(request, Limits(1000, 1000, 1, 800, 200, trained=trained))
    assert said in hint


def test_who_plans_is_asked_for_less():
    request = Request("plan", "architect", "m", 100, 10, 800, 300, 0, (("all", 100),))

    assert way_out(request, Limits(1000, 1000, 1, 800, 200)).endswith(
        "help. Ask for less in TASK, or use another model."
    )
