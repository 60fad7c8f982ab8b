"""The endpoint without a socket: requests in, answers out, a fake model behind the gate."""

import asyncio
import json
import threading
from dataclasses import dataclass, field

import pytest

from aidx.gate.admit import Limits
from aidx.gate.drive import Gate
from aidx.serve import app, wire
from aidx.serve.app import App, Service
from aidx.serve.door import Door
from aidx.serve.run.bug import telling
from tests.fakes.engine import FakeChat

LIMITS = Limits(n_ctx=128, n_ctx_seq=128, slots=2, gate=100, max_tokens=16)
PLAN = {"schema": "aidx.plan/1", "devices": []}
CHAT = "/v1/chat/completions"


@dataclass
class Caller:
    """A client of a server that is none."""

    method: str
    path: str
    headers: list
    content: bytes | None
    sent: list
    gone: bool = False

    async def body(self):
        if self.content is None:
            await asyncio.Event().wait()
        return self.content

    def begin(self, status, headers):
        self.sent.append({"status": status, "headers": headers})

    def write(self, data, *, more=True):
        self.sent.append({"body": data, "more_body": more})

    def whole(self, status, headers, body):
        self.begin(status, headers)
        self.write(body, more=False)

    async def drain(self):
        """It takes everything at once."""


@dataclass
class Client:
    """One request: the body that is sent (``None``: it never comes), what came back, and a way to leave."""

    body: bytes | None = b""
    sent: list = field(default_factory=list)

    async def ask(self, app, method="POST", path=CHAT, headers=((b"host", b"127.0.0.1"),)):
        self.caller = Caller(method, path, list(headers), self.body, self.sent)
        self.task = asyncio.current_task()
        await app(self.caller)

    def leave(self):
        self.caller.gone = True
        self.task.cancel()

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def headers(self):
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def content(self):
        assert self.sent[-1].get("more_body", False) is False
        assert all(message.get("more_body") for message in self.sent[1:-1])
        return b"".join(message["body"] for message in self.sent[1:])

    @property
    def error(self):
        return json.loads(self.content)["error"]


class World:
    """An app with one service, `editor`, which is the model `tiny`."""

    def __init__(self, limits=LIMITS, key=None, host="127.0.0.1", **fake):
        self.chat = FakeChat(**fake)
        self.gate = Gate(limits, asyncio.get_running_loop().time)
        self.gate.attach(self.chat)
        self.app = App([Service("editor", "tiny", self.gate, cell_bytes=10)], PLAN, Door(host, key))

    async def call(self, method, path, body=b"", headers=(), client=None):
        client = client or Client(body)
        given = {"host": "127.0.0.1:8411", **dict(headers)}
        raw = [(name.encode(), value.encode()) for name, value in given.items() if value is not None]
        await client.ask(self.app, method, path, raw)
        return client

    async def ask(self, client=None, headers=(), **fields):
        return await self.call("POST", CHAT, request(**fields), headers, client)


def request(text="hello", **fields):
    return json.dumps({"model": "editor", "messages": [{"role": "user", "content": text}], **fields}).encode()


async def until(condition):
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0)


def run(scenario, **options):
    async def inside():
        began = asyncio.get_running_loop().time()
        found = await asyncio.wait_for(scenario(World(**options)), 10)
        assert asyncio.get_running_loop().time() - began < 5, "somebody was not told that the client left"
        return found

    return asyncio.run(inside())


def test_a_plain_answer_is_the_engine_s_bytes_with_our_headers():
    async def scenario(world):
        return await world.ask(max_tokens=3, user="me"), await world.chat.count(request())

    client, tokens = run(scenario)
    assert client.status == 200
    assert json.loads(client.content)["choices"][0]["message"]["content"] == "hello hello hello"
    assert (
        client.headers
        | {
            "content-type": "application/json",
            "x-aidx-role": "editor",
            "x-aidx-prompt-tokens": str(tokens),
            "x-aidx-kv-reserved": str(tokens + 3),
            "x-aidx-max-tokens": "3",
            "x-aidx-ignored": "user",
        }
        == client.headers
    )
    assert int(client.headers["content-length"]) == len(client.content)


def test_a_stream_is_the_engine_s_events():
    client = run(lambda world: world.ask(max_tokens=3, stream=True))

    assert client.headers["content-type"] == "text/event-stream"
    assert client.content.count(b"hello") == 3
    assert client.content.endswith(b"data: [DONE]\n\n")
    assert "x-aidx-ignored" not in client.headers


def test_the_model_s_own_name_is_as_good_as_the_role():
    assert run(lambda world: world.ask(model="tiny", max_tokens=1)).status == 200


def test_what_is_over_the_gate_is_refused_with_the_numbers():
    client = run(lambda world: world.ask(text="word " * 90, max_tokens=4))

    assert client.status == 400
    assert client.error["code"] == "context_length_exceeded"
    assert client.error["type"] == "invalid_request_error"
    assert client.error["n_ctx"] == 128
    assert client.error["gate"] == 100
    assert client.error["over_by"] == client.error["n_prompt_tokens"] - 100 > 0


def test_many_dropped_names_are_counted():
    async def scenario(world):
        return await world.ask(**{f"u{number}": 1 for number in range(3_000)})

    said = run(scenario).headers["x-aidx-ignored"]
    named, _, more = said.rpartition(", and ")
    assert len(said) <= 1024
    assert more == f"{3_000 - named.count(',') - 1} more"
    assert named.endswith(f", u{named.count(',')}")


def test_an_unknown_model_is_not_found_and_the_known_ones_are_listed():
    client = run(lambda world: world.ask(model="gpt-9"))

    assert client.status == 404
    assert client.error["code"] == "model_not_found"
    assert "editor, tiny" in client.error["message"]


def test_a_full_queue_is_429_with_retry_after():
    hold = asyncio.Event()

    async def scenario(world):
        tasks = [asyncio.create_task(world.ask(max_tokens=40)) for _ in range(10)]
        for _ in range(50):
            await asyncio.sleep(0)
        refused = await world.ask(max_tokens=40)
        hold.set()
        return refused, await asyncio.gather(*tasks)

    refused, answered = run(scenario, hold=hold)
    assert refused.status == 429
    assert refused.error["code"] == "kv_budget_exhausted"
    assert int(refused.headers["retry-after"]) >= 1
    assert [client.status for client in answered] == [200] * 10


@pytest.mark.parametrize("fail_after", [0, 1, 3, 4, 5])
def test_an_engine_that_dies_in_a_stream_ends_it_with_one_error_event(fail_after):
    client = run(lambda world: world.ask(text="a b c", max_tokens=4, stream=True), fail_after=fail_after)

    if fail_after == 0:
        assert client.status == 502
        assert client.error["code"] == "engine_failed"
        return
    events = client.content.split(b"\n\n")
    assert client.status == 200
    assert len(events) == fail_after + 2
    assert events[-1] == b""
    assert json.loads(events[-2][6:])["error"]["code"] == "engine_failed"
    assert b"[DONE]" not in client.content


def test_an_engine_that_dies_before_a_plain_answer_is_502():
    assert run(lambda world: world.ask(max_tokens=4), fail_after=2).status == 502


def test_an_answer_without_its_end_is_not_passed_off_as_whole():
    async def scenario(world):
        async def short(body, **_):
            yield b'data: {"choices": []}\n\ndata: {"cho'

        world.chat.answer = short
        return await world.ask(stream=True)

    events = run(scenario).content.split(b"\n\n")
    assert len(events) == 3
    assert json.loads(events[1][6:])["error"]["message"] == "the engine's answer broke off"


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_its_cells_at_once(stream):
    hold = asyncio.Event()

    async def scenario(world):
        client = Client(request(stream=stream, max_tokens=4))
        task = asyncio.create_task(world.ask(client=client))
        await until(lambda: world.chat.seen and (not stream or len(client.sent) > 2))
        assert world.gate.reserved.requests == 1
        client.leave()
        await task
        await asyncio.sleep(0.01)
        assert world.gate.reserved.requests == 0
        assert world.chat.held == set()

    run(scenario, hold=hold)


def test_a_client_that_leaves_the_queue_is_forgotten():
    hold = asyncio.Event()

    async def scenario(world):
        busy = [asyncio.create_task(world.ask(max_tokens=4)) for _ in range(2)]
        client = Client(request(max_tokens=4))
        waiting = asyncio.create_task(world.ask(client=client))
        await until(lambda: world.gate.reserved.queued)
        client.leave()
        await waiting
        assert world.gate.reserved.queued == 0
        assert client.sent == []
        hold.set()
        await asyncio.gather(*busy)

    run(scenario, hold=hold)


def test_a_server_that_stops_ends_its_streams_with_a_word():
    hold = asyncio.Event()

    async def scenario(world):
        client = Client(request(stream=True, max_tokens=2))
        task = asyncio.create_task(world.ask(client=client))
        await until(lambda: len(client.sent) > 2)
        task.cancel()
        await task
        assert json.loads(client.content.split(b"\n\n")[-2][6:])["error"]["message"] == "the server is stopping"

    run(scenario, hold=hold)


def test_without_an_engine_it_is_not_ready_and_says_when_to_come_again():
    async def scenario(world):
        world.gate.detach()
        return await world.ask(), await world.call("GET", "/ready"), await world.call("GET", "/health")

    asked, ready, health = run(scenario)
    assert (asked.status, asked.error["code"], asked.headers["retry-after"]) == (503, "engine_loading", "1")
    assert (ready.status, json.loads(ready.content)) == (503, {"status": "loading", "roles": {"editor": "loading"}})
    assert health.status == 200


@pytest.mark.parametrize(("here", "ready"), [(False, 503), (True, 200)])
def test_what_is_elsewhere_and_away_counts_where_nothing_is_here(here, ready):
    async def scenario(world):
        away = Gate(LIMITS, asyncio.get_running_loop().time)
        away.expect(7, "nothing answers")
        services = [Service("architect", "far", away, 0, leaves=True)]
        world.app = App([*world.app.services, *services] if here else services, PLAN, Door())
        asked = await world.ask(model="architect")
        return await world.call("GET", "/ready"), asked

    found, asked = run(scenario)
    assert found.status == ready
    assert json.loads(found.content)["roles"]["architect"] == "loading"
    assert (asked.status, asked.headers["retry-after"]) == (503, "7")
    assert here or found.headers["retry-after"] == "7"


def test_an_engine_that_hangs_is_not_ready(monkeypatch):
    monkeypatch.setattr("aidx.gate.drive.PROBE_S", 0.01)

    async def scenario(world):
        before = await world.call("GET", "/ready")

        async def hang(body):
            await asyncio.Event().wait()

        world.chat.count = hang
        return before, await world.call("GET", "/ready")

    before, after = run(scenario)
    assert before.status == 200
    assert (after.status, json.loads(after.content)) == (503, {"status": "silent", "roles": {"editor": "silent"}})


def test_while_it_drains_it_takes_nothing_new():
    async def scenario(world):
        world.app.draining = True
        unsent = await world.call("POST", CHAT, client=Client(None))  # it does not wait for the body
        return await world.ask(), unsent, await world.call("GET", "/ready"), await world.call("GET", "/health")

    asked, unsent, ready, health = run(scenario)
    assert (asked.status, unsent.status, ready.status, health.status) == (503, 503, 503, 200)
    assert {found.headers["retry-after"] for found in (asked, unsent, ready)} == {"5"}
    assert asked.headers["connection"] == unsent.headers["connection"] == "close"
    assert json.loads(ready.content)["status"] == "draining"


def test_a_body_that_never_comes_whole_ends_with_the_drain():
    async def scenario(world):
        client = Client(None)
        task = asyncio.create_task(world.call("POST", CHAT, client=client))
        await asyncio.sleep(0)
        world.app.draining = True
        task.cancel()
        await task
        return client

    found = run(scenario)
    assert (found.status, found.error["code"]) == (503, "engine_loading")


@pytest.mark.parametrize("verbose", [False, True])
def test_a_bug_of_ours_is_one_answer_in_openai_s_shape_and_told(verbose):
    told, asked = [], "what nobody is to read"

    async def scenario(world):
        world.app._routes["/plan"] = lambda: {}[asked]
        world.app.tell_bug = telling(told.append, verbose=verbose)
        return await world.call("GET", "/plan"), await world.call("GET", "/metrics")

    found, metrics = run(scenario)
    assert (found.status, found.error["code"]) == (500, "internal_error")
    assert b"aidx_internal_errors_total 1" in metrics.content
    (line,) = told
    assert "internal error (KeyError)" in line
    assert ("-v shows where" in line, "app.py" in line) == (not verbose, verbose)
    assert asked not in line


def test_the_plan_comes_with_what_is_reserved_now():
    async def scenario(world):
        before = await world.call("GET", "/plan")
        grant = await world.gate.admit(wire.parse(request(max_tokens=8)).prompt)
        cells = grant.booking.admitted.cells
        during = await world.call("GET", "/plan")
        grant.close()
        return json.loads(before.content), json.loads(during.content), cells

    before, during, cells = run(scenario)
    nothing = {"tokens": 0, "bytes": 0, "requests": 0, "queued": 0}
    assert before == {"plan": PLAN, "reserved": nothing, "allocated": []}
    assert during["reserved"] == {"tokens": cells, "bytes": cells * 10, "requests": 1, "queued": 0}


def test_the_models_are_the_role_and_the_model_with_their_context():
    client = run(lambda world: world.call("GET", "/v1/models"))

    found = json.loads(client.content)
    assert found["object"] == "list"
    assert {model["id"]: model["context_length"] for model in found["data"]} == {"editor": 128, "tiny": 128}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", CHAT, 405, "method_not_allowed"),
        ("POST", "/plan", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("DELETE", "/v1/models/editor", 405, "method_not_allowed"),
        ("POST", "/", 405, "method_not_allowed"),
    ],
)
def test_what_is_not_there_says_so(method, path, status, code):
    client = run(lambda world: world.call(method, path))

    assert (client.status, client.error["code"]) == (status, code)
    assert client.headers.get("allow") == {CHAT: "POST", "/nothing": None}.get(path, "GET, HEAD")


@pytest.mark.parametrize("path", ["/health", "/ready", "/v1/models", "/plan", "/metrics", "/"])
def test_a_head_may_be_asked_for_where_an_answer_can_be_read(path):
    """That its body stays away is the connection's to see to (``test_http``, and ``test_front`` over a socket)."""

    async def scenario(world):
        return await world.call("HEAD", path), await world.call("GET", path)

    head, whole = run(scenario)
    assert (head.status, head.headers) == (200, whole.headers)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"host": "evil.example"}, "host_not_allowed"),
        ({"host": "evil.example:8411"}, "host_not_allowed"),
        ({"host": None}, "host_not_allowed"),
        ({"host": "127.0.0.1.evil.example"}, "host_not_allowed"),
        ({"host": "127.0.0.1:evil.example"}, "host_not_allowed"),
        ({"host": "127.0.0.1, evil.example"}, "host_not_allowed"),
        ({"host": "evil.example@127.0.0.1"}, "host_not_allowed"),
        ({"host": "[evil]127.0.0.1]"}, "host_not_allowed"),
        ({"host": "[127.0.0.1"}, "host_not_allowed"),
        ({"host": ":8411"}, "host_not_allowed"),
        ({"origin": "null"}, "origin_not_allowed"),
        ({"origin": "http://evil.example"}, "origin_not_allowed"),
        ({"origin": "http://127.0.0.1:9999"}, "origin_not_allowed"),
        ({"origin": "https://127.0.0.1:8411"}, "origin_not_allowed"),
    ],
)
def test_strangers_are_not_let_in(headers, code):
    client = run(lambda world: world.ask(headers=headers))

    assert (client.status, client.error["code"]) == (403, code)


@pytest.mark.parametrize("host", ["localhost:8411", "LOCALHOST", "127.0.0.1", "[::1]:8411", "[::1]"])
def test_loopback_has_several_names(host):
    assert run(lambda world: world.call("GET", "/health", headers={"host": host})).status == 200


def test_the_page_s_own_origin_is_let_in():
    headers = {"origin": "http://127.0.0.1:8411"}

    assert run(lambda world: world.call("GET", "/plan", headers=headers)).status == 200


def test_bound_to_all_addresses_any_host_is_let_in():
    client = run(lambda world: world.call("GET", "/health", headers={"host": "box.lan"}), host="0.0.0.0")

    assert client.status == 200


@pytest.mark.parametrize("given", [None, "Bearer wrong", "Bearer s\xe9cret", "secret", "Bearer "])
def test_a_key_is_wanted_where_one_is_set(given):
    client = run(lambda world: world.ask(headers={"authorization": given}), key="secret")

    assert (client.status, client.error["code"]) == (401, "invalid_api_key")


def test_two_keys_are_none():
    async def scenario(world):
        twice = [(b"host", b"127.0.0.1"), (b"authorization", b"Bearer sesame"), (b"authorization", b"Bearer x")]
        client = Client(request())
        await client.ask(world.app, headers=twice)
        return client

    client = run(scenario, key="sesame")
    assert (client.status, client.error["message"]) == (400, "a request has one Authorization")


@pytest.mark.parametrize(
    ("fields", "param", "says"),
    [
        ({"temperature": -1}, "temperature", "temperature"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "no content"),
        ({"messages": [{"content": "x"}]}, "messages[0].role", "role"),
        ({"stop": ""}, "stop", "a text of stop is empty"),
        ({"stop": ["a", ""]}, "stop", "a text of stop is empty"),
        ({"n": 2}, "n", "n is 2"),
        ({"model": "gpt-9"}, "model", "no such model"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages[0].content[0]",
            "images are not taken",
        ),
    ],
)
def test_the_field_that_is_wrong_is_named(fields, param, says):
    client = run(lambda world: world.ask(**fields))

    assert client.status == (404 if param == "model" else 400)
    assert client.error["param"] == param
    assert says in client.error["message"]


def test_the_right_key_opens_and_health_needs_none():
    async def scenario(world):
        asked = await world.ask(headers={"authorization": "Bearer sécret"}, max_tokens=1)
        return asked.status, (await world.call("GET", "/health")).status, (await world.call("GET", "/plan")).status

    assert run(scenario, key="sécret") == (200, 200, 401)


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_of_the_key_may_be_written_in_any_case(scheme):
    client = run(lambda world: world.call("GET", "/plan", headers={"authorization": f"{scheme} secret"}), key="secret")

    assert client.status == 200


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"content-length": str(wire.MAX_BODY + 1)}, b"{}", 413),
        ({"content-encoding": "gzip"}, b"{}", 415),
        ({}, b"not json", 400),
        ({}, b'{"model": "editor", "messages": []}', 400),
        ({}, rb'{"model": "editor", "\ud800": 1, "messages": [{"role": "user", "content": "a"}]}', 400),
    ],
)
def test_bad_bodies_never_reach_the_model(headers, body, status):
    async def scenario(world):
        client = await world.call("POST", CHAT, body, headers)
        assert world.chat.seen == []
        return client

    client = run(scenario)
    assert client.status == status
    assert client.error["message"]
    assert client.error["param"] == ("messages" if b"[]" in body else None)
    assert (client.headers.get("connection") == "close") == (status in {413, 415})  # not read to its end


@pytest.mark.parametrize("fields", [{"user": "x" * 70_000}, {"response_format": {"type": "text"}}, {"us\\u0065r": 1}])
def test_what_takes_long_to_read_keeps_nobody_waiting(fields, monkeypatch):
    read, begun = threading.Event(), threading.Event()

    def slow(raw):
        begun.set()
        assert read.wait(10)
        return wire.CHAT.made(raw)

    async def scenario(world):
        monkeypatch.setitem(app.ASKED, CHAT, wire.Reader("chat", slow))
        body = request(max_tokens=1, **fields).replace(b"\\\\", b"\\")
        asking = asyncio.create_task(world.call("POST", CHAT, body))
        await until(begun.is_set)
        health = await world.call("GET", "/health")
        read.set()
        return health.status, (await asking).status

    assert run(scenario) == (200, 200)


def test_what_the_engine_refuses_is_400():
    async def scenario(world):
        async def refuse(body, **_):
            raise wire.InputError("the engine refuses the request: roles must alternate", code="invalid_request")

        world.chat.count = refuse
        return await world.ask()

    client = run(scenario)
    assert (client.status, client.error["code"]) == (400, "invalid_request")
