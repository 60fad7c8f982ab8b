"""What a known template makes of messages, and what it leaves to the engine."""

import pytest
from msgspec.structs import replace

from aidx.adapters.templates import read_templates
from aidx.gate.templates import find, fingerprint
from tests.fakes.requests import turn

KNOWN = {template.family: template for template in read_templates()}
HI = turn("user", "hi")


def test_every_known_template_has_a_key_of_its_own_and_says_where_it_is_from():
    keys = [key for template in KNOWN.values() for key in template.sha256]

    assert len(set(keys)) == len(keys) >= len(KNOWN)
    assert all(template.source for template in KNOWN.values())


def test_messages_stand_between_what_the_family_puts_around_them():
    assert KNOWN["chatml"].render([HI]) == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"


def test_without_system_text_the_family_s_own_is_said():
    assert "You are Qwen" in KNOWN["qwen2.5"].render([HI])
    assert "You are Qwen" not in KNOWN["qwen2.5"].render([turn("system", "s"), HI])


def test_system_text_may_stand_in_the_last_question():
    turns = [turn("system", "s"), HI, turn("assistant", "a"), turn("user", "q")]

    assert KNOWN["mistral-nemo"].render(turns) == "[INST]hi[/INST]a</s>[INST]s\n\nq[/INST]"


@pytest.mark.parametrize(
    ("family", "turns"),
    [
        ("chatml", []),
        ("chatml", [HI, turn("assistant", "a")]),
        ("chatml", [HI, turn("system", "s"), HI]),
        ("chatml", [turn("tool", "x"), HI]),
        ("chatml", [replace(HI, plain=False)]),
        ("qwen3", [HI, turn("assistant", "<think>x</think>y"), HI]),
        ("qwen3.5", [turn("user", "\u00a0hi")]),
        ("mistral-nemo", [HI, HI]),
        ("mistral-nemo", [turn("assistant", "a"), HI]),
    ],
    ids=["nothing", "prefill", "late system", "tool", "more than text", "thoughts", "blanks", "two users", "no user"],
)
def test_what_only_the_engine_knows_is_left_to_it(family, turns):
    assert KNOWN[family].render(turns) is None


def test_an_unknown_template_is_found_nowhere():
    assert find(KNOWN.values(), "{{ messages }}") is None
    assert fingerprint("a\n") == fingerprint("a") != fingerprint("a\n\n")
