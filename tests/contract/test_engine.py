"""Every ``Engine`` with its ``Deployment`` and ``Chat`` behaves the same, the fake too; found, not listed."""

import asyncio
import json
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pkgutil import iter_modules
from socket import socket

import pytest
from msgspec.structs import replace
from tests import fakes
from tests.fakes import hosts
from tests.talking import talk

from aidx.adapters import cloud, engines
from aidx.adapters.stores import shipped
from aidx.budget.settings import Settings
from aidx.errors import EngineError, InputError
from aidx.gate.patterns import constraint
from aidx.patterns.schema.shape import Shape
from aidx.ports.engine import Launch

SETTINGS = Settings(ctx_size=1024, parallel=2)
TEXT = "def area(width, height):\n    return width * height\n"


def implementations():
    """The ENGINE of every module among the engines and the fakes that has one, in each place where it can run."""
    names = [
        f"{package.__name__}.{module.name}"
        for package in (engines, cloud, fakes)
        for module in iter_modules(package.__path__)
        if not module.name.startswith("_")
    ]
    found = {
        name.rpartition(".")[2]: module.ENGINE for name in names if hasattr(module := import_module(name), "ENGINE")
    }
    return {
        f"{name}-{place}" if place else name: (engine, host)
        for name, engine in found.items()
        for place, host in places(name).items()
    }


def places(name):
    """Where the engine of the module *name* can run in a test: anywhere, unless ``tests/fakes/hosts`` says where."""
    if name not in {module.name for module in iter_modules(hosts.__path__)}:
        return {"": nullcontext}
    return import_module(f"{hosts.__name__}.{name}").HOSTS


def launch(**changes):
    return Launch(**{"path": shipped.path(), "name": "tiny", "settings": SETTINGS, "threads": 1, **changes})


def body(text=TEXT, **fields):
    return json.dumps({"messages": [{"role": "user", "content": text}], "max_tokens": 12, **fields}).encode()


@pytest.fixture(scope="module", params=implementations().items(), ids=lambda item: item[0])
def hosted(request):
    """An engine and a launch that it can be started with."""
    engine, host = request.param[1]
    with host(launch()) as ready:
        yield engine, ready


@pytest.fixture(scope="module")
def deployment(hosted):
    engine, ready = hosted
    running = engine.start(ready)
    yield running
    running.stop()


@contextmanager
def nobody():
    """An address at which nobody listens."""
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


async def whole(chat, request, slot=0):
    return b"".join([chunk async for chunk in chat.answer(request, slot=slot)])


def test_the_embedded_engine_and_the_fake_are_found():
    assert set(implementations()) >= {"embedded", "engine"}


def test_it_says_what_it_allocated(deployment):
    found = deployment.allocated()

    assert found.n_ctx == SETTINGS.n_ctx
    assert found.build
    assert found.resolution >= 1
    if deployment.pid is None and not found.devices:  # not ours: it says what it does not say
        assert found.assumed
        return
    whats = {entry.what for entry in found.devices["host"]}
    assert {"weights", "kv_cache"} <= whats
    assert found.assumed == ()
    assert all(entry.bytes > 0 and entry.grade == "measured" for entry in found.devices["host"])


def test_a_plain_answer_is_one_object_within_its_bound(deployment):
    answer = json.loads(talk(deployment, lambda chat: whole(chat, body())))

    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["role"] == "assistant"
    assert 1 <= answer["usage"]["completion_tokens"] <= 12


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": TEXT}],
        [{"role": "user", "content": ""}],
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "日本語 <|im_end|> é"}],
        [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c " * 200},
        ],
    ],
)
def test_its_count_is_what_the_answer_s_usage_says(deployment, messages):
    request = json.dumps({"messages": messages, "max_tokens": 1}).encode()

    async def both(chat):
        counted = await chat.count(request)
        used = json.loads(await whole(chat, request))["usage"]["prompt_tokens"]
        return counted, used, chat.precision == "exact"

    try:
        counted, used, exact = talk(deployment, both)
    except InputError:
        if messages[0]["content"]:
            raise
        return  # a service may want words: Anthropic does, and LiteLLM drops a message without any
    assert counted == used if exact else counted > 0


@pytest.mark.parametrize("counting", ["held", "foreseen"])
def test_a_count_that_is_to_hold_is_never_low(hosted, counting):
    """``foreseen`` is about what is counted later: where it is an estimate it says so."""
    engine, ready = hosted
    running = engine.start(replace(ready, counting=counting))
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "日本語 é \ufdfa " + TEXT}]
    request = json.dumps({"messages": messages, "max_tokens": 1}).encode()

    async def both(chat):
        counted = await chat.count(request)
        return counted, json.loads(await whole(chat, request))["usage"]["prompt_tokens"], chat.precision

    try:
        counted, used, precision = talk(running, both)
    finally:
        running.stop()
    if precision == "exact":
        assert counted == used
    elif precision != "estimate":
        assert counted >= used


def test_its_lower_bound_holds(deployment):
    texts = ["x", "word " * 100, "        " * 300, "é" * 500, "1234567890" * 60, TEXT * 12]

    async def check(chat):
        for text in texts:
            assert chat.least(len(text.strip().encode())) <= await chat.count(body(text))

    talk(deployment, check)


def test_a_stream_is_events_and_ends_with_done(deployment):
    stream = talk(deployment, lambda chat: whole(chat, body(stream=True)))

    events = stream.split(b"\n\n")
    assert events[-1] == b""
    assert events[-2] == b"data: [DONE]"
    assert all(event.startswith(b"data: ") for event in events[:-1])
    assert all(json.loads(event[6:])["object"] == "chat.completion.chunk" for event in events[:-2])


def test_two_slots_answer_at_the_same_time(deployment):
    async def both(chat):
        return await asyncio.gather(whole(chat, body(), slot=0), whole(chat, body(), slot=1))

    assert [json.loads(answer)["object"] for answer in talk(deployment, both)] == ["chat.completion"] * 2


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_that_is_left_early_frees_its_slot(deployment, stream):
    async def leave(chat):
        generator = chat.answer(body(stream=stream, max_tokens=500, ignore_eos=True), slot=1)
        first = asyncio.create_task(anext(generator))
        await asyncio.sleep(0.02)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await generator.aclose()
        return await whole(chat, body(max_tokens=1), slot=1)

    assert json.loads(talk(deployment, leave))["usage"]["completion_tokens"] == 1


@pytest.mark.parametrize("text", ["def f(", "x", "日本語 <|im_end|> é\n\n"])
def test_text_is_completed_and_counted_without_a_template(hosted, deployment, text):
    request = json.dumps({"prompt": text, "max_tokens": 3}).encode()

    async def both(chat):
        answer = b"".join([chunk async for chunk in chat.answer(request, slot=0, kind="text")])
        return await chat.count(request, kind="text"), json.loads(answer), chat.precision == "exact"

    if hosted[0].__class__.__name__ == "Anthropic":  # the one interface that has chats only
        with pytest.raises(InputError, match="answers chats only"):
            talk(deployment, both)
        return
    counted, answer, exact = talk(deployment, both)
    assert answer["object"] == "text_completion"
    assert answer["usage"]["prompt_tokens"] == counted if exact else counted > 0
    assert isinstance(answer["choices"][0]["text"], str)


def test_it_says_whether_its_template_shows_tools(deployment):
    async def says(chat):
        return await chat.takes_tools(), chat.precision == "exact"

    takes, ours = talk(deployment, says)
    assert takes is False or not ours  # aidx-tiny's drops them; a service is taken at its word


def test_what_it_says_that_it_enforces_it_enforces(deployment):
    """An engine that says so is asked for an answer that the model would never give by itself."""
    schema = {"type": "string", "enum": ["zyxwv"]}

    async def ask(chat):
        how = constraint(Shape("word", schema, schema), chat.enforces())
        return chat.enforces(), json.loads(await whole(chat, body(temperature=0, **how)))

    enforced, answer = talk(deployment, ask)
    held = answer["choices"][0]["message"]["content"] == '"zyxwv"'
    assert held == (enforced != "none")


def test_what_the_engine_refuses_is_the_request_s_fault(deployment):
    request = json.dumps({"messages": "none", "max_tokens": 1}).encode()
    with pytest.raises(InputError):
        talk(deployment, lambda chat: whole(chat, request))
    with pytest.raises(InputError):
        talk(deployment, lambda chat: chat.count(request))


def test_a_model_or_an_engine_that_is_not_there_is_named(hosted, tmp_path):
    engine, ready = hosted
    path = str(tmp_path / "none.gguf")
    with nobody() as url:
        missing = replace(ready, path=path) if not ready.urls else replace(ready, urls=(url,))
        with pytest.raises(EngineError, match=rf"none\.gguf|nothing answers at {url[7:]}"):
            engine.start(missing)


def test_after_the_stop_everything_says_so(hosted):
    engine, ready = hosted
    running = engine.start(ready)

    async def use(chat):
        ended = asyncio.create_task(running.ended())
        await whole(chat, body(max_tokens=1))
        assert not ended.done()
        running.stop()
        assert await asyncio.wait_for(ended, 2)
        with pytest.raises(EngineError):
            await whole(chat, body())
        with pytest.raises(EngineError):
            await chat.count(body())

    talk(running, use)
    running.stop()
    assert asyncio.run(running.ended())
