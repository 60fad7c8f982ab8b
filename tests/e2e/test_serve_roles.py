"""`aidx serve` without MODEL: every role of aidx.toml that runs here, each behind its own gate, on real engines."""

import json
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import openai
import psutil
import pytest
from tests.embedder import embedder
from tests.endpoint import CHAT, Endpoint, messages, until
from tests.running import aidx

CONFIG = """
[device]
vram = "0"

[roles.editor]
model = "aidx-tiny"
ctx_size = 1024
gate = 300
max_tokens = 50

[roles.verifier]
model = "aidx-tiny"
ctx_size = 1024
max_tokens = 16

[roles.drafter]
model = "aidx-tiny"
ctx_size = 512
max_tokens = 40

[roles.embedder]
model = "embedder.gguf"
ctx_size = 512

[roles.architect]
model = "claude-sonnet-4"
engine = "anthropic"
api_key_env = "AIDX_TEST_NO_KEY"

[serve]
port = 0
origins = ["https://chat.example"]
"""


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deployment")
    embedder(folder)
    (folder / "aidx.toml").write_text(CONFIG, "utf-8")
    running = Endpoint(model=(), folder=folder)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def client(endpoint):
    with endpoint.client() as found:
        yield found


def engines(endpoint):
    return psutil.Process(endpoint.process.pid).children()


def numbers(endpoint):
    lines = endpoint.call("/metrics", raw=True)[2].decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def test_every_role_that_runs_here_is_offered_with_its_own_bounds(client):
    listed = {model.id: model for model in client.models.list()}

    here = ["editor", "aidx-tiny", "verifier", "drafter", "embedder", "embedder.gguf"]  # patterns come after them
    assert list(listed)[: len(here)] == here
    told = {
        name: (model.context_length, model.max_prompt_tokens, model.max_output_tokens) for name, model in listed.items()
    }
    assert told["editor"] == (1024, 300, 50)
    assert told["verifier"] == (1024, 1008, 16)
    assert told["drafter"] == (512, 472, 40)
    assert told["embedder"] == (512, 512, 0)


@pytest.mark.parametrize("role", ["editor", "verifier", "drafter"])
def test_each_role_answers_within_its_own_gate(client, role):
    found = client.chat.completions.with_raw_response.create(model=role, messages=messages(), max_tokens=8)
    assert found.headers["x-aidx-role"] == role
    assert int(found.headers["x-aidx-prompt-tokens"]) == found.parse().usage.prompt_tokens
    gate = client.models.retrieve(role).max_prompt_tokens

    with pytest.raises(openai.BadRequestError) as over:
        client.chat.completions.create(model=role, messages=messages("word " * 1200), max_tokens=8)
    assert (over.value.code, over.value.body["gate"]) == ("context_length_exceeded", gate)


def test_vectors_come_from_the_embedder(client):
    made = client.embeddings.create(model="embedder", input=["def f(", "x y z"])

    assert len(made.data) == 2
    assert made.data[0].embedding != made.data[1].embedding
    assert made.usage.prompt_tokens > 0
    with pytest.raises(openai.BadRequestError, match="makes embeddings only"):
        client.chat.completions.create(model="embedder", messages=messages())


def test_an_index_of_another_project_is_embedded_through_it(endpoint, tmp_path):
    (tmp_path / "a.py").write_text("def f():\n    return 1\n\n\ndef g(x):\n    return x\n" + "y = 1, 2\n" * 900)
    (tmp_path / "aidx.toml").write_text(f'[roles.embedder]\nmodel = "embedder"\nurl = "{endpoint.url}"\n')
    found = json.loads(aidx("index", "--query", "zebra", "--json", folder=tmp_path).stdout)

    assert found["embedder"] == "embedder"
    assert [each["reasons"] for each in found["proposals"][:2]] == [["meaning, rank 1"], ["meaning, rank 2"]]


def test_equal_roles_share_one_process_and_one_pool(endpoint):
    plan = endpoint.call("/plan")[2]["plan"]
    owners = {entry["role"] for device in plan["devices"] for entry in device["entries"]} - {None}

    assert [role["role"] for role in plan["roles"]] == ["embedder", "editor", "drafter", "verifier", "architect"]
    assert owners == {"editor", "drafter", "embedder"}
    assert len(engines(endpoint)) == 3
    assert {name for name in numbers(endpoint) if name.startswith("aidx_kv_cells{")} == {
        f'aidx_kv_cells{{role="{role}"}}' for role in owners
    }

    def ask(role):
        fields = {"model": role, "messages": messages(), "max_tokens": 900, "ignore_eos": True}
        return endpoint.call(CHAT, fields)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, "verifier")
        until(lambda: endpoint.reserved["requests"] == 1)
        second = pool.submit(ask, "editor")  # 900 cells more than there are: it waits for the other role's
        until(lambda: endpoint.reserved["queued"] == 1)
        assert endpoint.reserved["tokens"] <= 1024
        assert (first.result()[0], second.result()[0]) == (200, 200)


def test_readiness_names_each_role(endpoint):
    states = dict.fromkeys(["embedder", "editor", "drafter", "verifier"], "ready")

    status, _, found = endpoint.call("/ready")
    assert (status, found) == (200, {"status": "ready", "roles": states})


def test_an_engine_that_dies_takes_no_other_role_along(endpoint):
    def restarts():
        found = numbers(endpoint)
        return [found[f'aidx_engine_restarts_total{{role="{role}"}}'] for role in ("editor", "drafter", "embedder")]

    before = {process.pid for process in engines(endpoint)}
    next(iter(engines(endpoint))).kill()
    until(lambda: sorted(restarts()) == ["0", "0", "1"])

    until(lambda: endpoint.call("/ready")[0] == 200)
    after = {process.pid for process in engines(endpoint)}
    assert len(before & after) == 2
    assert sorted(restarts()) == ["0", "0", "1"]


def test_a_page_that_is_listed_may_ask_and_read(endpoint):
    def preflight(origin):
        headers = {"origin": origin, "access-control-request-method": "POST"}
        request = urllib.request.Request(endpoint.url + CHAT, headers=headers, method="OPTIONS")
        return urllib.request.urlopen(request, timeout=10)

    with preflight("https://chat.example") as answer:
        assert answer.status == 204
        assert answer.headers["access-control-allow-origin"] == "https://chat.example"
        assert "content-type" in answer.headers["access-control-allow-headers"]
    with pytest.raises(urllib.error.HTTPError) as other:
        preflight("https://evil.example")
    with other.value as refused:
        assert refused.status == 403
        assert "access-control-allow-origin" not in refused.headers
    status, headers, _ = endpoint.call("/v1/models", headers={"origin": "https://chat.example"})
    assert (status, headers["access-control-allow-origin"]) == (200, "https://chat.example")


def test_the_environment_goes_before_the_file_and_a_flag_before_both(tmp_path):
    (tmp_path / "aidx.toml").write_text(
        '[device]\nvram = "0"\n[roles.editor]\nmodel = "aidx-tiny"\nctx_size = 512\n'
        '[serve]\nhost = "192.0.2.1"\nport = 1\napi_key_env = "AIDX_TEST_FILE"\n',
        "utf-8",
    )
    env = {
        "AIDX_SERVE_HOST": "127.0.0.1",
        "AIDX_SERVE_API_KEY_ENV": "AIDX_TEST_ENV",
        "AIDX_TEST_FILE": "file",
        "AIDX_TEST_ENV": "environment",
        "AIDX_TEST_FLAG": "flag",
    }
    for options, key in (((), "environment"), (("--api-key-env", "AIDX_TEST_FLAG"), "flag")):
        running = Endpoint(*options, model=(), folder=tmp_path, env=env)  # --port 0 goes before the file's 1
        try:
            assert running.url.startswith("http://127.0.0.1:")
            assert running.call("/v1/models")[0] == 401
            assert running.call("/v1/models", headers={"authorization": f"Bearer {key}"})[0] == 200
        finally:
            running.stop()


def test_no_engine_outlives_the_server(tmp_path):
    (tmp_path / "aidx.toml").write_text(CONFIG.split("[roles.embedder]", maxsplit=1)[0], "utf-8")
    running = Endpoint(model=(), folder=tmp_path)
    children = engines(running)
    assert len(children) == 2
    assert running.stop() == 0
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)


def test_engines_that_hang_are_gone_with_the_server_and_in_its_time(tmp_path):
    """Stopped processes hear neither SIGTERM nor the end of their input, and both have a request that never ends."""
    roles = {"editor": 1024, "drafter": 768}
    tables = (f'[roles.{role}]\nmodel = "aidx-tiny"\nctx_size = {size}\n' for role, size in roles.items())
    (tmp_path / "aidx.toml").write_text('[device]\nvram = "0"\n' + "".join(tables), "utf-8")
    running = Endpoint(model=(), folder=tmp_path)
    children = engines(running)
    with ThreadPoolExecutor(2) as pool:
        fields = {"messages": messages(), "max_tokens": 600, "ignore_eos": True}
        asked = [pool.submit(running.call, CHAT, {"model": role, **fields}) for role in roles]
        until(lambda: running.reserved["requests"] == 2)
        for child in children:
            child.suspend()
        began = time.monotonic()
        assert running.stop() == 0
        took = time.monotonic() - began
        answers = [one.result(10) for one in asked]

    assert len(children) == 2
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    assert [answer[0] for answer in answers] == [503, 503]
    assert took < 5.5


ELSEWHERE = """
[device]
vram = "0"

[roles.editor]
model = "aidx-tiny"
ctx_size = 512

[roles.architect]
model = "drafter"
engine = "openai"
url = "{url}"
ctx_size = 512
max_tokens = 40

[roles.thinking]
model = "gone"
engine = "openai"
url = "http://127.0.0.1:9"
ctx_size = 512
"""


def test_roles_elsewhere_are_served_and_one_that_is_not_there_holds_nobody_up(endpoint, tmp_path):
    (tmp_path / "aidx.toml").write_text(ELSEWHERE.format(url=endpoint.url), "utf-8")
    running = Endpoint(model=(), folder=tmp_path)
    try:
        until(lambda: running.call("/ready")[2]["roles"]["architect"] == "ready")
        assert running.call("/ready")[0] == 200
        with running.client() as client:
            fields = {"messages": messages(), "max_tokens": 8}
            stream = list(client.chat.completions.create(model="architect", stream=True, **fields))
            assert stream[-1].choices[0].finish_reason in {"length", "stop"}
            with pytest.raises(openai.InternalServerError, match="the model is not there now") as gone:
                client.chat.completions.create(model="thinking", **fields)
        assert gone.value.status_code == 503
        assert int(gone.value.response.headers["retry-after"]) >= 1
        assert 'aidx_kv_cells{role="architect"}' not in numbers(running)
        assert running.ask(max_tokens=1)[0] == 200
    finally:
        assert running.stop() == 0
