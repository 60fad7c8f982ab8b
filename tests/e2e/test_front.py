"""The page at ``/``: of a real endpoint in a real browser; without a script, with it, and where a key is wanted."""

import re
import threading
from base64 import b64encode
from contextlib import closing, contextmanager
from hashlib import sha256
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.browser import Browser
from tests.endpoint import Endpoint, messages, until

from aidx.page.endpoint import REFRESH, Served, View, locked, render
from aidx.page.parts import policy

KEY = "a-key-of-the-test"
WAITS = "--virtual-time-budget=5000"
SUBMITS = f"""document.querySelector("#key input").value = "{KEY}"; document.getElementById("key").requestSubmit();"""
SERVED = Served("editor", "tiny", "ready", 128, 100, 28, cells=256, reserved=0, running=0, slots=2, queued=0)


@pytest.fixture(scope="module")
def browse(tmp_path_factory):
    return Browser(tmp_path_factory.mktemp("profile"))


@pytest.fixture(scope="module")
def endpoint():
    running = Endpoint("-c", "1024", "-np", "2")
    yield running
    running.stop()


@contextmanager
def pages(answer):
    """A server of pages: *answer* is handed how many were asked for before, and the key that came along."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.headers.get("authorization"))
            body = answer(len(asked) - 1, asked[-1]).encode()
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def view(**changes):
    given = {"url": "http://127.0.0.1:1", "devices": (), "served": (SERVED,), "plan_hash": "0", **changes}
    return View(**given)


def test_it_shows_the_budget_the_roles_and_how_to_point_a_client_at_it(endpoint, browse):
    dom = browse(f"{endpoint.url}/", "--dump-dom")
    plan = endpoint.call("/plan")[2]["plan"]

    found = re.findall(r'<g class="segment" data-what="(\w+)" data-bytes="(\d+)">', dom)
    entries = [entry for device in plan["devices"] for entry in device["entries"] if entry["bytes"]]
    assert {(entry["what"], str(entry["bytes"])) for entry in entries} <= set(found)
    assert "0 of 1,024 KV cells reserved" in dom
    assert f"<td>editor</td><td>{plan['roles'][0]['model']['name']}</td><td>ready</td>" in dom
    assert f"OPENAI_BASE_URL={endpoint.url}/v1" in dom
    assert plan["plan_hash"] in dom


def test_it_shows_what_is_reserved_without_a_script(endpoint):
    with endpoint.client().chat.completions.create(
        model="editor", messages=messages(), max_tokens=400, stream=True, extra_body={"ignore_eos": True}
    ):
        until(lambda: endpoint.reserved["requests"] == 1)
        reserved = endpoint.reserved["tokens"]
        page = endpoint.call("/", raw=True)[2].decode()

    assert f'data-reserved="{reserved}"' in page
    assert "by 1 requests" in page


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/health", 200), ("/ready", 200), ("/nothing", 404)])
def test_a_head_has_no_body(endpoint, path, status):
    with closing(HTTPConnection(endpoint.url.removeprefix("http://"), timeout=10)) as connection:
        for _ in range(2):  # a body would be taken for the next answer
            connection.request("HEAD", path)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (status, b"")
            assert int(answer.headers["content-length"]) > 0


def test_it_asks_nobody_but_its_own_server(endpoint, browse, tmp_path):
    asked = browse.requests(f"{endpoint.url}/", tmp_path, WAITS)

    assert asked
    assert set(asked) == {f"{endpoint.url}/"}


def test_it_follows_what_happens(browse):
    later = Served("editor", "tiny", "ready", 128, 100, 28, cells=256, reserved=77, running=1, slots=2, queued=3)
    with pages(lambda number, _: render(view() if number == 0 else view(served=(later,)))) as url:
        dom = browse(f"{url}/", "--dump-dom", WAITS)

    assert 'data-reserved="77"' in dom
    assert 'data-state="live"' in dom


def test_it_asks_for_the_key_and_shows_nothing_without_it(browse):
    running = Endpoint("-c", "512", "--api-key-env", "FRONT_KEY", env={"FRONT_KEY": KEY})
    try:
        dom = browse(f"{running.url}/", "--dump-dom", WAITS)
        status, _, page = running.call("/", headers={"authorization": f"bearer {KEY}"}, raw=True)
        name = running.call("/plan", headers={"authorization": f"bearer {KEY}"})[2]["plan"]["roles"][0]["model"]["name"]
    finally:
        running.stop()

    assert 'type="password"' in dom
    assert name not in dom
    assert "segment" not in dom[dom.index("<main>") :]
    assert (status, name.encode() in page, b'id="key"' in page) == (200, True, False)


def test_the_key_that_is_typed_opens_it(browse):
    """The page's own script sends it; the one that types it here is let in by its hash, as the page's is."""
    told = b64encode(sha256(SUBMITS.encode()).digest()).decode()
    allowed = policy(REFRESH).replace("script-src ", f"script-src 'sha256-{told}' ").replace("'", "&#x27;")
    closed = locked("http://127.0.0.1:1").replace(policy(REFRESH).replace("'", "&#x27;"), allowed)
    typed = closed.replace("</body>", f"<script>{SUBMITS}</script></body>")
    with pages(lambda _, key: render(view(keyed=True)) if key == f"Bearer {KEY}" else typed) as url:
        dom = browse(f"{url}/", "--dump-dom", WAITS)

    assert 'data-state="live"' in dom
    assert "<td>editor</td>" in dom
    assert 'type="password"' not in dom


def test_names_of_models_cannot_become_part_of_the_page():
    page = render(view(served=(Served("editor", "<script>x</script>", "ready", 1, 1, 1, 1, 0, 0, 1, 0),)))

    assert "&lt;script&gt;x" in page
    assert page.count("<script>") == 1
