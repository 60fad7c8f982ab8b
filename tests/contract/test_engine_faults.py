"""Every engine that answers over a connection of its own: broken off at every event, in every way, it says so once.

The engines and where they run are those of ``test_engine``, found as there; the endpoint is the real one.
"""

import asyncio
import json
from itertools import product

import pytest
from msgspec.structs import replace
from tests.contract.test_engine import implementations, launch
from tests.fakes.between import FAULTS, Between
from tests.unit.serve.test_app import Client, request

from aidx.adapters.engines import aidx
from aidx.gate.admit import Limits
from aidx.gate.drive import Gate
from aidx.ports.chat import PATIENCE, Patience
from aidx.serve.app import App, Service

LIMITS = Limits(n_ctx=512, n_ctx_seq=512, slots=1, gate=400, max_tokens=16)
SHORT = Patience(0.3, 0.3)


def attached():
    """Those that run somewhere when they are started; of ours the connection is that of a llama-server."""
    places = {name: name.partition("-")[2] for name in implementations()}
    return {name: implementations()[name] for name, place in places.items() if place not in {"", "started"}}


@pytest.fixture(scope="module", params=attached().items(), ids=lambda item: item[0])
def hosted(request):
    """An engine, and where it runs."""
    engine, host = request.param[1]
    with host(launch()) as ready:
        yield engine, ready


async def asked(app):
    client = Client(request(stream=True, max_tokens=4, temperature=0))
    await asyncio.wait_for(client.ask(app), 30)
    return client


def text(events):
    """What was said, and nothing that stands only around it."""
    chunks = [json.loads(event[6:]) for event in events if event.startswith(b"data: {")]
    choices = [choice for chunk in chunks for choice in chunk.get("choices", ())]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


async def broken(hosted):
    """The unbroken stream, and what became of each broken one by fault and event."""
    engine, ready = hosted
    async with Between(ready.urls[0]) as between:
        launch = replace(ready, urls=(between.url, *ready.urls[1:]))
        deployment = await asyncio.to_thread(engine.start, launch)
        gate = Gate(LIMITS, asyncio.get_running_loop().time, patient=lambda *_: SHORT if between.fault else PATIENCE)
        gate.attach(chat := deployment.chat())
        app = App([Service("editor", "tiny", gate, 1)], {})
        whole = (await asked(app)).content.split(b"\n\n")
        found = {}
        for where in tuple(product(FAULTS, range(len(between.events)))):
            (between.fault, between.at), before = where, between.broke
            while between.broke == before:  # a node that has failed is left out until it was looked at again
                found[where] = await asked(app)
                assert gate.reserved.requests == 0
        chat.close()
        await asyncio.to_thread(deployment.stop)
    return whole, found


def test_a_stream_that_breaks_off_anywhere_ends_in_exactly_one_error(hosted, monkeypatch):
    monkeypatch.setattr(aidx, "EVERY_S", 0.02)  # a node that failed is soon looked at again
    whole, found = asyncio.run(broken(hosted))

    assert whole[-2:] == [b"data: [DONE]", b""]
    assert len(found) >= len(FAULTS) * 5
    for where, client in found.items():
        if client.status != 200:  # nothing of the answer had come: the status says it
            assert client.status in {502, 503}, where
            continue
        *events, last, rest = client.content.split(b"\n\n")
        assert rest == b"", where
        assert json.loads(last[6:])["error"]["code"] in {"engine_failed", "engine_silent"}, where
        assert not any(event == b"data: [DONE]" or b'"error"' in event for event in events), where
        assert text(whole).startswith(text(events)), where
