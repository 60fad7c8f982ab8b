"""Answers held to schemas by the real engine, with the small model, which knows nothing of JSON."""

import json
from itertools import cycle, islice
from pathlib import Path
from typing import Literal

import jsonschema_rs
import openai
import pytest
from pydantic import BaseModel, Field
from tests.endpoint import Endpoint, messages

SCHEMAS = json.loads((Path(__file__).parents[1] / "schemas.json").read_text("utf-8"))
REFUSED = [one for one in SCHEMAS if one["expect"].startswith("refused")]
ACCEPTED = [one for one in SCHEMAS if not one["expect"].startswith("refused")]
PORTION = 60  # of the thousand that benchmarks/schemas.py asks for


@pytest.fixture(scope="module")
def endpoint():
    running = Endpoint("-np", "2", "-c", "2048")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def client(endpoint):
    with endpoint.client() as found:
        yield found


def ask(client, schema, seed=1, **fields):
    held = {
        "type": "json_schema",
        "json_schema": {"name": "x", "schema": schema, "strict": fields.pop("strict", False)},
    }
    fields = {"model": "editor", "max_tokens": 120, "temperature": 1, "seed": seed, "response_format": held, **fields}
    return client.chat.completions.create(messages=messages("Say something."), **fields)


def attempt(client, one, seed):
    """The answer, or the refusal."""
    try:
        return ask(client, one["schema"], seed), None
    except openai.UnprocessableEntityError as refused:
        return None, refused


def test_what_comes_with_200_is_valid_whatever_the_seed(client):
    answered = 0
    for seed, one in enumerate(islice(cycle(ACCEPTED), PORTION)):
        found, refused = attempt(client, one, seed)
        if refused is not None:
            assert refused.code == "schema_not_satisfied", one["name"]
            assert not one["expect"].startswith("native") or "cut" in str(refused), (one["name"], str(refused))
            continue
        answered += 1
        value = json.loads(found.choices[0].message.content)
        assert jsonschema_rs.validator_for(one["schema"], validate_formats=True).is_valid(value), one["name"]
        assert found.choices[0].finish_reason == "stop"
    assert answered >= 0.9 * PORTION


@pytest.mark.parametrize(
    "one", [one for one in SCHEMAS if one["expect"].startswith("refused")], ids=lambda one: one["name"]
)
def test_what_nobody_enforces_is_refused_by_keyword(client, one):
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        ask(client, one["schema"])

    assert refused.value.code == "schema_not_enforceable"
    assert refused.value.body["keyword"] == one["expect"].partition(": ")[2]


class Order(BaseModel):
    size: Literal["S", "M", "L"]
    count: int = Field(ge=1, le=99)
    gift: bool


def test_the_client_s_own_types_are_parsed(client):
    found = client.chat.completions.parse(
        model="editor", messages=messages("Order something."), response_format=Order, max_tokens=80, temperature=1
    )
    assert isinstance(found.choices[0].message.parsed, Order)


def test_a_stream_says_the_same_as_the_whole(client):
    schema = Order.model_json_schema()
    whole = ask(client, schema, 7).choices[0].message.content
    stream = ask(client, schema, 7, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == whole
    assert chunks[-1].usage.completion_tokens > 0


def test_json_mode_gives_an_object(client):
    found = client.chat.completions.with_raw_response.create(
        model="editor", messages=messages("Say something."), response_format={"type": "json_object"}, max_tokens=200
    )
    assert isinstance(json.loads(found.parse().choices[0].message.content), dict)
    assert "answer editor" in found.headers["x-aidx-trail"]
