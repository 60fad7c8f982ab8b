"""The Verifier Cascade behind the endpoint, with the real engine; the small model drafts well and judges badly."""

import json

import pytest
from tests.endpoint import CHAT, TASK, Endpoint, messages
from tests.running import aidx

CONFIG = """
[device]
vram = ["0"]
[roles.drafter]
model = "aidx-tiny"
ctx_size = 1024
[roles.verifier]
model = "aidx-tiny"
ctx_size = 1024
[roles.architect]
pattern = "cascade"
[cascade]
rules = ["max-length 400", "check lines"]
[checks]
lines = ["grep", "-qE", "^[0-9]+[+-]?[|]"]
"""


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cascade")
    (folder / "aidx.toml").write_text(CONFIG)
    running = Endpoint("-v", model=(), folder=folder)
    yield running
    running.stop()


def ask(endpoint, text, **fields):
    return endpoint.call(CHAT, {"model": "cascade", "messages": messages(text), "temperature": 0, **fields})


def steps(trail):
    return [(step["purpose"], step["role"], step["outcome"]) for step in trail]


def test_it_is_offered_and_stands_for_the_architect(endpoint):
    _, _, found = endpoint.call("/v1/models")
    assert {"cascade", "architect", "drafter", "verifier"} <= {model["id"] for model in found["data"]}


def test_a_draft_that_passes_the_rules_is_judged_and_what_is_not_accepted_is_no_answer(endpoint):
    status, headers, found = ask(endpoint, TASK, max_tokens=60)

    trail = found["error"]["trail"] if status == 422 else found["aidx"]["trail"]
    assert steps(trail)[0] == ("draft", "drafter", "accepted")
    assert trail[1]["purpose"] == "verdict"
    assert trail[1]["role"] == "verifier"
    if status == 422:
        assert found["error"]["code"] == "not_verified"
        assert found["error"]["reasons"]
    else:
        assert steps(trail)[-1] == ("verdict", "verifier", "accepted")
        assert headers["x-aidx-role"] in {"drafter", "verifier"}


def test_a_draft_that_a_check_refuses_never_reaches_the_verifier(endpoint):
    status, _, found = ask(endpoint, "Tell me a joke.", max_tokens=12)

    assert status == 422
    first = found["error"]["trail"][0]
    assert (first["purpose"], first["outcome"]) == ("draft", "refused")
    assert first["reasons"][0].startswith(("check lines: the check ended with status 1", "the answer was cut"))


def test_an_answer_that_is_streamed_is_not_begun_before_it_is_accepted(endpoint):
    status, _, body = endpoint.call(
        CHAT, {"model": "architect", "messages": messages("Tell me a joke."), "max_tokens": 12, "stream": True}
    )
    assert (status, body["error"]["code"]) == (422, "not_verified")


def test_all_cells_are_given_back(endpoint):
    _, _, found = endpoint.call("/plan")
    assert found["reserved"] == {"tokens": 0, "bytes": 0, "requests": 0, "queued": 0}
    assert json.dumps(found["plan"])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("max-lenght 4", "there is no rule 'max-lenght'"),
        ("matches (?=a)", "no regular expression"),
        ("check test", "there is no check 'test'"),
        ("max-length x", "no number of characters"),
    ],
)
def test_a_rule_that_cannot_be_is_said_before_anything_is_started(tmp_path, line, words):
    (tmp_path / "aidx.toml").write_text(CONFIG.replace("max-length 400", line))
    refused = aidx("serve", "--port", "0", code=2, folder=tmp_path)
    assert refused.stdout == ""
    assert words in refused.stderr
    assert refused.stderr.splitlines()[0].startswith("aidx: cascade.rules: ")
