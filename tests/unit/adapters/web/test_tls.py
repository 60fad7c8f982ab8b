"""Certificates: connecting to a checked address must not mean believing whoever answers there."""

import shutil

import pytest
from tests.fakes import secure
from tests.fakes.server import say, scripted

from aidx.adapters.web.addresses import Peer
from aidx.errors import EngineError

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made with openssl")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return secure.certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def port(certificate):
    """The port of a server that has that certificate."""
    with secure.secure(scripted({"/a": say(200, {}, b"hello")}), certificate) as found:
        yield found


def ask(make_web, host, port):
    with make_web(trusted=(Peer(host, port),)).get(f"https://{host}:{port}/a") as answer:
        return answer.whole(100)


def test_a_certificate_that_is_trusted_for_the_name(make_web, port, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[1]))

    assert ask(make_web, "localhost", port) == b"hello"


def test_a_certificate_for_another_name(make_web, port, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[1]))

    with pytest.raises(EngineError, match="the certificate is not trusted") as caught:
        ask(make_web, "127.0.0.1", port)
    assert caught.value.code == "bad_certificate"


def test_a_certificate_that_nobody_trusts(make_web, port):
    with pytest.raises(EngineError, match="the certificate is not trusted"):
        ask(make_web, "localhost", port)
