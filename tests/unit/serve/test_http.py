"""Requests over real sockets: what is answered, in which order, and what becomes of those who dawdle or leave."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from aidx import outbox
from aidx.errors import InputError
from aidx.serve import answer
from aidx.serve.run import http
from aidx.serve.run import hub as hubs
from aidx.serve.strict import MAX_BODY

PLAIN = [(b"content-type", b"text/plain")]
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def post(body, head=b""):
    return b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%b\r\n%b" % (len(body), head, body)


async def until(condition):
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.001)


class Answers:
    """What is asked, and how each request ended; answers with what it was sent."""

    def __init__(self):
        self.seen = []
        self.ends = []
        self.hold = None

    def refused(self, status, code):
        self.ends.append((status, code))

    async def __call__(self, caller):
        self.seen.append((caller.method, caller.path))
        try:
            await self.answer(caller)
        except asyncio.CancelledError:
            self.ends.append("gone" if caller.gone else "cancelled")
            raise
        except InputError as error:
            self.ends.append(error.code)
            caller.whole(*answer.error(error, close=True))
        else:
            self.ends.append("answered")

    async def answer(self, caller):
        body = await caller.body()
        if self.hold is not None:
            await self.hold.wait()
        caller.whole(200, [*PLAIN, (b"content-length", b"%d" % len(body))], body)


class Stream(Answers):
    """Answers in pieces, and waits before the last one."""

    async def answer(self, caller):
        caller.begin(200, PLAIN)
        caller.write(b"first")
        if self.hold is not None:
            await self.hold.wait()
        caller.write(b"last", more=False)


@pytest.fixture(autouse=True, params=[outbox.FEW, -1], ids=["few", "many"])
def crowd(request, monkeypatch):
    """Each is written to at once, or as if there were many, at the end of a turn."""
    monkeypatch.setattr(outbox, "FEW", request.param)


@asynccontextmanager
async def serving(answers, drain=0.05):
    hub = hubs.Hub(answers, answers.refused)
    server = await hub.loop.create_server(lambda: http.Connection(hub), "127.0.0.1", 0)
    try:
        yield hub, server.sockets[0].getsockname()[1]
    finally:
        await hub.drain(drain, server)


async def exchange(port, *pieces, pause=0.0):
    """Send *pieces*; everything that comes back until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause)
    found = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return found


def run(answers, *pieces, pause=0.0):
    async def inside():
        async with serving(answers) as (_, port):
            return await exchange(port, *pieces, pause=pause)

    return asyncio.run(inside())


def bodies(data):
    """The bodies of answers with a length, one after the other."""
    found = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        found.append(rest[:size])
        data = rest[size:]
    return found


CLOSE = b"Connection: close\r\n"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_requests_in_any_pieces_are_answered_in_their_order(size):
    sent = post(b"one") + post(b"two") + post(b"three", CLOSE)
    answers = Answers()

    found = run(answers, *[sent[at : at + size] for at in range(0, len(sent), size)])

    assert bodies(found) == [b"one", b"two", b"three"]
    assert answers.ends == ["answered"] * 3


def test_nothing_after_a_last_request_is_looked_at():
    answers = Answers()

    assert bodies(run(answers, post(b"one", CLOSE) + post(b"two"))) == [b"one"]
    assert len(answers.seen) == 1


def test_the_path_is_decoded_and_has_no_query():
    answers = Answers()
    run(answers, b"GET /a%20b?c=d HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n")
    run(answers, b"GET http://x/abs?c HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n")

    assert answers.seen == [("GET", "/a b"), ("GET", "/abs")]


def test_a_body_in_chunks_is_put_together_and_its_trailers_are_nothing():
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + CLOSE + b"\r\n"

    assert bodies(run(Answers(), head + b"2\r\nab\r\n3\r\ncde\r\n0\r\nX-A: b\r\n\r\n")) == [b"abcde"]


def test_a_body_in_chunks_that_grows_too_large_is_refused():
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    answers = Answers()

    found = run(answers, head, b"%x\r\n%b" % (MAX_BODY + 2, b"x" * (MAX_BODY + 1)))

    assert found.startswith(b"HTTP/1.1 413 ")
    assert answers.ends == ["body_too_large"]


def test_borders_of_chunks_are_no_way_to_send_without_end():
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Long: "
    answers = Answers()

    assert run(answers, head, b"x" * (MAX_BODY + http.HEAD_BYTES + 64)).startswith(b"HTTP/1.1 413 ")
    assert answers.ends == ["body_too_large"]


def test_who_asks_first_is_told_to_go_on():
    found = run(Answers(), post(b"", b"Expect: 100-continue\r\n" + CLOSE).replace(b": 0", b": 2"), b"ab", pause=0.02)

    first, _, rest = found.partition(b"\r\n\r\n")
    assert first == b"HTTP/1.1 100 Continue"
    assert bodies(rest) == [b"ab"]


def test_a_body_that_is_no_http_is_answered():
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    answers = Answers()

    assert run(answers, head, b"zz\r\n").startswith(b"HTTP/1.1 400 ")
    assert answers.ends == ["invalid_request"]


def test_garbage_behind_a_request_does_not_cut_its_answer():
    answers = Answers()

    assert bodies(run(answers, post(b"one") + b"\x00\x01 garbage\r\n\r\n")) == [b"one"]


def test_an_offer_to_speak_something_else_is_not_taken():
    upgrade = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n"

    assert run(Answers(), upgrade).startswith(b"HTTP/1.1 200 OK\r\n")


OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


@pytest.mark.parametrize("pause", [0, 0.01])
@pytest.mark.parametrize("cut", [0, 1, 3, 150])
def test_what_is_posted_with_an_offer_is_read_as_any_other(pause, cut):
    """Java's client does that with everything, where the address begins with http:."""
    answers = Answers()
    first, last = post(b"one", OFFER), post(b"two", CLOSE)
    whole = first + last

    assert bodies(run(answers, whole[: len(first) - cut], whole[len(first) - cut :], pause=pause)) == [b"one", b"two"]
    assert answers.seen == [("POST", "/p")] * 2


def test_an_offer_and_a_last_request_are_both_heard():
    offer = OFFER.replace(b"Upgrade, ", b"close, Upgrade, ")

    assert bodies(run(Answers(), post(b"one", offer) + post(b"two"))) == [b"one"]


def test_a_tunnel_is_not_made():
    assert run(Answers(), b"CONNECT x:22 HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_who_sends_in_advance_and_takes_nothing_gets_no_more():
    large = post(b"x" * 200_000)

    async def inside():
        answers = Answers()
        async with serving(answers) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 16)
            writer.write(large * 40 + GET.replace(b"\r\n\r\n", b"\r\n" + CLOSE + b"\r\n"))
            before = -1
            while len(answers.ends) > before:
                before = len(answers.ends)
                await asyncio.sleep(0.2)
            whole = await asyncio.wait_for(reader.read(), 10)
            writer.close()
            return before, len(bodies(whole))

    taken, all_of_them = asyncio.run(inside())
    assert taken < 40
    assert all_of_them == 41


def test_who_sends_much_in_advance_keeps_nobody_waiting():
    async def inside():
        answers = Answers()
        async with serving(answers) as (_, port):
            ahead, behind = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            ahead[1].write(GET * 90)
            behind[1].write(post(b"behind", CLOSE))
            await behind[0].read()
            seen = answers.seen.index(("POST", "/p"))
            for _, writer in (ahead, behind):
                writer.close()
            return seen

    assert asyncio.run(inside()) < 80


def test_there_is_a_bound_to_what_is_sent_in_advance():
    answers = Answers()
    found = run(answers, GET * (http.PIPELINED + 50))

    assert len(bodies(found)) == len(answers.seen) == http.PIPELINED
    assert found.count(b"connection: close") == 1


@pytest.mark.parametrize("version", [b"0.9", b"2.0", b"1.2"])
def test_other_versions_are_refused(version):
    answers = Answers()

    assert run(answers, GET.replace(b"1.1", version)).startswith(b"HTTP/1.1 400 ")
    assert answers.seen == []


@pytest.mark.parametrize("url", [b"http://x/a", b"http://x", b"http://x:80/a?b"])
def test_of_a_whole_address_the_host_counts(url):
    hosts = []

    class Hosts(Answers):
        async def answer(self, caller):
            hosts.extend(value for name, value in caller.headers if name == b"host")
            await super().answer(caller)

    run(Hosts(), b"GET %b HTTP/1.1\r\nHost: other\r\n%b\r\n" % (url, CLOSE))
    assert hosts == [url.split(b"/")[2]]


@pytest.mark.parametrize("before", [b"", GET])
def test_a_head_that_comes_at_once_has_a_bound_as_well(before):
    answers = Answers()
    found = run(answers, before + b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 10_000 + b"\r\n")

    assert found.startswith(b"HTTP/1.1 200 " if before else b"HTTP/1.1 431 ")
    assert found.count(b"HTTP/1.1") == 1
    assert len(answers.seen) == bool(before)


def test_a_stream_has_chunks_and_an_old_client_the_end_of_the_connection():
    new = run(Stream(), GET.replace(b"\r\n\r\n", b"\r\n" + CLOSE + b"\r\n"))
    old = run(Stream(), b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")

    assert new.endswith(b"\r\n\r\n5\r\nfirst\r\n4\r\nlast\r\n0\r\n\r\n")
    assert b"transfer-encoding: chunked\r\n" in new
    assert old.endswith(b"\r\n\r\nfirstlast")
    assert b"chunked" not in old


@pytest.mark.parametrize("answers", [Answers(), Stream()])
def test_who_asks_for_the_head_gets_no_body(answers):
    found = run(answers, b"HEAD / HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n")

    assert found.startswith(b"HTTP/1.1 200 OK\r\n")
    assert found.endswith(b"\r\n\r\n")


def test_every_answer_has_a_date():
    assert b"\r\ndate: " in run(Answers(), post(b"", CLOSE))


def test_a_line_break_in_a_header_is_never_sent():
    class Split(Answers):
        async def answer(self, caller):
            with pytest.raises(ValueError, match="line break"):
                caller.whole(200, [(b"x-a", b"b\r\nset-cookie: c")], b"")
            caller.whole(200, [(b"content-length", b"0"), (b"connection", b"close")], b"")

    assert b"set-cookie" not in run(Split(), GET)


def test_a_bug_in_the_middle_of_an_answer_does_not_look_like_its_end():
    class Broken(Answers):
        async def answer(self, caller):
            caller.begin(200, PLAIN)
            caller.write(b"first")
            raise InputError("never mind", code="bug")

        async def __call__(self, caller):
            try:
                await self.answer(caller)
            except InputError:
                return

    assert run(Broken(), GET).endswith(b"5\r\nfirst\r\n")


@pytest.mark.parametrize(
    ("body", "after"), [(b"", b""), (b"half", b""), (b"", 4 * GET)], ids=["answering", "reading", "more"]
)
def test_a_client_that_leaves_is_noticed_at_once(body, after):
    async def inside():
        answers = Answers()
        answers.hold = asyncio.Event()
        async with serving(answers) as (_, port):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(post(body).replace(b": 4", b": 9") + after)
            await until(lambda: answers.seen)
            writer.close()
            await until(lambda: answers.ends)
            return answers.ends

    assert asyncio.run(asyncio.wait_for(inside(), 5)) == ["body_incomplete" if body else "gone"]


@pytest.fixture
def hurried(monkeypatch):
    """All deadlines are short."""
    for name in ("HEAD_S", "BODY_S", "IDLE_S", "STALLED_S"):
        monkeypatch.setattr(http, name, 0.05)
    monkeypatch.setattr(hubs, "LOOK_S", 0.01)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"GET / HT", "head_too_slow"),
        (post(b"four")[:-1], "body_too_slow"),
        (b"", None),
        (post(b"one") + b"POST /", "head_too_slow"),
    ],
)
def test_clients_that_dawdle_are_sent_away(hurried, sent, code):
    answers = Answers()
    found = run(answers, sent)

    if code is None:
        assert found == b""
        return
    assert answers.ends[-1] == (code if code == "body_too_slow" else (408, code))  # what is noted is what was said
    head, _, body = found[found.index(b"HTTP/1.1 408 ") :].partition(b"\r\n\r\n")
    assert b"connection: close" in head
    assert json.loads(body)["error"]["code"] == code


def test_a_connection_that_is_not_used_is_closed_in_silence(hurried):
    assert bodies(run(Answers(), post(b"one"))) == [b"one"]


def test_an_answer_may_take_longer_than_any_deadline(hurried):
    async def inside():
        answers = Answers()
        answers.hold = asyncio.Event()
        async with serving(answers) as (hub, port):
            hub.loop.call_later(0.2, answers.hold.set)
            return await exchange(port, post(b"one", CLOSE))

    assert bodies(asyncio.run(inside())) == [b"one"]


def test_a_client_that_takes_nothing_is_left(hurried):
    class Plenty(Answers):
        async def answer(self, caller):
            caller.begin(200, PLAIN)
            while True:
                caller.write(b"x" * 65_536)
                await caller.drain()
                await asyncio.sleep(0)

    async def inside():
        answers = Plenty()
        async with serving(answers) as (_, port):
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            writer.write(GET)
            await until(lambda: answers.ends)
            writer.transport.abort()
            return answers.ends

    assert asyncio.run(asyncio.wait_for(inside(), 10)) == ["gone"]


def test_there_is_room_for_so_many(monkeypatch):
    monkeypatch.setattr(hubs, "CONNECTIONS", 1)

    async def inside():
        async with serving(Answers()) as (_, port):
            first = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.sleep(0.02)
            found = await exchange(port)
            first[1].close()
            return found

    assert asyncio.run(inside()).startswith(b"HTTP/1.1 503 ")


def test_all_bodies_together_have_a_bound(monkeypatch):
    monkeypatch.setattr(http, "BODIES", 100)

    async def inside():
        async with serving(Answers()) as (hub, port):
            _, slow = await asyncio.open_connection("127.0.0.1", port)
            slow.write(post(b"x" * 90)[:-1])
            await until(lambda: hub.held == 89)
            refused = await exchange(port, post(b"x" * 20))
            slow.close()
            await until(lambda: hub.held == 0)
            return refused, await exchange(port, post(b"y" * 90, CLOSE)), hub.held

    refused, taken, held = asyncio.run(asyncio.wait_for(inside(), 5))
    assert refused.startswith(b"HTTP/1.1 503 ")
    assert bodies(taken) == [b"y" * 90]
    assert held == 0


def test_the_end_waits_for_answers_and_for_no_others():
    async def inside():
        answers = Answers()
        answers.hold = asyncio.Event()
        async with serving(answers, drain=5) as (hub, port):
            idle, unused = await asyncio.open_connection("127.0.0.1", port)
            busy = asyncio.create_task(exchange(port, post(b"one")))
            await until(lambda: answers.seen)
            hub.loop.call_later(0.05, answers.hold.set)
        found = await idle.read(), await busy
        unused.close()
        return found

    idle, busy = asyncio.run(asyncio.wait_for(inside(), 5))
    assert idle == b""
    assert b"connection: close\r\n" in busy
    assert bodies(busy) == [b"one"]


def test_who_comes_while_the_last_answer_is_awaited_is_heard():
    async def inside():
        answers = Answers()
        answers.hold = asyncio.Event()
        async with serving(answers, drain=5) as (hub, port):
            open_before = await asyncio.open_connection("127.0.0.1", port)
            busy = asyncio.create_task(exchange(port, post(b"one")))
            await until(lambda: answers.seen)

            async def later():
                await until(lambda: hub.draining)
                answers.hold, first = asyncio.Event(), answers.hold
                answers.hold.set()
                open_before[1].write(post(b"two"))
                found = await open_before[0].read(), await exchange(port, post(b"three"))
                first.set()
                open_before[1].close()
                return found

            heard = asyncio.create_task(later())
        return await busy, *await heard

    found = asyncio.run(asyncio.wait_for(inside(), 10))
    assert [bodies(one) for one in found] == [[b"one"], [b"two"], [b"three"]]
    assert all(b"connection: close\r\n" in one for one in found)


def test_what_takes_too_long_at_the_end_is_cancelled():
    async def inside():
        answers = Stream()
        answers.hold = asyncio.Event()
        async with serving(answers) as (_, port):
            asking = asyncio.create_task(exchange(port, GET))
            await until(lambda: answers.seen)
        return await asking, answers.ends

    found, ends = asyncio.run(asyncio.wait_for(inside(), 5))
    assert found.endswith(b"5\r\nfirst\r\n")
    assert ends == ["cancelled"]
