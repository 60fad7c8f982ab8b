"""A request on its way round the nodes, which come and go meanwhile."""

import asyncio
from contextlib import ExitStack

import pytest
from tests.fakes.upstream import Said, events, say, upstream

from aidx.adapters.engines.aidx import ENGINE, TRIES, BalancedChat
from aidx.adapters.talk.address import address
from aidx.adapters.talk.refusal import BusyError
from aidx.budget.settings import Settings
from aidx.errors import EngineError
from aidx.gate.bound import at_most
from aidx.gate.drive import LoadingError
from aidx.ports.engine import Launch

BODY = b'{"messages":[{"role":"user","content":"x"}],"max_tokens":4}'
LAUNCH = Launch("", "editor", Settings(ctx_size=1024))
GONE = EngineError("the connection was closed", code="engine_failed")
FULL = BusyError("full", retry_after=1.0, code="rate_limited")


class Talk:
    """A node's chat that does what *script* says, one thing a request; whatever it does, all others come back."""

    def __init__(self, chat, name, script):
        self.chat = chat
        self.name = name
        self.script = list(script)

    async def answer(self, *_, **__):
        for node in self.chat._nodes:
            node.up = node.up or node.name != self.name
        said = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(said, Exception):
            raise said
        yield said

    def close(self):
        pass


def ask(*scripts):
    """What is answered by nodes that each follow a script, and how much of each is left."""

    async def run():
        nodes = [address(f"http://127.0.0.1:{1 + number}") for number in range(len(scripts))]
        chat = BalancedChat(nodes, Launch("", "editor", Settings(ctx_size=1024)))
        chat._watch = asyncio.ensure_future(asyncio.sleep(9))  # it looks at nobody
        chat._chats = {at.shown: Talk(chat, at.shown, script) for at, script in zip(nodes, scripts, strict=True)}
        try:
            return [piece async for piece in chat.answer(BODY, slot=0)]
        finally:
            chat.close()

    return asyncio.run(run())


def test_a_node_that_was_gone_and_is_back_is_asked_again():
    assert ask([GONE, b"a"], [GONE, b"a"]) == [b"a"]
    assert ask([GONE, b"a"], [GONE, b"a"], [GONE, b"a"]) == [b"a"]


def test_a_full_node_is_not_asked_twice():
    with pytest.raises(BusyError):
        ask([FULL, b"a"], [FULL, b"a"])


def test_a_request_that_ends_whoever_gets_it_does_not_go_round_for_ever():
    with pytest.raises(EngineError, match="closed"):
        ask([GONE] * TRIES + [b"a"], [GONE] * TRIES + [b"a"], [GONE] * TRIES + [b"a"])


def test_while_no_node_is_there_each_request_is_told_to_come_again():
    async def run():
        chat = BalancedChat([address(f"http://127.0.0.1:{port}") for port in (1, 2)], LAUNCH)
        try:
            with pytest.raises(LoadingError, match="none of 2 nodes answers"):
                await chat.count(BODY)
            with pytest.raises(LoadingError, match="none of 2 nodes answers"):
                await anext(chat.answer(BODY, slot=0))
        finally:
            chat.close()

    asyncio.run(run())


def test_nodes_that_all_go_under_a_request_are_not_its_fault():
    class Gone(Talk):
        async def answer(self, *_, **__):
            raise GONE
            yield b""

    async def run():
        nodes = [address(f"http://127.0.0.1:{port}") for port in (1, 2)]
        chat = BalancedChat(nodes, LAUNCH)
        chat._watch = asyncio.ensure_future(asyncio.sleep(9))
        chat._chats = {node.name: Gone(chat, node.name, [b""]) for node in chat._nodes}
        with pytest.raises(LoadingError):
            await anext(chat.answer(BODY, slot=0))
        chat.close()

    asyncio.run(run())


def test_what_has_begun_is_not_begun_again():
    class Begins(Talk):
        async def answer(self, *_, **__):
            yield b"a"
            raise GONE

    async def run():
        chat = BalancedChat([address("http://127.0.0.1:1")] * 1, Launch("", "editor", Settings(ctx_size=1024)))
        chat._watch = asyncio.ensure_future(asyncio.sleep(9))
        chat._chats = {node.name: Begins(chat, node.name, [b""]) for node in chat._nodes}
        found = []

        async def read():
            async for piece in chat.answer(BODY, slot=0):
                found.append(piece)  # noqa: PERF401 - what came before it broke off is what is asked for

        with pytest.raises(EngineError):
            await read()
        chat.close()
        return found

    assert asyncio.run(run()) == [b"a"]


def counts(more):
    """A node's counter: a token a word of each message, and *more* of its own template."""
    return lambda asked: say({"count": sum(len(m["content"].split()) for m in asked.json["messages"]) + more})


def nodes(stack, *counters):
    """Scripted nodes that count so; ``None``: an endpoint that has no such path. The first has most free cells."""
    found = []
    for number, counter in enumerate(counters):
        role = {"settings": {"n_ctx": 9000 - 100 * number}}
        routes = {
            ("GET", "/v1/models"): lambda _: say({"data": [{"id": "editor", "context_length": 4096}]}),
            ("GET", "/plan"): lambda _, role=role: say({"plan": {"roles": [role]}, "reserved": {"tokens": 0}}),
            ("POST", "/v1/chat/completions"): lambda _: events(b'data: {"choices":[]}\n\n', b"data: [DONE]\n\n"),
        }
        if counter is not None:
            routes["POST", "/tokenize"] = counter
        found.append(stack.enter_context(upstream(routes)))
    return found


def started(nodes, counting="held"):
    urls = tuple(node.url for node in nodes)
    return ENGINE.start(Launch("", "editor", Settings(ctx_size=1024), urls=urls, counting=counting)).chat()


STREAMED = b'{"messages":[{"role":"user","content":"one two"}],"max_tokens":4,"stream":true}'


def counted_and_answered(chat):
    async def run():
        try:
            found = await chat.count(STREAMED)
            async for _ in chat.answer(STREAMED, slot=0):
                pass
            return found, chat.precision
        finally:
            chat.close()

    return asyncio.run(run())


def test_a_prompt_is_as_long_as_the_node_says_that_counts_most():
    with ExitStack() as stack:
        assert counted_and_answered(started(nodes(stack, counts(7), counts(30), counts(1)))) == (32, "exact")


def test_a_node_that_does_not_count_gets_nothing_to_answer():
    with ExitStack() as stack:
        found = nodes(stack, None, counts(7), None)
        for _ in range(3):
            assert counted_and_answered(started(found)) == (9, "exact")
        assert [len(node.asked("/v1/chat/completions")) for node in found] == [0, 3, 0]


@pytest.mark.parametrize("status", [404, 501])
def test_where_no_node_counts_the_bound_is_taken(status):
    with ExitStack() as stack:
        found = nodes(stack, lambda _: say({"error": {"message": "no"}}, status))
        assert counted_and_answered(started(found)) == (at_most(STREAMED), "bound")
        assert not [each for each in found[0].asked("/tokenize") if b"one two" in each.body]


@pytest.mark.parametrize(
    "plan", [b"[" * 100_000, b'{"plan":{"roles":[{"settings":{"n_ctx":1e999}}]},"reserved":{"tokens":0}}']
)
def test_a_node_whose_plan_is_none_is_taken_for_gone(plan):
    with ExitStack() as stack:
        (node,) = nodes(stack, counts(7))
        node.routes["GET", "/plan"] = lambda _: Said(200, plan)
        with pytest.raises(LoadingError):
            counted_and_answered(started([node]))


def test_what_nobody_is_asked_to_count_goes_where_it_fits():
    """Whoever does not believe the nodes' counts holds the prompt to a bound, which is every node's."""

    async def run(chat):
        try:
            return b"".join([piece async for piece in chat.answer(STREAMED, slot=0)])
        finally:
            chat.close()

    with ExitStack() as stack:
        assert b"choices" in asyncio.run(run(started(nodes(stack, counts(7)))))


@pytest.mark.parametrize(("now", "sent"), [(7, 1), (3, 1), (8, 0), (None, 0)])
def test_a_node_that_was_gone_since_it_counted_counts_anew(now, sent):
    async def run(chat, node):
        try:
            await chat.count(STREAMED)
            (inner,) = chat._nodes
            inner.lost()
            inner.up = True
            node.routes["POST", "/tokenize"] = counts(now) if now else lambda _: say({"error": {"message": "no"}}, 404)
            async for _ in chat.answer(STREAMED, slot=0):
                pass
        finally:
            chat.close()

    with ExitStack() as stack:
        (node,) = nodes(stack, counts(7))
        launch = Launch("", "editor", Settings(ctx_size=1024), counting="held")
        chat = BalancedChat([address(node.url)], launch, counts=True)
        if sent:
            asyncio.run(run(chat, node))
        else:
            with pytest.raises(EngineError, match="it is not sent there" if now else "does not count a prompt"):
                asyncio.run(run(chat, node))
        assert len(node.asked("/v1/chat/completions")) == sent


def test_a_node_that_stops_counting_is_an_error():
    with ExitStack() as stack:
        (node,) = nodes(stack, counts(7))
        chat = started([node])
        node.routes["POST", "/tokenize"] = lambda _: say({"error": {"message": "no"}}, 501)
        with pytest.raises(EngineError):
            counted_and_answered(chat)
        assert node.asked("/v1/chat/completions") == []


def test_in_a_dry_run_nodes_of_this_machine_are_asked_and_no_others(monkeypatch):
    with ExitStack() as stack:
        found = nodes(stack, counts(7))
        assert counted_and_answered(started(found, "foreseen")) == (9, "exact")
        monkeypatch.setattr("aidx.adapters.engines.aidx.HERE", frozenset())
        assert counted_and_answered(started(found, "foreseen"))[1] == "estimate"
        assert len([each for each in found[0].asked("/tokenize") if b"one two" in each.body]) == 1
