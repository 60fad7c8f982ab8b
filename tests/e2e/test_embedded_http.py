"""The connection pool against scripted servers: kept alive, streamed, broken off at every place."""

import asyncio

import pytest

from aidx.adapters import http
from aidx.adapters.http import Pool
from aidx.errors import EngineError
from aidx.ports.chat import Patience

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
HALF = CHUNKED[: CHUNKED.index(b"6\r\n")]
SLOW = "five pieces, a quarter of a second between them"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"


class Server:
    """Sends *answers*, one a request; ``None`` closes, ``...`` (as after ``HALF``, ``CLOSING``) keeps silent."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.connections = 0
        self.lost = asyncio.Event()
        self.late = None

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _serve(self, reader, writer):
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                answer = self.answers.pop(0)
                if self.late:
                    await self.late.wait()
                if isinstance(answer, bytes):
                    writer.write(answer)
                    await writer.drain()
                if answer is SLOW:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
                    for letter in b"abcde":
                        await asyncio.sleep(0.25)
                        writer.write(bytes([letter]))
                if answer in (HALF, CLOSING, ...):
                    await reader.read()
                if answer not in (PLAIN, CHUNKED, SLOW, ...):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.lost.set()
            writer.close()


def run(scenario, *answers, **options):
    async def inside():
        async with Server(*answers) as server:
            pool = Pool("127.0.0.1", server.port, {"Authorization": "Bearer k"}, **options)
            try:
                return await asyncio.wait_for(scenario(pool, server), 10)
            finally:
                pool.close()

    return asyncio.run(inside())


async def begun(server):
    while not server.requests:  # noqa: ASYNC110 - the server tells nobody
        await asyncio.sleep(0.001)


def test_a_whole_answer_and_what_is_sent():
    async def scenario(pool, server):
        return await pool.request("POST", "/x", b"body"), server.requests

    (status, body), requests = run(scenario, PLAIN)
    assert (status, body) == (200, b"hello")
    assert requests[0].startswith(b"POST /x HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Authorization: Bearer k\r\n" in requests[0]
    assert requests[0].endswith(b"Content-Length: 4\r\n\r\nbody")


def test_a_connection_is_used_again():
    async def scenario(pool, server):
        bodies = [(await pool.request("GET", "/")).body for _ in range(3)]
        return bodies, server.connections

    assert run(scenario, PLAIN, CHUNKED, PLAIN) == ([b"hello", b"hello world", b"hello"], 1)


def test_one_that_the_server_wants_closed_is_not():
    async def scenario(pool, server):
        for _ in range(2):
            await pool.request("GET", "/")
        return server.connections

    assert run(scenario, CLOSING, CLOSING) == 2


def test_one_that_is_silent_is_not_asked_again_on_another():
    async def scenario(pool, server):
        await pool.request("GET", "/")
        with pytest.raises(EngineError) as silent:
            await pool.request("GET", "/", patience=Patience(0.1, 0.1))
        return silent.value.code, len(server.requests), server.connections

    assert run(scenario, PLAIN, ..., PLAIN) == ("engine_silent", 2, 1)


def test_one_that_was_closed_while_idle_is_replaced():
    async def scenario(pool, server):
        await pool.request("GET", "/")
        return (await pool.request("GET", "/")).body, server.connections

    assert run(scenario, PLAIN, None, PLAIN) == (b"hello", 2)


def test_a_new_connection_that_is_closed_unread_is_an_error_not_a_loop():
    async def scenario(pool, server):
        with pytest.raises(EngineError):
            await pool.request("GET", "/")
        return len(server.requests)

    assert run(scenario, None, None) == 1


def test_what_was_answered_in_part_is_not_sent_twice():
    async def scenario(pool, server):
        await pool.request("GET", "/")
        with pytest.raises(EngineError):
            await pool.request("POST", "/", b"once")
        return len(server.requests)

    assert run(scenario, PLAIN, b"HTTP/1.1 20", PLAIN) == 2


@pytest.mark.parametrize("length", sorted({*range(len(CHUNKED))} - {len(HALF)}))
def test_an_answer_that_breaks_off_anywhere_is_an_error(length):
    async def scenario(pool, server):
        with pytest.raises(EngineError):
            await pool.request("GET", "/")

    run(scenario, CHUNKED[:length] or None)


def test_what_is_not_http_is_an_error():
    async def scenario(pool, server):
        with pytest.raises(EngineError, match="not HTTP"):
            await pool.request("GET", "/")

    run(scenario, b"SSH-2.0-OpenSSH\r\n\r\n")


def test_silence_has_an_end_before_the_answer_begins():
    async def scenario(pool, server):
        with pytest.raises(EngineError, match="no answer within") as silent:
            await pool.request("GET", "/", patience=Patience(0.1, 60))
        return silent.value.code

    assert run(scenario, ...) == "engine_silent"


def test_silence_has_an_end_within_the_answer():
    async def scenario(pool, server):
        async with pool.stream("GET", "/", patience=Patience(60, 0.1)) as reply:
            chunks = reply.chunks()
            assert await anext(chunks) == b"hello"
            with pytest.raises(EngineError, match="no answer within") as silent:
                await anext(chunks)
        return silent.value.code

    assert run(scenario, HALF) == "engine_silent"


def test_patience_begins_anew_with_each_piece_and_each_request():
    async def scenario(pool, server):
        for _ in range(2):
            async with pool.stream("GET", "/", patience=Patience(0.4, 0.4)) as reply:
                pieces = [chunk async for chunk in reply.chunks()]
            assert b"".join(pieces) == b"abcde"

    run(scenario, SLOW, SLOW)


def test_nobody_there_is_an_error():
    async def scenario(pool, server):
        server._server.close()
        await server._server.wait_closed()
        with pytest.raises(EngineError, match="nothing answers at 127"):
            await pool.request("GET", "/")

    run(scenario)


def test_leaving_a_stream_resets_the_connection_at_once():
    async def scenario(pool, server):
        async with pool.stream("GET", "/") as reply:
            assert reply.status == 200
            async for chunk in reply.chunks():
                assert chunk == b"hello"
                break
        await server.lost.wait()
        return (await pool.request("GET", "/")).body, server.connections

    assert run(scenario, HALF, PLAIN) == (b"hello", 2)


@pytest.mark.parametrize("stays", [False, True])
def test_a_request_that_is_cancelled_even_as_the_head_comes_resets_the_connection(monkeypatch, stays):
    """Else the other side would go on, and nobody would read."""

    async def scenario(pool, server):
        async def ask():
            async with pool.stream("GET", "/", stays=stays):
                pytest.fail("it was cancelled")

        heads = http._Connection.on_headers_complete

        def cancelled(connection):
            heads(connection)
            task.cancel()

        monkeypatch.setattr(http._Connection, "on_headers_complete", cancelled)
        task = asyncio.create_task(ask())
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.lost.wait()

    run(scenario, HALF)


@pytest.mark.parametrize(("stays", "heard"), [(False, False), (True, True)])
def test_one_who_stays_is_let_go_when_the_answer_begins(stays, heard):
    async def scenario(pool, server):
        server.late = asyncio.Event()
        task = asyncio.create_task(pool.request("GET", "/", stays=stays))
        await begun(server)
        task.cancel()
        await asyncio.sleep(0.05)
        waited = not task.done()
        server.late.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        return waited

    assert run(scenario, HALF) == heard


@pytest.mark.parametrize(
    ("end", "error"),
    [("silent", EngineError), ("closed", asyncio.CancelledError), ("cancelled", asyncio.CancelledError)],
)
def test_but_no_longer_than_it_may_begin(end, error):
    """One that hangs is told of, even where everybody has left."""

    async def scenario(pool, server):
        server.late = asyncio.Event()
        patience = Patience(60.0, 0.05 if end == "silent" else 60.0)
        task = asyncio.create_task(pool.request("GET", "/", stays=True, patience=patience))
        await begun(server)
        task.cancel()
        await asyncio.sleep(0.01)
        if end == "cancelled":
            task.cancel()
        if end == "closed":
            server.late.set()
        with pytest.raises(error) as raised:
            await task
        server.late.set()
        await server.lost.wait()
        return getattr(raised.value, "code", "")

    assert run(scenario, None) == ("engine_silent" if end == "silent" else "")


def test_a_request_that_is_cancelled_resets_the_connection():
    async def scenario(pool, server):
        task = asyncio.create_task(pool.request("GET", "/"))
        await begun(server)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await server.lost.wait()

    run(scenario, ...)


@pytest.mark.parametrize("size", [1_000, 200_000, 270_000, 300_000, 400_000, 700_000])
@pytest.mark.parametrize("read", [False, True])
def test_a_reader_that_leaves_an_answer_keeps_the_next_one_from_nobody(size, read):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size

    async def scenario(pool, server):
        async with pool.stream("GET", "/") as reply:
            await asyncio.sleep(0.05)
            if read:
                assert len(await reply.whole()) == size
        return await pool.request("GET", "/"), await pool.request("GET", "/")

    assert run(scenario, answer, PLAIN, PLAIN, PLAIN) == ((200, b"hello"), (200, b"hello"))


def test_a_slow_reader_makes_the_server_wait(monkeypatch):
    monkeypatch.setattr(http, "HIGH_WATER", 1 << 14)
    size = 64 << 20
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (size + 5) + b"x" * size + b"hello"

    async def scenario(pool, server):
        async with pool.stream("GET", "/") as reply:
            await asyncio.sleep(0.2)
            assert reply._connection.waiting < 4 << 20
            assert len(await reply.whole()) == size + 5

    run(scenario, answer)
