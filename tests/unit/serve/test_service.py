"""What may be named as a model: roles, their models, and patterns that answer by asking roles."""

import asyncio
import json
from dataclasses import dataclass

import pytest

from aidx.errors import InputError
from aidx.gate.drive import Gate
from aidx.serve import answer
from aidx.serve.app import App
from aidx.serve.door import Door
from aidx.serve.service import Catalogue, Service
from tests.unit.serve.test_app import CHAT, LIMITS, PLAN, run


def service(role, model, *, embeds=False):
    return Service(role, model, Gate(LIMITS, lambda: 0.0), 1, embeds)


def test_a_model_that_fills_several_roles_is_the_first_of_them_that_does_what_is_asked():
    found = Catalogue((service("editor", "m"), service("drafter", "m"), service("embedder", "m", embeds=True)))

    assert found.find("m", embeds=False).role == "editor"
    assert found.find("m", embeds=True).role == "embedder"
    assert found.find("drafter", embeds=False).role == "drafter"
    assert [entry["id"] for entry in found.listed()] == ["editor", "m", "drafter", "embedder"]


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(InputError, match="there is: editor, m") as unknown:
        Catalogue((service("editor", "m"),)).find("gpt-9", embeds=False)
    assert unknown.value.code == "model_not_found"


def test_roles_that_share_a_process_know_it():
    assert not service("editor", "m").shares
    assert Service("verifier", "m", Gate(LIMITS, lambda: 0.0), 1, owner="editor").shares


@dataclass
class Twice:
    """A pattern: asks a role, and says how often it was asked."""

    service: Service
    role: str = "twice"
    model: str = "twice"
    names: tuple[str, ...] = ("twice",)
    embeds: bool = False

    @property
    def bounds(self):
        return self.service.bounds

    async def answer(self, parsed, exchange):
        for _ in range(2):
            async with await self.service.gate.admit(parsed.prompt) as grant:
                body = b"".join([chunk async for chunk in grant])
        exchange.reply.whole(answer.Answer(200, [answer.JSON, (b"x-aidx-attempts", b"2")], body))


def test_a_pattern_is_offered_beside_the_roles_that_it_asks():
    async def scenario(world):
        world.app = App(world.app.services, PLAN, Door(), patterns=[Twice(world.app.services[0])])
        listed = await world.call("GET", "/v1/models")
        asked = await world.ask(model="twice", max_tokens=2)
        over = await world.ask(text="word " * 200, model="twice")
        return listed, asked, over, len(world.chat.seen), await world.call("GET", "/metrics")

    listed, asked, over, seen, metrics = run(scenario)
    assert [model["id"] for model in json.loads(listed.content)["data"]] == ["editor", "tiny", "twice"]
    assert (asked.status, asked.headers["x-aidx-attempts"], seen) == (200, "2", 2)
    assert (over.status, over.error["code"]) == (400, "context_length_exceeded")
    assert b'aidx_requests_total{role="twice",status="200",code=""} 1' in metrics.content


def test_one_model_can_be_looked_up():
    async def scenario(world):
        return await world.call("GET", "/v1/models/editor"), await world.call("GET", "/v1/models/other")

    known, unknown = run(scenario)
    assert json.loads(known.content)["max_prompt_tokens"] == LIMITS.gate
    assert (unknown.status, unknown.error["code"]) == (404, "model_not_found")


ORIGIN = "https://chat.example"


def test_a_page_that_is_listed_is_answered_so_that_it_can_read_it():
    async def scenario(world):
        world.app = App(world.app.services, PLAN, Door(key="sesame", origins=frozenset({ORIGIN.encode()})))
        asks = await world.call("OPTIONS", CHAT, headers={"origin": ORIGIN})
        wrong = await world.call("GET", "/v1/models", headers={"origin": ORIGIN})
        given = {"origin": ORIGIN, "authorization": "Bearer sesame"}
        right = await world.call("GET", "/v1/models", headers=given)
        return asks, wrong, right, await world.call("GET", "/v1/models", headers={"origin": "https://evil.example"})

    asks, wrong, right, other = run(scenario)
    assert [client.status for client in (asks, wrong, right, other)] == [204, 401, 200, 403]
    assert {client.headers.get("access-control-allow-origin") for client in (asks, wrong, right)} == {ORIGIN}
    assert "access-control-allow-origin" not in other.headers


def test_without_an_origin_options_is_no_route():
    assert run(lambda world: world.call("OPTIONS", CHAT)).status == 405


def test_a_state_is_kept_for_each_role():
    async def scenario(world):
        gate = Gate(LIMITS, asyncio.get_running_loop().time)
        world.app = App([*world.app.services, Service("drafter", "d", gate, 1)], PLAN, Door())
        return await world.call("GET", "/ready")

    client = run(scenario)
    assert client.status == 503
    assert json.loads(client.content) == {"status": "loading", "roles": {"editor": "ready", "drafter": "loading"}}
