"""Requests for `auto`, routed between real models; and `local_only`, where no other machine can be reached."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.endpoint import CHAT, Endpoint, messages
from tests.running import AIDX, aidx

EASY, HARD = "Fix the typo in README.md", "Design the architecture and plan the migration"
HERE = '[device]\nvram = "0"\n[roles.editor]\nmodel = "aidx-tiny"\nctx_size = 512\n'
ELSEWHERE = '[roles.architect]\nmodel = "large"\nengine = "openai"\nurl = "http://192.0.2.1/v1"\nctx_size = 8192\n'
# Ends the process when anything but a loopback address is connected to or looked up. uvloop connects out of Python's
# sight, so that asyncio's own loop stands in for it.
GUARD = """
import asyncio, os, sys, types
sys.modules["uvloop"] = types.SimpleNamespace(new_event_loop=asyncio.new_event_loop)
def watch(event, args):
    if event == "socket.connect" and isinstance(args[1], tuple) and not args[1][0].startswith(("127.", "::1")):
        os._exit(97)
    if event == "socket.getaddrinfo" and args[0] not in (None, "127.0.0.1", "localhost", "::1", "0.0.0.0"):
        os._exit(98)
sys.addaudithook(watch)
"""


def settings(folder: Path, *parts: str) -> Path:
    (folder / "aidx.toml").write_text("".join(parts), "utf-8")
    return folder


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    """Editor and Architect here, each with a process of its own; the Editor is the smaller one."""
    folder = settings(
        tmp_path_factory.mktemp("auto"), HERE, '[roles.architect]\nmodel = "aidx-tiny"\nctx_size = 1024\n'
    )
    running = Endpoint(model=(), folder=folder)
    yield running
    running.stop()


def test_auto_is_answered_by_the_role_that_the_router_chose(endpoint):
    for text, role in ((EASY, "editor"), (HARD, "architect")):
        status, headers, body = endpoint.ask(text, model="auto", max_tokens=4)
        assert (status, headers["x-aidx-role"]) == (200, role)
        assert headers["x-aidx-route"].startswith(f"{role}: classifier 0.")
        assert body["choices"]


def test_auto_streams_to_the_openai_client(endpoint):
    with endpoint.client() as client:
        found = client.chat.completions.with_raw_response.create(
            model="auto", messages=messages(EASY), max_tokens=4, stream=True
        )
        assert found.headers["x-aidx-role"] == "editor"
        assert [chunk.choices[0].finish_reason for chunk in found.parse()][-1] in {"length", "stop"}
        assert "auto" in {model.id for model in client.models.list()}


def test_what_is_over_the_editor_s_gate_is_counted_there_and_answered_by_the_architect(endpoint):
    _, headers, _ = endpoint.ask(f"{EASY}\n```\n{'x = 1 ' * 150}\n```", model="auto", max_tokens=4)
    assert headers["x-aidx-route"].startswith("architect: editor could not (context_length_exceeded); editor: class")


@pytest.fixture(scope="module")
def confined(tmp_path_factory):
    """An Architect elsewhere and `local_only`, in a process that dies when it so much as looks another machine up."""
    folder = settings(tmp_path_factory.mktemp("confined"), HERE, ELSEWHERE, "[route]\nlocal_only = true\n")
    guard = folder / "guard"
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(GUARD, "utf-8")
    path = os.pathsep.join(filter(None, (str(guard), os.environ.get("PYTHONPATH"))))
    running = Endpoint(model=(), folder=folder, env={"PYTHONPATH": path})
    yield running
    running.stop()


@pytest.mark.parametrize("text", [EASY, HARD, "Move a.py, b.py, c.py and d.py", "use sk-abcdefghijklmnop1234"])
def test_with_local_only_everything_is_answered_here(confined, text):
    status, headers, _ = confined.ask(text, model="auto", max_tokens=4)
    assert (status, headers["x-aidx-role"], headers["x-aidx-route"]) == (200, "editor", "editor: local_only")
    assert confined.process.poll() is None


def test_with_local_only_an_architect_elsewhere_is_not_even_offered(confined):
    assert confined.ask(HARD, model="architect")[2]["error"]["code"] == "model_not_found"
    assert {one["id"] for one in confined.call("/v1/models")[2]["data"]} == {"editor", "aidx-tiny", "auto"}
    assert any("architect is not served: local_only" in line for line in list(confined.lines.queue))


def test_with_local_only_what_does_not_fit_is_refused(confined):
    status, _, body = confined.ask("word " * 2000, model="auto", max_tokens=4)
    assert (status, body["error"]["code"]) == (400, "context_length_exceeded")
    assert confined.process.poll() is None


def ask(folder, text, *options, code=0, env=None):
    return aidx("ask", text, "--url", "", "--max-tokens", "4", *options, code=code, folder=folder, **(env or {}))


def test_ask_routes_too_and_with_local_only_stays_here(tmp_path):
    folder = settings(tmp_path, HERE, ELSEWHERE, "[route]\nlocal_only = true\n")
    (folder / "sitecustomize.py").write_text(GUARD, "utf-8")
    guarded = {"PYTHONPATH": str(folder)}
    done = ask(folder, HARD, "--pattern", "auto", "--json", env=guarded)
    told = json.loads(done.stdout)
    assert (told["model"], told["route"]) == ("editor", "editor: local_only")
    assert "aidx: editor: local_only" in done.stderr
    refused = ask(folder, HARD, "--role", "architect", code=2, env=guarded).stderr
    assert "local_only, and architect is on another machine (aidx.toml:12)" in refused
    done = aidx("run", HARD, "--yes", "--until", "plan", code=2, folder=folder, **guarded)
    assert "local_only, and architect is" in done.stderr


def test_ask_starts_the_model_of_the_role_that_was_chosen(tmp_path):
    folder = settings(tmp_path, HERE, '[roles.architect]\nmodel = "aidx-tiny"\nctx_size = 768\n')
    told = json.loads(ask(folder, HARD, "--pattern", "auto", "--json").stdout)
    assert (told["model"], [step["role"] for step in told["trail"]]) == ("architect", ["architect"])
    assert told["route"].startswith("architect: classifier 0.")


def test_auto_needs_both_roles(tmp_path):
    folder = settings(tmp_path, HERE)
    assert "auto needs architect" in ask(folder, "x", "--pattern", "auto", code=2).stderr


def test_a_cascade_is_an_architect_too(tmp_path):
    cascade = "".join(f'[roles.{role}]\nmodel = "aidx-tiny"\nctx_size = 512\n' for role in ("drafter", "verifier"))
    folder = settings(tmp_path, HERE, cascade, '[roles.architect]\npattern = "cascade"\n[cascade]\nrepairs = 0\n')
    running = Endpoint(model=(), folder=folder)
    try:
        status, _, body = running.ask(HARD, model="auto", max_tokens=4)
        assert (status, body["error"]["code"]) == (422, "not_verified")
        assert running.ask(EASY, model="auto", max_tokens=4)[1]["x-aidx-role"] == "editor"
    finally:
        running.stop()


def test_the_guard_would_see_it(tmp_path):
    """The same request without `local_only` reaches for the Architect: the guard is no decoration."""
    folder = settings(tmp_path, HERE, ELSEWHERE)
    (folder / "sitecustomize.py").write_text(GUARD, "utf-8")
    command = [*AIDX, "ask", HARD, "--url", "", "--pattern", "auto", "--max-tokens", "4"]
    guarded = {**os.environ, "PYTHONPATH": str(folder)}
    assert subprocess.run(command, timeout=60, check=False, cwd=folder, env=guarded).returncode in {97, 98}


def test_a_gatekeeper_that_is_a_real_model_is_calibrated_measured_and_asked(tmp_path):
    folder = settings(
        tmp_path, HERE, '[roles.architect]\nmodel = "aidx-tiny"\n[roles.gatekeeper]\nmodel = "aidx-tiny"\n'
    )
    lines = (Path(__file__).parents[2] / "scripts" / "router" / "held-out.jsonl").read_text("utf-8").splitlines()
    some = "\n".join(lines[::10])

    def route(*arguments, code=0):
        return aidx("route", *arguments, code=code, text=some, folder=folder)

    assert "the gatekeeper is not calibrated" in route("eval", "-", "--gatekeeper", code=2).stderr
    told = json.loads(route("train", "-", "--gatekeeper", "--json").stdout)["gatekeeper"]
    assert (told["model"], told["prompts"]) == ("aidx-tiny", len(lines[::10]))
    assert told["auc_ci95"][0] < 0.5 < 0.5 + told["auc_ci95"][1]  # it knows nothing of this, and its figures say so
    judged = json.loads(route("eval", "-", "--gatekeeper", "--json").stdout)
    assert judged["threshold"] == told["threshold"]
    assert judged["seen_prompts"] == judged["prompts"]


def test_a_gatekeeper_s_verdict_is_in_the_header(tmp_path):
    folder = settings(
        tmp_path, HERE, '[roles.architect]\nmodel = "aidx-tiny"\n[roles.gatekeeper]\nmodel = "aidx-tiny"\n'
    )
    running = Endpoint(model=(), folder=folder)
    try:
        route = running.call(CHAT, {"model": "auto", "messages": messages(HARD), "max_tokens": 4})[1]["x-aidx-route"]
        assert "gatekeeper, not calibrated 0." in route
    finally:
        running.stop()
