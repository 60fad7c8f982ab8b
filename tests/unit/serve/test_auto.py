"""The model `auto`: which role answers, what its headers say, and what happens when that role cannot."""

import asyncio
import json

import pytest

from aidx.adapters.router import shipped
from aidx.gate.admit import Limits, Reserved
from aidx.gate.drive import Gate
from aidx.patterns.route import Judge
from aidx.patterns.terms import Terms
from aidx.serve.app import App, Service
from aidx.serve.auto import Auto
from tests.fakes.engine import FakeChat
from tests.unit.serve.test_app import PLAN, Client, request

SMALL = Limits(n_ctx=128, n_ctx_seq=128, slots=2, gate=100, max_tokens=8)
LARGE = Limits(n_ctx=1024, n_ctx_seq=1024, slots=2, gate=900, max_tokens=8)
EASY, HARD = "Fix the typo in README.md", "Design the architecture and plan the migration"
TERMS = Terms(roles=frozenset({"editor", "architect"}), remote=frozenset({"architect"}))


def asked(text, *, terms=TERMS, without=(), chats=None, stream=False, **fields):
    """What came back for *text*, and the fakes by role."""
    chats = {"editor": FakeChat(), "architect": FakeChat(tools=True), **(chats or {})}

    async def go():
        services = []
        for role, chat in chats.items():
            if role in without:
                continue
            gate = Gate(SMALL if role == "editor" else LARGE, asyncio.get_running_loop().time)
            gate.attach(chat)
            services.append(Service(role, f"{role}-model", gate, 10))
        auto = Auto({service.role: service for service in services}, terms, Judge(shipped()))
        app = App(services, PLAN, patterns=[auto])
        client = Client(request(text, model="auto", stream=stream, **fields))
        await client.ask(app)
        await asyncio.sleep(0)
        assert all(service.gate.reserved == Reserved(0, 0, 0) for service in services)
        return client, app

    client, app = asyncio.run(asyncio.wait_for(go(), 10))
    return client, chats, app


@pytest.mark.parametrize(("text", "role"), [(EASY, "editor"), (HARD, "architect")])
def test_the_chosen_role_answers_and_the_headers_say_why(text, role):
    client, chats, _ = asked(text)

    assert client.status == 200
    assert client.headers["x-aidx-role"] == role
    assert client.headers["x-aidx-route"].startswith(f"{role}: classifier 0.")
    assert [name for name, chat in chats.items() if chat.seen] == [role]


def test_a_stream_passes_through_as_it_comes():
    client, _, _ = asked(EASY, stream=True)

    assert client.headers["content-type"] == "text/event-stream"
    assert client.content.endswith(b"data: [DONE]\n\n")
    assert len(client.sent) > 4


def test_it_is_counted_under_the_role_that_answered():
    _, _, app = asked(HARD)
    text = app.metrics.render([]).decode()
    assert 'role="architect"' in text
    assert 'role="auto"' not in text


def test_what_is_too_large_for_the_editor_goes_to_the_architect():
    client, chats, _ = asked(f"What is the capital of France? {EASY} ```\n{'word ' * 120}\n```")

    assert client.headers["x-aidx-role"] == "architect"
    assert client.headers["x-aidx-route"].startswith("architect: editor could not (context_length_exceeded); editor: ")
    assert chats["editor"].seen == []


def test_what_is_too_large_for_both_is_refused_with_the_architect_s_numbers():
    client, _, _ = asked("word " * 4000)
    assert (client.status, client.error["code"], client.error["n_ctx"]) == (400, "context_length_exceeded", 1024)


def test_tools_go_to_the_model_that_takes_them():
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    client, _, _ = asked(EASY, tools=[tool])
    assert client.headers["x-aidx-route"].startswith("architect: editor could not (tools_not_supported)")


def test_an_editor_that_fails_before_it_answers_hands_over():
    client, _, _ = asked(EASY, chats={"editor": FakeChat(dead=True)})
    assert client.headers["x-aidx-role"] == "architect"


def test_an_editor_that_fails_in_the_middle_of_a_stream_does_not():
    client, chats, _ = asked(EASY, chats={"editor": FakeChat(fail_after=3)}, stream=True)
    assert b"engine_failed" in client.content
    assert chats["architect"].seen == []


def test_an_architect_that_fails_is_not_replaced_by_a_smaller_model():
    client, chats, _ = asked(HARD, chats={"architect": FakeChat(dead=True)})
    assert (client.status, client.error["code"]) == (502, "engine_failed")
    assert chats["editor"].seen == []


@pytest.mark.parametrize("text", [HARD, "word " * 200, "a.py b.py c.py d.py", "use sk-abcdefghijklmnop1234"])
def test_with_local_only_the_architect_elsewhere_is_never_asked(text):
    terms = Terms(roles=TERMS.roles, remote=TERMS.remote, local_only=True)
    client, chats, _ = asked(text, terms=terms, without=("architect",))

    assert chats["architect"].seen == []
    assert client.status == (400 if text.startswith("word") else 200)
    if client.status == 200:
        assert client.headers["x-aidx-route"] == "editor: local_only"


def test_a_private_prompt_stays_here():
    client, chats, _ = asked(f"{HARD} with the key sk-abcdefghijklmnop1234")
    assert client.headers["x-aidx-route"] == "editor: private: an API key"
    assert chats["architect"].seen == []


def test_a_role_that_is_not_served_is_said():
    client, _, _ = asked(HARD, without=("architect",))
    assert client.error["code"] == "role_not_served"
    assert client.error["message"].startswith("architect is not served here")


def test_models_list_it_with_the_larger_bounds():
    _, _, app = asked(EASY)

    async def go():
        client = Client()
        await client.ask(app, "GET", "/v1/models")
        return json.loads(client.content)["data"]

    listed = {one["id"]: one for one in asyncio.run(go())}
    assert listed["auto"]["max_prompt_tokens"] == 900


def test_it_makes_no_vectors():
    client, chats, _ = asked(EASY, chats={"gatekeeper": FakeChat(dead=True)})
    assert client.headers["x-aidx-route"].startswith("editor: classifier")
    assert chats["editor"].seen


def test_a_gatekeeper_is_asked_first_and_its_odds_decide():
    async def verdict(self, body, *, slot, kind="chat", patience=None):
        del self, slot, kind, patience
        assert json.loads(body)["max_tokens"] == 1
        top = [{"token": "0", "logprob": -3.0}, {"token": "1", "logprob": -0.1}]
        yield json.dumps(
            {
                "choices": [{"message": {"content": "1"}, "logprobs": {"content": [{"top_logprobs": top}]}}],
                "usage": {"prompt_tokens": 20, "completion_tokens": 1},
            }
        ).encode()

    sure = type("Sure", (FakeChat,), {"answer": verdict})
    roles = frozenset({"editor", "architect", "gatekeeper"})
    client, _, _ = asked(EASY, terms=Terms(roles=roles), chats={"gatekeeper": sure()})
    assert client.headers["x-aidx-route"] == "architect: gatekeeper, not calibrated 0.948 >= 0.5"
