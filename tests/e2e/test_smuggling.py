"""Requests that could be understood in two ways, against `aidx serve` as it runs: each is refused, or is clear."""

import json
import re
import socket

import pytest
from tests.endpoint import CHAT, Endpoint

BODY = json.dumps({"model": "editor", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1}).encode()
SIZE = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNK = b"%x\r\n%b\r\n" % (len(BODY), BODY)
CHUNKS = CHUNK + b"0\r\n\r\n"
HOST = b"Host: 127.0.0.1\r\n"
LAST = b"Connection: close\r\n"
POST = b"POST " + CHAT.encode() + b" HTTP/1.1\r\n" + HOST
GET = b"GET /health HTTP/1.1\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + LAST + b"\r\n"


def posted(head, body, more=SMUGGLED):
    return POST + head + b"\r\n" + body + more


def got(head, target=b"/health", version=b"1.1"):
    return b"GET %b HTTP/%b\r\n" % (target, version) + LAST + head + b"\r\n"


REFUSED = {  # by one answer, and what follows is not looked at
    "two lengths": posted(b"Content-Length: 4\r\n" + CHUNKED, CHUNKS),
    "two lengths, the other way round": posted(CHUNKED + b"Content-Length: 4\r\n", CHUNKS),
    "the same length twice": posted(SIZE + SIZE, BODY),
    "another length": posted(SIZE + b"Content-Length: 3\r\n", BODY),
    "a list of lengths": posted(SIZE[:-2] + b", 3\r\n", BODY),
    "a length with a sign": posted(SIZE.replace(b": ", b": +"), BODY),
    "a length in hex": posted(b"Content-Length: 0x10\r\n", BODY),
    "a length without an end": posted(b"Content-Length: %b\r\n" % (b"9" * 30), BODY),
    "no length": posted(b"Content-Length: \r\n", BODY),
    "a blank before the colon": posted(SIZE.replace(b":", b" :"), BODY),
    "chunked twice": posted(CHUNKED + CHUNKED, CHUNKS),
    "chunked and not last": posted(b"Transfer-Encoding: chunked, identity\r\n", CHUNKS),
    "an unknown coding": posted(b"Transfer-Encoding: xchunked\r\n" + SIZE, BODY),
    "a coding with a blank": posted(b"Transfer-Encoding: \x0bchunked\r\n", CHUNKS),
    "a coding before chunked": posted(b"Transfer-Encoding: gzip, chunked\r\n" + LAST, CHUNKS),
    "a folded line": posted(b"Transfer-Encoding:\r\n chunked\r\n", CHUNKS),
    "a line feed alone": posted(b"X: a\nTransfer-Encoding: chunked\r\n", CHUNKS),
    "a carriage return alone": posted(b"X: a\rTransfer-Encoding: chunked\r\n", CHUNKS),
    "a zero byte": posted(b"X: a\x00\r\n" + SIZE, BODY),
    "a line without a colon": posted(b"X\r\n" + SIZE, BODY),
    "a first line that is folded": got(b"").replace(b"1.1\r\n", b"1.1\r\n " + HOST),
    "a chunk that ends in a line feed": posted(CHUNKED, CHUNKS.replace(b"\r\n", b"\n", 1)),
    "an extension that ends in a line feed": posted(CHUNKED, CHUNKS.replace(b"\r\n", b";a\n", 1)),
    "a chunk's size in another way": posted(CHUNKED, b"0x" + CHUNKS),
    "a chunk's size below zero": posted(CHUNKED, b"-1\r\n" + CHUNKS),
    "a chunk's size without an end": posted(CHUNKED, b"f" * 17 + b"\r\n" + CHUNKS),
    "a chunk that is longer": posted(CHUNKED, b"3\r\n" + CHUNKS),
    "a chunk that is not ended": posted(CHUNKED, CHUNK[:-2] + b"0\r\n\r\n"),
    "a length among the trailers": posted(CHUNKED, CHUNK + b"0\r\nContent-Length: 5\r\n\r\n"),
    "two hosts": got(b"Host: evil.example\r\n" + HOST),
    "two hosts, the other way round": got(HOST + b"Host: evil.example\r\n"),
    "no host": got(b""),
    "no host of an old client": got(b"", version=b"1.0"),
    "a host of others": got(b"Host: evil.example\r\n"),
    "an address of others": got(HOST, b"http://evil.example/health"),
    "an address with a user": got(HOST, b"http://127.0.0.1@evil.example/health"),
    "a host as a port": got(b"Host: 127.0.0.1:evil.example\r\n"),
    "a tunnel": b"CONNECT 127.0.0.1:22 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a page of others": got(HOST + b"Origin: http://evil.example\r\n"),
    "a page of nobody": got(HOST + b"Origin: null\r\n"),
    "another port's page": got(HOST + b"Origin: http://127.0.0.1:1\r\n"),
    "a version that is none": got(HOST, version=b"2.0"),
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a path with a blank": got(HOST, b"/he alth"),
    "a path of other bytes": got(HOST, b"/\xff"),
    "a body that is too large": posted(b"Expect: 100-continue\r\nContent-Length: 999999999\r\n", b""),
}
CLEAR = {
    "chunks": (posted(CHUNKED + LAST, CHUNKS, b""), [200]),
    "chunks with extensions": (posted(CHUNKED + LAST, CHUNKS.replace(b"\r\n", b';a=b;c="d"\r\n', 1), b""), [200]),
    "trailers": (posted(CHUNKED + LAST, CHUNK + b"0\r\nHost: evil.example\r\nX: y\r\n\r\n", b""), [200]),
    "a coding in capitals": (posted(CHUNKED.upper() + LAST, CHUNKS, b""), [200]),
    "a chunk of nothing": (posted(CHUNKED, b"0\r\n\r\n"), [400, 404]),
    "no body": (posted(b"", b""), [400, 404]),
    "a body where none is wanted": (GET + HOST + b"Content-Length: 5\r\n\r\nhello" + got(HOST), [200, 200]),
    "many at once": ((GET + HOST + b"\r\n") * 50 + got(HOST), [200] * 51),
    "one after the last": (got(HOST) + SMUGGLED, [200]),
    "garbage after one": (GET + HOST + b"\r\n\x00garbage\r\n\r\n", [200]),
    "line ends before": (b"\r\n\r\n" + got(HOST), [200]),
    "an old client": (got(HOST, version=b"1.0"), [200]),
    "an old client that would stay": (b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n" + HOST + b"\r\n", [200]),
    "its own address": (got(b"Host: evil.example\r\n", b"http://127.0.0.1/health"), [200]),
    "its own page": (got(HOST + b"Origin: http://127.0.0.1\r\n"), [200]),
    "who asks first": (posted(b"Expect: 100-continue\r\n" + SIZE + LAST, BODY, b""), [200]),
    "an offer of HTTP/2": (posted(b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + SIZE, BODY), [200, 404]),
}


@pytest.fixture(scope="module")
def endpoint():
    running = Endpoint("-np", "2", "-c", "1024")
    yield running
    running.stop()


def statuses(endpoint, data):
    host, port = endpoint.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as found:
        found.sendall(data)
        parts = []
        while part := found.recv(1 << 16):
            parts.append(part)
    heads = re.findall(rb"HTTP/1\.1 (\d{3}) ", b"".join(parts))
    return [status for status in map(int, heads) if status != 100]


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_mean_two_things_is_refused(endpoint, name):
    found = statuses(endpoint, REFUSED[name])

    assert len(found) == 1
    assert found[0] in {400, 403, 413, 415}


@pytest.mark.parametrize("name", CLEAR)
def test_what_is_clear_is_answered_and_no_more_than_that(endpoint, name):
    data, expected = CLEAR[name]

    assert statuses(endpoint, data) == expected


def test_nothing_of_all_that_is_left(endpoint):
    assert endpoint.reserved == {"tokens": 0, "bytes": 0, "requests": 0, "queued": 0}
    assert endpoint.ask(max_tokens=1)[0] == 200
