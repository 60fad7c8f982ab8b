"""A proxy that passes everything on, until it is told to break the next streams off: at which event, and how.

What it breaks are the engine's own bytes, recorded once: the same events each time, cut by themselves into chunks.
"""

import asyncio
import re
import socket
import struct
from contextlib import suppress
from urllib.parse import urlsplit

FAULTS = ("closed", "reset", "silent", "half", "ended")
EVENT = re.compile(rb".+?(?:\r?\n\r?\n|(?<=\})\n)", re.DOTALL)  # of a stream of events, or of lines of JSON


class Between:
    """Stands in front of *url*; use it as ``async with``."""

    def __init__(self, url):
        self.behind = urlsplit(url)
        self.fault = ""
        self.at = 0
        self.broke = 0
        self.path = self.head = b""
        self.events = []
        self.tasks = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}{self.behind.path}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            path = head.partition(b" HTTP/")[0]
            if self.fault and path == self.path and b'"stream":true' in body.replace(b" ", b""):
                self.broke += 1
                await self._break(reader, writer)
            else:
                await self._pass(path, head, body, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            await _closed(writer)

    async def _pass(self, path, head, body, writer):
        answers, asks = await asyncio.open_connection(self.behind.hostname, self.behind.port)
        with_end = re.sub(rb"(?i)\r\nconnection: [^\r]*", b"", head)
        try:
            asks.write(with_end.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + body)
            said = await answers.read()
        finally:
            await _closed(asks)
        writer.write(said)
        await writer.drain()
        about, _, rest = said.partition(b"\r\n\r\n")
        if re.search(rb"(?i)transfer-encoding: chunked", about) and b"stream" in body:
            self.path, self.head = path, about
            self.events = [found[0] for found in EVENT.finditer(_unchunked(rest))]

    async def _break(self, reader, writer):
        writer.write(self.head + b"\r\n\r\n")
        for event in self.events[: self.at]:
            writer.write(b"%x\r\n%b\r\n" % (len(event), event))
        event = self.events[self.at]
        if self.fault == "half":
            writer.write(b"%x\r\n%b" % (len(event), event[: len(event) // 2]))
        if self.fault == "ended":
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        if self.fault == "silent":
            await reader.read()
        if self.fault == "reset":
            await asyncio.sleep(0.01)  # what was sent before is to arrive
            with suppress(OSError):
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()


async def _closed(writer):
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def _unchunked(body):
    found = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        found += body[:length]
        body = body[length + 2 :]
    return found
