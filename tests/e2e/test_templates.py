"""What we think a template says, and what the engine makes of it: the same text and the same number of tokens.

The engine renders each known template in a model that is aidx-tiny but for the template; where the file of the
family's own is not here (``tests/golden/templates``, from the engine's source package), that is all there is.
"""

import asyncio
import json
from pathlib import Path

import pytest

from aidx.adapters.engines.embedded import ENGINE
from aidx.adapters.stores import shipped
from aidx.adapters.stores.file import read_header
from aidx.adapters.templates import read_templates
from aidx.budget.settings import Settings
from aidx.gate.prompt import Turn
from aidx.gate.templates import find, fingerprint
from aidx.model.gguf.render import render
from aidx.ports.engine import Launch

GOLDEN = Path(__file__).parents[1] / "golden" / "templates"
USER, SYSTEM, ASSISTANT = "user", "system", "assistant"
CONVERSATIONS = [
    [(USER, "hi")],
    [(SYSTEM, "Be brief."), (USER, "x = 1\n")],
    [(USER, "  blanks \n"), (ASSISTANT, " kept or not\n"), (USER, "\tand here ")],
    [(SYSTEM, "one"), (USER, "a"), (ASSISTANT, "b"), (USER, "c"), (ASSISTANT, "d"), (USER, "日本語 é 🙂 <|im_end|>")],
    [(USER, ""), (ASSISTANT, ""), (USER, "")],
    [(USER, "a"), (USER, "b")],
    [(SYSTEM, "s"), (USER, "q"), (ASSISTANT, "<think>\nhm\n</think>\n\nr"), (USER, "</think> <tool_response>")],
    [(USER, "\u3000wide blanks\u00a0")],
]
BOS, EOS = "<|endoftext|>", "<|im_end|>"  # aidx-tiny's, where a template names the model's own


def turns(conversation):
    return [Turn(role, text, json.dumps({"role": role, "content": text}).encode()) for role, text in conversation]


def model_with(template, folder):
    """aidx-tiny with another template."""
    path = Path(shipped.path())
    header = read_header(str(path), keep_tokenizer=True).header
    metadata = {**header.metadata, "tokenizer.chat_template": template}
    found = folder / "model.gguf"
    found.write_bytes(render(metadata, header.tensors, kinds=header.kinds) + path.read_bytes()[header.size :])
    return str(found)


async def ask(deployment, path, bodies):
    chat = deployment.chat()
    try:
        return [await chat._pool.request("POST", path, json.dumps(body).encode()) for body in bodies]
    finally:
        chat.close()


@pytest.mark.parametrize("template", read_templates(), ids=lambda template: template.family)
def test_the_engine_renders_what_the_table_says(template, tmp_path):
    text = (GOLDEN / f"{template.family}.jinja").read_text("utf-8")
    assert find(read_templates(), text) == template

    bodies = [{"messages": [json.loads(turn.raw) for turn in turns(found)]} for found in CONVERSATIONS]
    deployment = ENGINE.start(Launch(model_with(text, tmp_path), "m", Settings(ctx_size=1024), threads=1))
    try:
        answers = asyncio.run(ask(deployment, "/apply-template", bodies))
    finally:
        deployment.stop()
    ours = [template.render(turns(found)) for found in CONVERSATIONS]

    for mine, (status, body) in zip(ours, answers, strict=True):
        if mine is not None:
            assert status == 200
            assert json.loads(body)["prompt"].removeprefix(BOS) == mine.replace("</s>", EOS)
    assert sum(mine is not None for mine in ours) >= 5


def test_a_line_break_at_the_end_is_the_same_template_and_any_other_change_is_another():
    text = (GOLDEN / "qwen2.5.jinja").read_text("utf-8").rstrip("\n")

    assert fingerprint(text) == fingerprint(text + "\n")
    assert find(read_templates(), text.replace("helpful", "hopeful")) is None
