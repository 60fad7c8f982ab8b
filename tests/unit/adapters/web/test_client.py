"""Redirects are followed by hand: to https, to public addresses, so many times, and without the user's secrets."""

import pytest
from tests.fakes.server import redirect, say, serving

from aidx.adapters.web.client import REDIRECTS, NetworkError
from aidx.errors import EngineError, InputError


def whole(web, url, **more):
    with web.get(url, **more) as answer:
        return answer.status, answer.whole(1 << 20), answer.url


def test_an_answer(server, web):
    server.routes["/a"] = say(200, {"X-Word": "yes"}, b"body")

    with web.get(f"{server.url}/a?b=1") as answer:
        assert (answer.status, answer.headers["x-word"], answer.whole(10)) == (200, "yes", b"body")

    path, headers = server.requests[0]
    assert path == "/a?b=1"
    assert headers["accept-encoding"] == "identity"
    assert headers["user-agent"].startswith("aidx/")


def test_a_redirect_is_followed(server, web):
    server.routes["/a"] = redirect("/b?sig=1")
    server.routes["/b"] = say(200, {}, b"there")

    assert whole(web, f"{server.url}/a") == (200, b"there", f"{server.url}/b?sig=1")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_every_kind_of_redirect(server, web, status):
    server.routes["/a"] = redirect(f"{server.url}/b", status)
    server.routes["/b"] = say(200, {}, b"there")

    assert whole(web, f"{server.url}/a")[1] == b"there"


def test_secrets_stay_at_home(server, make_web):
    with serving() as other:
        both = make_web(trusted=(server.peer, other.peer))
        server.routes["/a"] = redirect("/b")
        server.routes["/b"] = redirect(f"{other.url}/c")
        other.routes["/c"] = redirect(f"{server.url}/d")
        server.routes["/d"] = say(200, {}, b"done")

        assert whole(both, f"{server.url}/a", secret={"Authorization": "Bearer x"})[1] == b"done"

    assert [headers.get("authorization") for _, headers in server.requests] == ["Bearer x"] * 3
    assert [headers.get("authorization") for _, headers in other.requests] == [None]


@pytest.mark.parametrize(
    ("target", "says", "code"),
    [
        ("https://10.0.0.1/x", "10.0.0.1 is no public address", "private_address"),
        ("https://169.254.169.254/latest/meta-data", "no public address", "private_address"),
        ("https://localhost/x", "localhost leads to", "private_address"),
        ("https://[::ffff:127.0.0.1]/x", "no public address", "private_address"),
        ("https://0x7f000001/x", "no public address", "private_address"),
        ("http://127.0.0.1:9/x", "only https is followed", "bad_redirect"),
        ("http://example.org/x", "only https is followed", "bad_redirect"),
        ("ftp://example.org/x", "only https is followed", "bad_redirect"),
        ("file:///etc/passwd", "redirects to no address", "bad_redirect"),
        ("https://user:secret@example.org/", "redirects to no address", "bad_redirect"),
        ("https://[::1", "redirects to no address", "bad_redirect"),
        ("", "redirects to no address", "bad_redirect"),
    ],
)
def test_a_redirect_that_leads_astray(server, web, target, says, code):
    server.routes["/a"] = redirect(target)

    with pytest.raises(EngineError, match=says) as caught:
        whole(web, f"{server.url}/a")

    assert (caught.value.exit_code, caught.value.code) == (4, code)
    assert caught.value.hint
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("circle", ["a", "ab"])
def test_a_circle_of_redirects_is_said_to_be_one(server, web, circle):
    for here, there in zip(circle, circle[1:] + circle[0], strict=True):
        server.routes[f"/{here}"] = redirect(f"/{there}")

    with pytest.raises(EngineError, match="redirects in a circle") as caught:
        whole(web, f"{server.url}/a")

    assert len(server.requests) == len(circle)
    assert caught.value.hint == "Download the file in a browser, and name its path."


def test_redirects_end(server, web):
    for number in range(REDIRECTS + 2):
        server.routes[f"/{number}"] = redirect(f"/{number + 1}")
    server.routes["/a"] = redirect("/0")

    with pytest.raises(EngineError, match=f"more than {REDIRECTS} times"):
        whole(web, f"{server.url}/a")

    assert len(server.requests) == REDIRECTS + 1


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://example.org/x", "only https is spoken"),
        ("https://10.0.0.1/x", "10.0.0.1 is no public address"),
        ("https://localhost/x", "localhost leads to"),
        ("https://user:secret@example.org/", "user name"),
        ("https://example.org:999999/", "is no address"),
        ("gopher://example.org/", "only https is spoken"),
    ],
)
def test_an_address_that_is_not_visited(web, url, says):
    with pytest.raises(InputError, match=says) as caught:
        whole(web, url)

    assert caught.value.hint
    assert "secret" not in str(caught.value)


def test_an_answer_that_is_too_long(server, web):
    server.routes["/a"] = say(200, {}, b"x" * 5000)

    with web.get(f"{server.url}/a") as answer, pytest.raises(EngineError, match="more than 4,999 bytes"):
        answer.whole(4999)


def test_an_answer_that_breaks_off(server, web):
    server.routes["/a"] = say(200, {}, b"x" * 5000, cut=100)

    with web.get(f"{server.url}/a") as answer, pytest.raises(NetworkError, match="connection failed"):
        answer.whole(5000)


def test_nobody_answers(make_web):
    with serving() as other:
        gone = other.url
        lost = make_web(trusted=(other.peer,))
    with pytest.raises(NetworkError) as caught:
        whole(lost, f"{gone}/a")
    assert caught.value.hint


def test_a_deadline_counts_from_when_it_was_made(make_web):
    now = [100.0]
    web = make_web(clock=lambda: now[0])
    deadline = web.deadline(60)

    now[0] = 160.0
    deadline.check("x")
    now[0] = 160.1
    with pytest.raises(EngineError, match="x: not done within 60 s"):
        deadline.check("x")
