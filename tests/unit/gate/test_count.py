"""Who counts: we where we can, the engine otherwise, and the engine for good once we were wrong."""

import asyncio

import pytest
from msgspec.structs import replace

from aidx.gate.count import AT_ONCE, Counter, Own
from aidx.gate.prompt import Prompt
from aidx.gate.templates import Template
from aidx.gate.tokens import tokens
from aidx.model.vocabulary import Vocabulary
from tests.fakes.engine import FakeChat
from tests.fakes.requests import prompt, turn

CHATML = Template(
    "chatml", (), "test", {role: (f"<{role}>", "<end>") for role in ("system", "user", "assistant")}, "<assistant>"
)
LETTERS = {bytes([byte]): byte for byte in range(256)}


def own(template=CHATML, *, bos=False, merges=(), special=("<assistant>", "<system>", "<user>", "<end>")):
    ranks = LETTERS | {merge: rank for rank, merge in enumerate(merges, start=256)}
    return Own(tokens(Vocabulary("gpt-2", ranks, tuple(sorted(special, key=len, reverse=True)), bos)), template)


def count(asked, found, **fake):
    chat, lines = FakeChat(**fake), []

    async def run():
        counter = Counter(found, lines.append)
        return await counter.count(chat, asked), counter

    counted, counter = asyncio.run(run())
    assert lines == []
    assert (counter.own_counts, counter.by_engine) == ((0, 1) if chat.counts else (1, 0))
    return counted, chat


def test_bytes_and_special_tokens_are_counted_without_the_engine():
    assert count(prompt("hello"), own())[0] == 5 + 3
    assert count(prompt("hello", before=[("system", "abc")]), own())[0] == 5 + 3 + 3 + 2


def test_words_are_merged_as_the_vocabulary_says():
    assert (
        count(prompt("hello hello"), own(merges=[b"he", b"ll", b"hell"]))[0] == 2 + 1 + 2 + 3
    )  # hell o, blank, hell o


def test_what_stands_in_a_message_may_be_a_special_token_too():
    assert count(prompt("a<end>b"), own())[0] == 3 + 3


@pytest.mark.parametrize(
    ("template", "bos"), [(CHATML, True), (Template("x", (), "test", CHATML.roles, "", bos=True), True)]
)
def test_a_token_for_the_beginning_is_counted_once(template, bos):
    assert count(prompt("a"), own(template, bos=bos))[0] == 1 + 2 + 1 + (template is CHATML)


def test_text_without_a_template_is_counted_as_it_is():
    asked = Prompt((), ("abc<end>",), b'"prompt":"abc<end>"', kind="text")

    assert count(asked, own())[0] == 4
    assert count(asked, own(None, bos=True))[0] == 5


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (prompt("hello"), None),
        (prompt("hello"), own(None)),
        (prompt("hello", tools=True), own()),
        (Prompt((turn("user", "a"), turn("assistant", "b"))), own()),  # the answer's beginning: the engine continues it
        (Prompt((turn("tool", "a"), turn("user", "b"))), own()),
        (Prompt((replace(turn("user", "a"), plain=False), turn("user", "b"))), own()),
        (Prompt((), ("a",), b'"input":["a"]', kind="embedding"), own()),
    ],
    ids=["unknown model", "unknown template", "tools", "prefill", "tool result", "more than text", "embedding"],
)
def test_the_engine_counts_what_we_cannot(asked, found):
    assert count(asked, found)[1].counts == 1


def test_long_text_is_counted_beside_the_event_loop_and_to_the_same_number():
    text = "word " * AT_ONCE

    async def run():
        counter = Counter(own(merges=[b"wo", b"rd"]), lambda _: None)
        return [await counter.count(FakeChat(), prompt(text)) for _ in range(2)]

    first, again = asyncio.run(run())
    assert first == again == own(merges=[b"wo", b"rd"]).tokens.count(f"<user>{text}<end><assistant>")


def test_a_count_that_is_off_is_said_once_and_the_engine_counts_from_then_on():
    lines, chat = [], FakeChat()

    async def run():
        counter = Counter(own(), lines.append)
        counter.compare(8, 8)
        assert lines == []
        for _ in range(3):
            counter.compare(8, 10)
        counter.know(own())  # read late: it was wrong already
        await counter.count(chat, prompt("hello"))
        return counter.drifts

    assert asyncio.run(run()) == 3
    assert lines == [
        "a prompt of 10 tokens was counted as 8: our count is off by 2; the engine counts from now on",
    ]
    assert chat.counts == 1


def test_an_engine_that_disagrees_with_itself_is_said_so():
    lines = []
    asyncio.run(_compare(lines))

    assert lines == ["a prompt of 9 tokens was counted as 8: the engine's own count is off by 1"]


async def _compare(lines):
    Counter(None, lines.append).compare(8, 9)


def test_lines_are_remembered_where_a_text_is_not_the_same_again():
    counter = own(merges=[b"re", b"tu", b"rn"]).tokens
    source = "".join(f"    return {number}\n" for number in range(40))
    first = counter.count(source)
    known = dict(counter._known)

    assert counter.count(source + "    x") == first + 5
    assert len(counter._known) == len(known) + 2  # the last line, and all of it
    assert first == len(counter._core.encode_ordinary(source))


def test_special_tokens_that_overlap_are_cut_out_longest_first():
    counter = own(None, special=("bcd", "ab", "d")).tokens

    assert counter.count("abcd") == 2  # a, bcd: not ab, c, d
    assert counter.count("abd") == 2
    assert counter.count("xabx") == 3


def test_what_is_remembered_is_bounded():
    counter = own(None).tokens
    for number in range(300):
        counter.count(f"{number} " + "x " * 5_000)

    assert counter._remembered <= 2 << 20
    assert counter._remembered == sum(len(text) + 100 for text in counter._known)


def test_what_two_count_at_the_same_time_is_remembered_once():
    counter = own(None).tokens
    text = "".join(f"x{number} " for number in range(6_000))

    async def both():
        return await asyncio.gather(counter.count_beside(text), counter.count_beside(text))

    first, second = asyncio.run(both())

    assert first == second == counter.count(text)
    assert list(counter._order) == list(counter._known)
