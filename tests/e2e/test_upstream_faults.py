"""An upstream that fails at every event of a stream, in every way: always one terminal event, never a whole answer.

The endpoint as it is, our connection to the engine as it is, over loopback to a server that is told where to fail.
"""

import asyncio
import json

import pytest
from tests.unit.serve.test_app import Client, request

from aidx.adapters.http import Pool
from aidx.adapters.talk.served import ServedChat
from aidx.gate.admit import Limits
from aidx.gate.drive import Gate
from aidx.ports.chat import Patience
from aidx.serve.app import App, Service

EVENTS = 6
TEXTS = [json.dumps({"choices": [{"index": 0, "delta": {"content": f"{n} "}}]}).encode() for n in range(EVENTS - 1)]
USAGE = json.dumps({"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": EVENTS - 1}}).encode()
STREAM = [b"data: %b\n\n" % text for text in [*TEXTS, USAGE]] + [b"data: [DONE]\n\n"]
PLAIN = json.dumps({"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 12}}).encode()
FAULTS = ("closed", "reset", "silent", "half", "error", "ended")
CODES = {"silent": "engine_silent"}


class Upstream:
    """llama.cpp's server as far as we use it; fails with *fault* before event *at* of a stream."""

    def __init__(self, fault, at):
        self.fault, self.at, self.tasks = fault, at, set()
        self.counted = b'{"input_tokens":12}'

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                body = await reader.readexactly(length)
                if b"/input_tokens" in head:
                    _whole(writer, self.counted)
                elif b"/slots" in head:
                    _whole(writer, b'[{"is_processing":false}]')
                elif b'"stream":true' in body:
                    await self._stream(reader, writer)
                else:
                    await self._plain(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _stream(self, reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number, event in enumerate(STREAM):
            if number == self.at:
                await self._fail(reader, writer, event)
            writer.write(b"%x\r\n%b\r\n" % (len(event), event))
            await writer.drain()
        if self.at == len(STREAM):
            await self._fail(reader, writer, b"0\r\n\r\n")
        writer.write(b"0\r\n\r\n")

    async def _plain(self, reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(PLAIN))
        writer.write(PLAIN[: self.at * 5])
        await self._fail(reader, writer, PLAIN[self.at * 5 :])

    async def _fail(self, reader, writer, event):
        await writer.drain()
        if self.fault == "silent":
            await reader.read()
        if self.fault == "reset":
            writer.transport.abort()
        if self.fault == "half":
            writer.write(b"%x\r\n%b" % (len(event), event[: len(event) // 2]))
        if self.fault == "error":
            event = b'data: {"error":{"code":500,"message":"out of memory"}}\n\n'
            writer.write(b"%x\r\n%b\r\n" % (len(event), event))
        if self.fault in {"error", "ended"}:
            writer.write(b"0\r\n\r\n")
        raise ConnectionResetError


def _whole(writer, body):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def ask(fault, at, counted=None, **fields):
    async def run():
        async with Upstream(fault, at) as upstream:
            upstream.counted = counted or upstream.counted
            chat = ServedChat(Pool("127.0.0.1", upstream.port), longest_token=8)
            limits = Limits(n_ctx=128, n_ctx_seq=128, slots=1, gate=100, max_tokens=16)
            patient = Patience(0.2, 0.2)
            gate = Gate(limits, asyncio.get_running_loop().time, patient=lambda *_: patient)
            gate.attach(chat)
            app = App([Service("editor", "tiny", gate, 1)], {})
            client = Client(request(**fields))
            await asyncio.wait_for(client.ask(app), 10)
            await asyncio.sleep(0.02)
            assert gate.reserved.requests == 0
            chat.close()
        return client

    return asyncio.run(run())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("at", range(len(STREAM)))
def test_a_stream_that_fails_ends_in_exactly_one_terminal_event(fault, at):
    client = ask(fault, at, stream=True)

    if client.status != 200:  # nothing of the answer had come: the status says it
        assert at == 0
        assert (client.status, client.error["code"]) == (502, CODES.get(fault, "engine_failed"))
        return
    events = client.content.split(b"\n\n")
    assert events.pop() == b""
    terminal = [event for event in events if event == b"data: [DONE]" or b'{"error"' in event]
    assert len(terminal) == 1
    assert events[-1] == terminal[0]
    assert json.loads(terminal[0][6:])["error"]["code"] == CODES.get(fault, "engine_failed")
    assert events[:-1] == [event[:-2] for event in STREAM[: min(at, EVENTS - 1)]]


@pytest.mark.parametrize("fault", ["closed", "reset", "silent"])
def test_after_the_end_it_does_not_matter_how_the_connection_ends(fault):
    events = ask(fault, len(STREAM), stream=True).content.split(b"\n\n")

    assert events[EVENTS - 1] == b"data: [DONE]"
    assert len([event for event in events if event == b"data: [DONE]" or b'{"error"' in event]) == 1


@pytest.mark.parametrize("fault", ["closed", "reset", "silent"])
@pytest.mark.parametrize("at", range(0, len(PLAIN) // 5, 3))
def test_half_of_a_plain_answer_is_none(fault, at):
    client = ask(fault, at)

    assert (client.status, client.error["code"]) == (502, CODES.get(fault, "engine_failed"))


@pytest.mark.parametrize("counted", [b"{}", b"[]", b"twelve", b'{"input_tokens":[]}'])
def test_a_count_that_is_none_is_the_engine_s_failure(counted):
    client = ask("closed", len(STREAM), counted, stream=True)

    assert (client.status, client.error["code"]) == (502, "engine_failed")
