"""A real coding client, opencode, configured by `aidx export opencode`, before `aidx serve` with aidx-tiny.

Its own instructions and tools are longer than the model's whole context, so its agent is given short ones here; what
is too long for the model must arrive as opencode's own kind of error. Runs where opencode is installed
(npm's `opencode-ai`); CI installs it, so there its absence is a failure.
"""

import json
import os
import shutil
import subprocess

import pytest
from tests.endpoint import TASK, Endpoint
from tests.running import aidx

from aidx.adapters.stores import shipped

NOWHERE = "http://127.0.0.1:9"  # nobody listens there: the client asks nobody but us
SHORT = {"build": {"prompt": "Be brief.", "tools": {"*": False}}}
ALONE = {
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "HTTP_PROXY": NOWHERE,
    "HTTPS_PROXY": NOWHERE,
    "NO_PROXY": "127.0.0.1,localhost",
}


@pytest.fixture(scope="module")
def opencode():
    found = shutil.which("opencode")
    if found is None:
        reason = "no opencode found; install it with npm install --global opencode-ai"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def endpoint():
    running = Endpoint("-v")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def project(endpoint, tmp_path_factory):
    """A folder with the settings that we export, for an agent that says little."""
    folder = tmp_path_factory.mktemp("project")
    settings = json.loads(aidx("export", "opencode", shipped.path(), "--vram", "0", "-q").stdout)
    settings["provider"]["aidx"]["options"]["baseURL"] = f"{endpoint.url}/v1"
    (folder / "opencode.json").write_text(json.dumps(settings | {"agent": SHORT}), "utf-8")
    return folder


def run(opencode, project, message):
    """The events of one run."""
    environment = {**os.environ, **ALONE, "HOME": str(project / "home"), "PWD": str(project)}
    command = [opencode, "run", "--format", "json", "--title", "a task", message]
    done = subprocess.run(
        command,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=180,
        check=False,
        cwd=project,
        env=environment,
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def answered(endpoint):
    """What the endpoint's log says of its last request."""
    lines = []
    while not endpoint.lines.empty():
        lines.append(endpoint.lines.get())
    return json.loads([line for line in lines if line.startswith("{")][-1])


def test_opencode_is_answered(endpoint, opencode, project):
    events = run(opencode, project, TASK)

    said = [event["part"]["text"] for event in events if event["type"] == "text"]
    assert said, events
    assert not [event for event in events if event["type"] == "error"]
    line = answered(endpoint)
    assert (line["status"], line["stream"]) == (200, True)
    assert line["counted_tokens"] == line["prompt_tokens"]
    assert endpoint.reserved["requests"] == 0


def test_opencode_tells_its_user_what_is_too_long(endpoint, opencode, project):
    events = run(opencode, project, "word " * 3000)

    wrong = next(event["error"] for event in events if event["type"] == "error")
    assert wrong["name"] == "ContextOverflowError"
    assert "the maximum context length is 1024 tokens" in wrong["data"]["message"]
    assert answered(endpoint)["code"] == "context_length_exceeded"
