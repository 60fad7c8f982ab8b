"""Headers over the net: the same as from the file, for a fraction of its bytes."""

from pathlib import Path

import pytest
from tests.fakes.server import Reply, once, ranged, say
from tests.gguf_files import F32, I32, STRING, Craft, plain

from aidx.adapters.stores import shipped
from aidx.adapters.stores.file import read_header as read_file
from aidx.adapters.web.header import FIRST, MOST, read_header
from aidx.adapters.web.ranges import RemoteFile
from aidx.errors import EngineError, HeaderError, InputError


def read(web, server, **more):
    file = RemoteFile(web, f"{server.url}/m.gguf", name="m.gguf", **more)
    return file, read_header(file, "m.gguf", web.deadline(60))


@pytest.fixture
def tiny():
    return Path(shipped.path()).read_bytes()


def test_the_header_is_that_of_the_file(web, server, tiny):
    server.routes["/m.gguf"] = ranged(tiny)

    file, header = read(web, server)

    assert header == read_file(shipped.path()).header
    assert file.size == len(tiny)
    assert server.ranges() == [f"bytes=0-{FIRST - 1}"]


def long_header():
    tokens = [f"token number {number}" for number in range(150_000)]
    craft = Craft().pair("general.architecture", STRING, "llama").array("tokenizer.ggml.tokens", STRING, tokens)
    return craft.pair("last", STRING, "here")


def test_a_long_header_takes_growing_ranges_and_not_much_more_than_itself(web, server):
    whole = long_header().file(8 << 20)
    server.routes["/m.gguf"] = ranged(whole)

    _, header = read(web, server)

    assert header.metadata["last"] == "here"
    sizes = [int(last) - int(first) + 1 for first, last in (span[6:].split("-") for span in server.ranges())]
    assert sizes == [min(FIRST << step, MOST) for step in range(len(sizes))]
    assert len(sizes) > 3
    assert sum(sizes) <= header.size + MOST


def test_a_typical_header_takes_at_most_two_megabytes(web, server):
    craft = Craft().pair("general.architecture", STRING, "llama")
    craft = craft.array("tokenizer.ggml.tokens", STRING, [f"token{number:05}" for number in range(32_000)])
    craft = craft.array("tokenizer.ggml.scores", F32, [0.5] * 32_000).array(
        "tokenizer.ggml.token_type", I32, [1] * 32_000
    )
    for number in range(291):  # as many tensors as a model of 7B has
        craft = craft.tensor(f"blk.{number}.some.weight", (32,), offset=128 * number)
    server.routes["/m.gguf"] = ranged(craft.file(64 << 20))

    file, header = read(web, server)

    assert (len(header.tensors), file.size) == (291, len(craft.file(64 << 20)))
    spans = [span[6:].split("-") for span in server.ranges()]
    assert sum(int(last) - int(first) + 1 for first, last in spans) <= 2 << 20


def test_a_server_without_ranges_is_left_when_the_header_is_there(web, server):
    whole = long_header().file(32 << 20)
    server.routes["/m.gguf"] = say(200, {}, whole)

    file, header = read(web, server)

    assert header.metadata["last"] == "here"
    assert file.size == len(whole)
    assert len(server.requests) == 1


def test_a_connection_that_drops_every_time_it_got_further(web, server):
    whole = long_header().file(1 << 20)
    good = ranged(whole)

    def cut(path, asked):
        reply = good(path, asked)
        return Reply(reply.status, reply.headers, reply.body, cut=min(len(reply.body), 400_000))

    server.routes["/m.gguf"] = cut

    assert read(web, server)[1].metadata["last"] == "here"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<html>no</html>", "m.gguf: not a GGUF file"),
        (plain()[:500], "m.gguf: the file ends too early"),
        (plain()[:-1], "m.gguf: its data would end"),
        (b"", "m.gguf: an empty file"),
    ],
)
def test_what_is_no_model(web, server, body, says):
    server.routes["/m.gguf"] = say(200, {}, body)

    with pytest.raises(InputError) as caught:
        read(web, server)

    assert str(caught.value).startswith(says)
    assert caught.value.hint


def test_a_file_shorter_than_its_header_says_is_refused(web, server):
    whole = plain()
    server.routes["/m.gguf"] = ranged(whole[: len(whole) - 100])

    with pytest.raises(HeaderError):
        read(web, server)


def test_a_file_that_changes_meanwhile(web, server):
    whole = long_header().file(1 << 20)
    server.routes["/m.gguf"] = once(ranged(whole), ranged(whole, etag='"two"'))

    with pytest.raises(EngineError, match=r"m\.gguf changed while it was read"):
        read(web, server)


def test_an_address_that_is_gone_says_so_once(web, server):
    with pytest.raises(InputError) as caught:
        read(web, server)

    assert str(caught.value) == "m.gguf: 127.0.0.1 has no such file (404)"
