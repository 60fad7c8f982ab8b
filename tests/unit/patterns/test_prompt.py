"""A request that a pattern goes on from."""

import json

from aidx.patterns.prompt import Prompt, Turn
from tests.fakes.requests import prompt


def test_what_is_said_after_a_request_begins_with_it():
    first = prompt("hi")
    longer = first.then(Turn.of("assistant", 'a "b"\n'), Turn.of("user", "é"))

    assert longer.body.startswith(first.body.partition(b"]")[0])
    assert [message["content"] for message in json.loads(longer.body)["messages"]] == ["hi", 'a "b"\n', "é"]


def test_fields_are_put_in_place_of_the_request_s_own_and_a_stream_is_none():
    asked = Prompt((Turn.of("user", "x"),), fields=b'"stream":true,"stream_options":{},"seed":3,"top_p":1', stream=True)
    found = asked.also(seed=4, top_p=None, grammar="g")

    assert json.loads(b"{%b}" % found.fields) == {"seed": 4, "grammar": "g"}
    assert not found.stream
