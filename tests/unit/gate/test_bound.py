"""A bound on the tokens of a chat that holds for any tokenizer that leaves no byte out."""

import json
import random
import unicodedata

import pytest

from aidx.adapters.stores import shipped
from aidx.errors import InputError
from aidx.gate.bound import OF_A_MESSAGE, OF_THE_TEMPLATE, at_most, longest, spared
from aidx.wiring import own_count


def body(*texts, **fields):
    messages = [{"role": "system" if number == 0 else "user", "content": text} for number, text in enumerate(texts)]
    return json.dumps({"messages": messages, **fields}).encode()


def test_each_byte_and_each_message_is_counted():
    words = len("system") + len("user")

    assert at_most(body("é", "abc")) == words + 3 + 3 + 3 * OF_A_MESSAGE + OF_THE_TEMPLATE  # é is three bytes in NFD


@pytest.mark.parametrize("text", ["\ufdfa", "\u0958", "\U0001d160", "\ufb2c", "ﬁ", "한국어", "plain", "", "\ud800"])
def test_the_longest_normal_form_counts(text):
    forms = (text, *(unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD")))

    assert longest(text) == max(len(form.encode("utf-8", "surrogatepass")) for form in forms)


def test_a_ligature_is_as_many_bytes_as_its_compatibility_form():
    assert (len("\ufdfa".encode()), longest("\ufdfa")) == (3, 33)


@pytest.mark.parametrize("field", ["tools", "response_format"])
def test_what_a_template_may_show_beside_the_messages_counts(field):
    value = [{"type": "function", "function": {"name": "é" * 10}}]

    assert at_most(body("a", **{field: value})) >= at_most(body("a")) + len(json.dumps(value, indent=4))


def test_calls_of_tools_count():
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "x" * 100}]}

    assert at_most(json.dumps({"messages": [call]}).encode()) > OF_THE_TEMPLATE + 2 * OF_A_MESSAGE + 100


@pytest.mark.parametrize("given", [b"{}", b'{"messages": 3}', b'{"messages": ["x"]}', b"[]"])
def test_what_is_no_chat_is_refused(given):
    with pytest.raises(InputError):
        at_most(given)


def test_the_real_tokenizer_never_exceeds_it():
    tokens = own_count(shipped.path()).tokens
    source = random.Random(7)
    letters = "ab \n\t{}()é日\u0958\ufdfa😀<|im_end|>0123"
    for _ in range(300):
        text = "".join(source.choices(letters, k=source.randrange(1, 200)))
        assert tokens.count(text) <= longest(text)


def test_a_service_that_calls_its_count_an_estimate_is_given_room():
    assert [spared(count) for count in (1, 320, 3200)] == [17, 346, 3316]
