"""Patterns fed by models behind gates."""

import asyncio
import json

import pytest
from msgspec.structs import replace

from aidx.errors import EngineError, InputError
from aidx.gate.admit import Limits, RefusedError, Reserved
from aidx.gate.drive import Gate
from aidx.gate.patterns import drive, heard
from aidx.patterns import direct
from aidx.patterns.schema.shape import Shape, choice
from aidx.patterns.terms import Terms
from aidx.patterns.vocabulary import Answer, Ask, Command, Ran, Said, ask, run
from aidx.ports.chat import PATIENCE
from tests.fakes.engine import FakeChat
from tests.fakes.requests import prompt

LIMITS = Limits(n_ctx=128, n_ctx_seq=128, slots=2, gate=100, max_tokens=16)


def driven(pattern, runner=None, **chats):
    """The answer of *pattern* by *chats*; every reservation is released afterwards."""

    async def go():
        gates = {role: Gate(LIMITS, asyncio.get_running_loop().time) for role in chats}
        for role, chat in chats.items():
            gates[role].attach(chat)
        try:
            return await asyncio.wait_for(drive(pattern, gates, runner), 10)
        finally:
            await asyncio.sleep(0)
            assert all(gate.reserved == Reserved(0, 0, 0) for gate in gates.values())

    return asyncio.run(go())


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


def test_direct_asks_its_role_and_counts_what_it_took():
    editor, drafter = FakeChat(script=["yes"]), FakeChat()
    found = driven(direct.answer(prompt("hi", 4), Terms()), editor=editor, drafter=drafter)

    assert (found.text, found.role) == ("yes", "editor")
    assert found.completion_tokens == 4
    assert found.said.cells == found.prompt_tokens + 4
    assert json.loads(found.said.whole)["choices"][0]["message"]["content"] == "yes"
    assert drafter.seen == []


def test_a_stream_is_asked_for_in_one_piece():
    chat = FakeChat(script=["yes"])
    driven(direct.answer(prompt("hi", stream=True), Terms()), editor=chat)

    assert "stream" not in json.loads(chat.seen[0])


@pytest.mark.parametrize(
    ("enforced", "field"), [("llguidance", "grammar"), ("json_schema", "response_format"), ("none", None)]
)
def test_a_shape_is_told_in_the_words_that_the_engine_knows(enforced, field):
    chat = FakeChat(script=['"a"'], enforced=enforced)
    driven(iter_once(Ask("editor", prompt("hi"), choice("verdict", ("a", "b")))), editor=chat)

    sent = json.loads(chat.seen[0])
    assert {"grammar", "response_format"} & set(sent) == ({field} if field else set())
    assert field is None or "enum" in json.dumps(sent[field])


RECORD = Shape("a word", *[{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}] * 2)
CLOSED = {**RECORD.grammar, "additionalProperties": False}


class Refusing(FakeChat):
    """Takes no ``response_format``."""

    async def answer(self, body, *, slot, kind="chat", patience=PATIENCE):
        if "response_format" in json.loads(body):
            self.seen.append(body)
            raise InputError("the service refuses the request", code=self.script[0])
        async for piece in super().answer(body, slot=slot, kind=kind, patience=patience):
            yield piece


def test_what_a_service_says_of_itself_is_used_and_the_words_are_told_as_well():
    narrow, wide = replace(RECORD, grammar=CLOSED), choice("verdict", ("a", "b"))
    chat = FakeChat(script=["{}", '"a"'], enforced="documented")
    for shape in (narrow, wide):
        driven(iter_once(Ask("editor", prompt("hi"), shape)), editor=chat)

    first, second = map(json.loads, chat.seen)
    assert first["response_format"]["json_schema"] == {"name": "a_word", "schema": CLOSED, "strict": True}
    assert "response_format" not in second
    assert all("satisfies this schema" in sent["messages"][-1]["content"] for sent in (first, second))


def test_a_model_that_refuses_what_its_service_documents_is_asked_in_words():
    chat = Refusing(script=["invalid_request", "invalid_request"], enforced="documented")
    found = driven(iter_once(Ask("editor", prompt("hi"), replace(RECORD, grammar=CLOSED))), editor=chat)

    assert found.text == "invalid_request"  # the fake's words
    assert ["response_format" in json.loads(sent) for sent in chat.seen] == [True, False]


@pytest.mark.parametrize(
    ("enforced", "code"), [("documented", "context_length_exceeded"), ("json_schema", "invalid_request")]
)
def test_any_other_refusal_stands(enforced, code):
    chat = Refusing(script=[code], enforced=enforced)
    with pytest.raises(InputError, match="refuses"):
        driven(iter_once(Ask("editor", prompt("hi"), replace(RECORD, grammar=CLOSED))), editor=chat)
    assert len(chat.seen) == 1


def iter_once(asked):
    said = yield from ask(asked)
    return Answer(said, asked.role, ())


def test_what_fails_is_raised_where_the_pattern_asked():
    def pattern():
        heard = []
        for request in (Ask("dead", prompt()), Ask("none", prompt()), Ask("editor", prompt("one " * 200))):
            try:
                yield from ask(request)
            except (EngineError, InputError, RefusedError) as error:
                heard.append(error.code)
        return Answer(Said(",".join(heard)), "editor", ())

    found = driven(pattern(), dead=FakeChat(dead=True), editor=FakeChat())
    assert found.text == "engine_failed,role_not_configured,context_length_exceeded"


def test_what_a_pattern_does_not_catch_is_raised_and_the_pattern_is_closed():
    closed = []

    def pattern():
        try:
            yield from ask(Ask("editor", prompt()))
        finally:
            closed.append(True)

    with pytest.raises(EngineError):
        driven(pattern(), editor=FakeChat(dead=True))
    assert closed == [True]


def test_a_caller_who_leaves_frees_what_the_pattern_holds():
    closed = []

    def pattern():
        try:
            yield from ask(Ask("editor", prompt()))
        finally:
            closed.append(True)

    async def go():
        chat = FakeChat(hold=asyncio.Event())
        gate = Gate(LIMITS, asyncio.get_running_loop().time)
        gate.attach(chat)
        task = asyncio.create_task(drive(pattern(), {"editor": gate}))
        await settle()
        assert chat.held
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await settle()
        assert (gate.reserved, chat.held) == (Reserved(0, 0, 0), set())

    asyncio.run(asyncio.wait_for(go(), 10))
    assert closed == [True]


def test_commands_are_run_by_who_can():
    def pattern():
        ended = yield from run(Command("tests", "text"))
        return Answer(Said(ended.output), "editor", ())

    async def runner(command):
        return Ran(1, f"{command.name} read {command.text}")

    assert driven(pattern(), runner).text == "tests read text"
    with pytest.raises(InputError, match="tests cannot be run"):
        driven(pattern())


def test_candidates_for_the_first_token_are_heard():
    top = [{"token": "a", "logprob": -0.1}, {"token": "b", "logprob": -2.5}]
    choice = {"message": {"content": "a"}, "logprobs": {"content": [{"top_logprobs": top}]}}

    assert heard(json.dumps({"choices": [choice]}).encode()).first == {"a": -0.1, "b": -2.5}


@pytest.mark.parametrize("whole", [b"", b"[]", b"{}", b'{"choices": []}', b'{"choices": [{}]}', b'{"choices": [1]}'])
def test_what_is_no_answer_is_the_engine_s_failure(whole):
    with pytest.raises(EngineError, match="no chat completion"):
        heard(whole)
