"""A service elsewhere, asked by the proxy that the environment names: encrypted from here to there."""

import json
import shutil

import pytest
from tests.contract.test_engine import body, nobody, talk, whole
from tests.fakes import secure
from tests.fakes.proxy import proxy
from tests.fakes.upstream import Upstream, handler, say

from aidx.adapters.cloud import anthropic, openai
from aidx.adapters.engines import vllm
from aidx.adapters.tunnel import Proxy, named
from aidx.adapters.tunnel import proxy as proxy_for
from aidx.budget.settings import Settings
from aidx.errors import EngineError
from aidx.ports.engine import Launch

NAME = "service.example"
KEY = "sk-secret-of-the-test"
SAID = {"choices": [{"message": {"role": "assistant", "content": "hi"}}]}

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made with openssl")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return secure.certificate(tmp_path_factory.mktemp("tls"), NAME)


@pytest.fixture
def service(certificate, monkeypatch):
    """What a service of that name was asked, and its port on this machine."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[1]))
    found = Upstream()
    found.routes["GET", "/v1/models"] = lambda _: say({"data": [{"id": "m"}]})
    found.routes["GET", "/v1/models/m"] = lambda _: say({"id": "m"})
    found.routes["POST", "/v1/chat/completions"] = lambda _: say(SAID)
    with secure.secure(handler(found), certificate) as port:
        found.port = port
        yield found


def launch():
    return Launch("", "m", Settings(ctx_size=1024), urls=(f"https://{NAME}/v1",), key=KEY)


def test_a_service_is_asked_through_a_tunnel_that_shows_nothing(service, monkeypatch):
    with proxy(service.port) as between:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:p%40ss@127.0.0.1:{between.port}")
        deployment = openai.ENGINE.start(launch())
        said = json.loads(talk(deployment, lambda chat: whole(chat, body())))

    assert said == SAID
    assert service.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    assert service.requests[-1].headers["host"] == NAME
    assert all(head.startswith(f"CONNECT {NAME}:443 HTTP/1.1\r\n") for head in between.asked)
    assert all("Proxy-Authorization: Basic bWU6cEBzcw==\r\n" in head and KEY not in head for head in between.asked)
    assert len(between.asked) == 2  # the start's own connection, and the one that answered


def test_anthropic_s_too(service, monkeypatch):
    with proxy(service.port) as between:
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{between.port}")
        anthropic.ENGINE.start(Launch("", "m", Settings(ctx_size=1024), urls=(f"https://{NAME}",), key=KEY))
    assert len(between.asked) == 1


def test_the_certificate_is_that_of_the_service_and_not_of_the_proxy(service, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with proxy(service.port) as between:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{between.port}")
        with pytest.raises(EngineError) as wrong:
            openai.ENGINE.start(launch())
    assert wrong.value.code == "bad_certificate"
    assert service.requests == []


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "refuses service.example:443: status 403"),
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "status 407"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "does not answer as a proxy does"),
        (b"HTTP/1.1 200 OK\r\n\r\n\x16\x03", "does not answer as a proxy does"),
        (b"x" * (1 << 15), "does not answer as a proxy does"),
        (b"", "nothing answers at service.example:443 by the proxy that HTTPS_PROXY names"),
    ],
)
def test_a_proxy_that_does_not_let_it_through_is_said(service, monkeypatch, answer, says):
    with proxy(service.port, answer) as between:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret@127.0.0.1:{between.port}")
        with pytest.raises(EngineError, match=says) as refused:
            openai.ENGINE.start(launch())
    assert refused.value.exit_code == 4
    assert "secret" not in f"{refused.value} {refused.value.hint}"


def test_a_proxy_that_is_not_there_is_said(monkeypatch):
    with nobody() as url:
        monkeypatch.setenv("HTTPS_PROXY", url)
        with pytest.raises(EngineError, match="by the proxy that HTTPS_PROXY names"):
            openai.ENGINE.start(launch())


def test_an_engine_of_one_s_own_is_never_asked_by_a_proxy(service, monkeypatch):
    with proxy(service.port) as between:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{between.port}")
        for engine, url in ((vllm.ENGINE, f"https://localhost:{service.port}"), (openai.ENGINE, "https://127.0.0.1:9")):
            with pytest.raises(EngineError):
                engine.start(Launch("", "m", Settings(ctx_size=1024), urls=(url,)))
    assert between.asked == []


@pytest.mark.parametrize(
    ("host", "direct", "by"),
    [
        ("api.openai.com", "", "HTTPS_PROXY"),
        ("api.openai.com", "openai.com", ""),
        ("api.openai.com", "a.example, .openai.com:443", ""),
        ("api.openai.com", "*", ""),
        ("api.openai.com", "*.openai.com", ""),
        ("notopenai.com", "openai.com", "HTTPS_PROXY"),
        ("API.OpenAI.com", "api.openai.COM", ""),
        ("localhost", "", ""),
        ("127.0.0.9", "", ""),
        ("::1", "", ""),
        ("10.1.2.3", "", ""),
        ("192.168.0.9", "", ""),
        ("1.1.1.1", "", "HTTPS_PROXY"),
    ],
)
def test_which_hosts_are_asked_by_a_proxy(host, direct, by):
    assert named(host, {"HTTPS_PROXY": "http://p", "NO_PROXY": direct}) == by


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("http://p.example:3128", Proxy("ALL_PROXY", "p.example", 3128)),
        ("p.example", Proxy("ALL_PROXY", "p.example", 80)),
        ("http://[::1]:9/", Proxy("ALL_PROXY", "::1", 9)),
        ("socks5://p.example", None),
        ("https://p.example", None),
        ("http://p.example:none", None),
        ("http://", None),
    ],
)
def test_what_names_a_proxy(value, found):
    assert proxy_for("far.example", {"ALL_PROXY": value}) == found
    assert proxy_for("far.example", {}) is None
