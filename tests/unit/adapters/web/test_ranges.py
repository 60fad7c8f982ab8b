"""A file by ranges, from servers that do them, do not, lie, stop, change their file or drop the connection."""

import pytest
from tests.fakes.server import once, ranged, redirect, say, serving

from aidx.adapters.web.client import NetworkError
from aidx.adapters.web.ranges import TRIES, Part, RemoteFile, part_of
from aidx.errors import EngineError, InputError

DATA = bytes(range(256)) * 40


def reading(web, server, start=0, stop=None, path="/f", **more):
    file = RemoteFile(web, f"{server.url}{path}", name="f", **more)
    return file, b"".join(file.read(start, stop))


def refused(web, server, kind=EngineError, **more):
    with pytest.raises(kind) as caught:
        reading(web, server, **more)
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(("start", "stop"), [(0, 100), (100, 5000), (10_000, 99_999), (0, None), (5000, None)])
def test_a_server_that_does_ranges(web, server, start, stop):
    server.routes["/f"] = ranged(DATA)

    file, found = reading(web, server, start, stop)

    assert found == DATA[start:stop]
    assert file.size == len(DATA)
    assert len(server.requests) == 1


def test_several_reads_of_one_file_ask_for_the_same_one(web, server):
    server.routes["/f"] = ranged(DATA)
    file = RemoteFile(web, f"{server.url}/f", name="f")

    assert b"".join(file.read(0, 10)) + b"".join(file.read(10, 20)) == DATA[:20]

    assert server.ranges() == ["bytes=0-9", "bytes=10-19"]
    assert [headers.get("if-range") for _, headers in server.requests] == [None, '"one"']


def test_a_weak_tag_is_compared_and_not_sent(web, server):
    server.routes["/f"] = ranged(DATA, etag='W/"one"')
    file = RemoteFile(web, f"{server.url}/f", name="f")

    assert b"".join(file.read(0, 10)) + b"".join(file.read(10, 20)) == DATA[:20]
    assert "if-range" not in server.requests[1][1]


def test_a_server_without_ranges_is_read_until_the_reader_leaves(web, server):
    server.routes["/f"] = say(200, {}, DATA)
    file = RemoteFile(web, f"{server.url}/f", name="f")
    found = b""

    for data in file.read(0, 100):
        found += data
        if len(found) >= 100:
            break

    assert DATA.startswith(found)
    assert file.size == len(DATA)


def test_a_server_without_ranges_is_resumed_by_skipping(web, server):
    server.routes["/f"] = once(say(200, {}, DATA, cut=3000), say(200, {}, DATA))

    assert reading(web, server)[1] == DATA


def test_a_dropped_connection_is_resumed_where_it_broke(web, server, pauses):
    part = {"Content-Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}", "ETag": '"one"'}
    server.routes["/f"] = once(say(206, part, DATA, cut=4000), ranged(DATA))

    assert reading(web, server, 0, len(DATA))[1] == DATA

    first, second = server.ranges()
    assert first == f"bytes=0-{len(DATA) - 1}"
    assert second.startswith("bytes=")
    assert second != first
    assert server.requests[1][1]["if-range"] == '"one"'
    assert pauses == [0.5]


def test_a_short_part_is_completed(web, server):
    part = {"Content-Range": f"bytes 0-99/{len(DATA)}"}
    server.routes["/f"] = once(say(206, part, DATA[:100]), ranged(DATA, etag=None))

    assert reading(web, server, 0, 5000)[1] == DATA[:5000]
    assert server.ranges() == ["bytes=0-4999", "bytes=100-4999"]


def test_a_server_that_always_drops_is_left_alone_in_the_end(web, server, pauses):
    server.routes["/f"] = say(200, {}, DATA, cut=0)

    error = refused(web, server, NetworkError)

    assert error.code == "network_failed"
    assert len(server.requests) == TRIES
    assert pauses == [0.5, 1.0, 2.0]


def test_a_server_that_drips_is_left_alone_in_the_end(web, server, pauses):
    def drip(path, asked):
        start = int(asked["range"].removeprefix("bytes=").split("-")[0])
        part = {"Content-Range": f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"}
        return say(206, part, DATA[start:], cut=100)(path, asked)

    server.routes["/f"] = drip

    assert refused(web, server, NetworkError).code == "network_failed"
    assert len(server.requests) == TRIES


def test_a_server_that_is_out_of_order(web, server, pauses):
    server.routes["/f"] = once(say(503), say(502), ranged(DATA))
    assert reading(web, server)[1] == DATA

    server.routes["/f"] = say(500)
    assert "answers 500" in str(refused(web, server, NetworkError))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (ranged(DATA[::-1], etag='"two"'), "changed while it was read"),
        (ranged(DATA + b"x", etag='"one"'), "changed while it was read"),
        (say(200, {"ETag": '"two"'}, DATA), "changed while it was read"),
        (
            say(206, {"ETag": '"two"', "Content-Range": f"bytes 10-19/{len(DATA)}"}, DATA[10:20]),
            "changed while it was read",
        ),
    ],
)
def test_a_file_that_changes_between_two_ranges(web, server, changed, says):
    server.routes["/f"] = once(ranged(DATA), changed)
    file = RemoteFile(web, f"{server.url}/f", name="f")
    b"".join(file.read(0, 10))

    with pytest.raises(EngineError, match=says) as caught:
        b"".join(file.read(10, 20))
    assert caught.value.code == "file_changed"


def test_a_size_that_was_announced_otherwise(web, server):
    server.routes["/f"] = ranged(DATA)

    assert refused(web, server, size=len(DATA) + 1).code == "wrong_size"
    assert reading(web, server, size=len(DATA))[1] == DATA


@pytest.mark.parametrize(
    ("status", "headers", "says"),
    [
        (206, {"content-range": "bytes 1-10/100"}, "was asked for bytes 0 to 9"),
        (206, {"content-range": "bytes 0-10/100"}, "was asked for bytes 0 to 9"),
        (206, {"content-range": "bytes 0-9/5"}, "is no part of a file"),
        (206, {"content-range": "bytes 0-9/*"}, "which"),
        (206, {"content-range": "bytes */100"}, "which"),
        (206, {"content-range": "bytes 0-9/100\u0663"}, "which"),
        (206, {"content-range": "bytes 0--9/100"}, "which"),
        (206, {"content-range": f"bytes 0-9/{'9' * 40}"}, "which"),
        (206, {"content-range": "pages 0-9/100"}, "which"),
        (206, {}, "which"),
        (206, {"content-range": "bytes 0-9/100", "content-length": "9"}, "sends 9 bytes as"),
        (206, {"content-range": "bytes 0-9/100", "content-length": "-1"}, "as a length"),
        (200, {}, "how large"),
        (200, {"content-length": "many"}, "as a length"),
        (200, {"content-length": "10", "content-encoding": "gzip"}, "packs a file"),
    ],
)
def test_an_answer_that_cannot_be_true(status, headers, says):
    with pytest.raises(EngineError, match=says) as caught:
        part_of(status, headers, 0, 10)
    assert (caught.value.code, caught.value.exit_code) == ("bad_server", 4)


def test_an_answer_that_can():
    assert part_of(206, {"content-range": "bytes 5-9/100", "content-length": "5"}, 5, 10) == Part(5, 10, 100)
    assert part_of(206, {"content-range": "bytes 5-7/100"}, 5, 10) == Part(5, 8, 100)
    assert part_of(206, {"content-range": "bytes 5-99/100"}, 5, None) == Part(5, 100, 100)
    assert part_of(200, {"content-length": "100"}, 5, 10) == Part(0, 100, 100)


def test_a_wrong_range_over_the_wire(web, server):
    server.routes["/f"] = say(206, {"Content-Range": f"bytes 7-106/{len(DATA)}"}, DATA[7:107])

    assert "was asked for bytes 0 to 99" in str(refused(web, server, stop=100))


def test_more_bytes_than_announced(web, server):
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (200, DATA[:200])
    headers = {"Content-Range": f"bytes 0-99/{len(DATA)}", "Transfer-Encoding": "chunked"}
    server.routes["/f"] = say(206, headers, chunked)

    assert "more bytes than it announced" in str(refused(web, server, stop=100))


def test_fewer_bytes_than_announced_are_asked_for_again(web, server):
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (60, DATA[:60])
    headers = {"Content-Range": f"bytes 0-99/{len(DATA)}", "Transfer-Encoding": "chunked"}
    server.routes["/f"] = once(say(206, headers, chunked), ranged(DATA, etag=None))

    assert reading(web, server, 0, 100)[1] == DATA[:100]


@pytest.mark.parametrize(
    ("reply", "kind", "says", "hint"),
    [
        ((404,), InputError, "has no such file", "address"),
        ((410,), InputError, "has no such file", "address"),
        ((401,), EngineError, "refuses access", "rights"),
        ((403,), EngineError, "refuses access", "rights"),
        ((429, {"Retry-After": "17"}), EngineError, "patience", "Try again in 17 s."),
        ((429, {"Retry-After": "soon\u00b2"}), EngineError, "patience", "Try again later."),
        ((416,), EngineError, "has no such part of it (416)", "another file than it lists"),
        ((418,), EngineError, "answers 418", "later"),
    ],
)
def test_other_answers(web, server, *, reply, kind, says, hint):
    server.routes["/f"] = say(*reply)

    error = refused(web, server, kind)

    assert says in str(error)
    assert hint in error.hint
    assert len(server.requests) == 1


def test_where_a_redirect_led_is_asked_again_until_it_runs_out(server, make_web):
    with serving() as store:
        web = make_web(trusted=(server.peer, store.peer), pause=lambda _: None)
        server.routes["/f"] = redirect(f"{store.url}/signed")
        good = ranged(DATA)
        store.routes["/signed"] = once(good, good, say(403), good)
        file = RemoteFile(web, f"{server.url}/f", name="f", secret={"Authorization": "Bearer x"})

        found = [b"".join(file.read(start, start + 10)) for start in (0, 10, 20)]

    assert b"".join(found) == DATA[:30]
    assert len(server.requests) == 2  # at the start, and when the signature ran out
    assert all(headers.get("authorization") == "Bearer x" for _, headers in server.requests)
    assert not any("authorization" in headers for _, headers in store.requests)


def test_bytes_that_drip_end_with_the_deadline(server, make_web):
    now = [0.0]
    web = make_web(trusted=(server.peer,), clock=lambda: now[0])
    server.routes["/f"] = ranged(DATA)
    file = RemoteFile(web, f"{server.url}/f", name="f")
    read = file.read(0, 100, deadline=web.deadline(60))
    now[0] = 61.0

    with pytest.raises(EngineError, match="f: not done within 60 s"):
        next(read)
