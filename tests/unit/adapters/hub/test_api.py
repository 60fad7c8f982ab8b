"""What the hub says of a repository, and what is made of its refusals."""

import json

import pytest
from tests.fakes.hub import COMMIT, publish, sha256
from tests.fakes.server import once, redirect, say, serving

from aidx.adapters.hub.api import HUB, Hub, hub_from
from aidx.adapters.reference import HubModel
from aidx.adapters.web.client import Web
from aidx.errors import EngineError, InputError
from aidx.model.pick import RepoFile

MODEL = HubModel("org/repo", quant="Q4_K_M")
API = "/api/models/org/repo/revision/main"


def test_a_repository(server, hub):
    publish(server, "org/repo", {"README.md": b"hello", "a-Q4_K_M.gguf": b"data"})

    repo = hub.repo(MODEL)

    assert (repo.name, repo.commit) == ("org/repo", COMMIT)
    assert repo.files == (RepoFile("README.md", 5, None), RepoFile("a-Q4_K_M.gguf", 4, sha256(b"data")))
    assert server.requests[0][0] == f"{API}?blobs=true"


def test_a_file_is_read_at_its_commit(server, hub):
    publish(server, "org/repo", {"sub dir/a-Q4_K_M.gguf": b"data"})
    server.routes[f"/org/repo/resolve/{COMMIT}/sub%20dir/a-Q4_K_M.gguf"] = say(200, {}, b"data")
    repo = hub.repo(MODEL)

    assert b"".join(hub.open(repo, repo.files[0]).read(0)) == b"data"


def test_paths_that_leave_the_repository_are_not_offered(server, hub):
    names = [
        "../x.gguf",
        "/etc/x.gguf",
        "a/../../x.gguf",
        "a\\x.gguf",
        "C:/x.gguf",
        "a//b.gguf",
        "a\x07.gguf",
        "good.gguf",
    ]
    siblings = [{"rfilename": name, "size": 1} for name in names]
    body = json.dumps({"sha": COMMIT, "siblings": siblings}).encode()
    server.routes[API] = say(200, {}, body)

    assert [file.path for file in hub.repo(MODEL).files] == ["good.gguf"]


@pytest.mark.parametrize("sha", ["A" * 64, "0" * 63, "../" + "0" * 61, ""])
def test_a_checksum_that_is_none_is_not_taken(server, hub, sha):
    publish(server, "org/repo", {"a.gguf": b"data"}, lies={"a.gguf": {"lfs": {"sha256": sha, "size": 4}}})

    assert hub.repo(MODEL).files[0].sha256 is None


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"sha": 1, "siblings": []}', b'{"siblings": []}', b"\xff", b"[" * 100_000]
)
def test_an_answer_that_is_damaged(server, hub, body):
    server.routes[API] = say(200, {}, body)

    with pytest.raises(EngineError, match="damaged") as caught:
        hub.repo(MODEL)
    assert caught.value.hint


def test_a_commit_that_is_a_path(server, hub):
    publish(server, "org/repo", {}, commit="../" * 13 + "x")

    with pytest.raises(EngineError, match="no commit"):
        hub.repo(MODEL)


@pytest.mark.parametrize(
    ("status", "headers", "token", "kind", "says", "hint"),
    [
        (404, {}, None, InputError, "nothing of that name", "set HF_TOKEN"),
        (401, {"X-Error-Code": "RepoNotFound"}, None, InputError, "nothing of that name", "set HF_TOKEN"),
        (401, {"X-Error-Code": "RepoNotFound"}, "hf_x", InputError, "nothing of that name", "Check the name."),
        (401, {"X-Error-Code": "GatedRepo"}, None, EngineError, "gated", "Set HF_TOKEN"),
        (403, {"X-Error-Code": "GatedRepo"}, "hf_x", EngineError, "gated", "Accept the terms"),
        (401, {}, None, EngineError, "private or gated", "Set HF_TOKEN"),
        (429, {"Retry-After": "30"}, None, EngineError, "patience", "in 30 s"),
        (503, {}, None, EngineError, "answers 503", "later"),
    ],
)
def test_a_refusal(server, make_hub, *, status, headers, token, kind, says, hint):
    server.routes[API] = say(status, headers)

    with pytest.raises(kind) as caught:
        make_hub(token).repo(MODEL)

    assert str(caught.value).startswith("hf.co/org/repo: ")
    assert says in str(caught.value)
    assert hint in caught.value.hint
    assert "hf_x" not in f"{caught.value}{caught.value.hint}"


def test_a_hub_that_stumbles_is_asked_again(server, hub):
    publish(server, "org/repo", {"a.gguf": b"data"})
    good = server.routes[API]
    server.routes[API] = once(say(502), say(200, {}, b"{}", cut=1), good)

    assert hub.repo(MODEL).commit == COMMIT


def test_the_token_goes_to_the_hub_alone(server):
    with serving() as store:
        publish(store, "org/repo", {"a.gguf": b"data"})
        publish(
            server,
            "org/repo",
            {"a.gguf": b"data"},
            handlers={"a.gguf": redirect(f"{store.url}/org/repo/resolve/{COMMIT}/a.gguf")},
        )
        web = Web(trusted=(server.peer, store.peer))
        hub = Hub(web, server.url, "hf_secret")
        repo = hub.repo(MODEL)

        assert b"".join(hub.open(repo, repo.files[0]).read(0)) == b"data"
        web.close()

    assert [headers["authorization"] for _, headers in server.requests] == ["Bearer hf_secret"] * 2
    assert not any("authorization" in headers for _, headers in store.requests)


class Noted:
    """Stands for a client: remembers whom it would trust."""

    def __init__(self, trusted=()):
        self.trusted = trusted

    def get(self, url, _headers=None, *, secret=None):
        self.asked = (url, secret)
        raise EngineError("asked")


def asked(environ, home):
    hub = hub_from(environ, home, Noted)
    with pytest.raises(EngineError, match="asked"):
        hub._asked(f"{hub._endpoint}/x", "x", None)
    return hub.web.asked, hub.web.trusted


def test_the_hub_of_an_empty_environment_trusts_nobody(tmp_path):
    assert asked({}, tmp_path) == ((f"{HUB}/x", {}), ())


def test_a_token_from_the_environment_or_from_the_login(tmp_path):
    folder = tmp_path / ".cache" / "huggingface"
    folder.mkdir(parents=True)
    (folder / "token").write_text("hf_file\n")

    assert asked({}, tmp_path)[0][1] == {"Authorization": "Bearer hf_file"}
    assert asked({"HF_TOKEN": " hf_env "}, tmp_path)[0][1] == {"Authorization": "Bearer hf_env"}
    assert asked({"HF_HOME": str(tmp_path / "other")}, tmp_path)[0][1] == {}
    assert asked({"HF_TOKEN_PATH": str(folder / "token"), "HF_HOME": "/x"}, tmp_path)[0][1]


@pytest.mark.parametrize("token", ["a b", "a\nb", "tök", "a\x00b"])
def test_a_token_that_is_none(tmp_path, token):
    with pytest.raises(InputError, match="HF_TOKEN is no token") as caught:
        hub_from({"HF_TOKEN": token}, tmp_path, Noted)
    assert token not in str(caught.value)


def test_another_hub_is_trusted_wherever_it_is(tmp_path):
    found, trusted = asked({"HF_ENDPOINT": "https://mirror.lan:8443/"}, tmp_path)
    assert found[0] == "https://mirror.lan:8443/x"
    assert trusted == (("mirror.lan", 8443),)
    assert asked({"HF_ENDPOINT": "http://localhost:8090"}, tmp_path)[1] == (("localhost", 8090),)


@pytest.mark.parametrize("endpoint", ["http://mirror.lan", "ftp://x", "mirror.lan", "https://x:99999"])
def test_another_hub_without_https(tmp_path, endpoint):
    with pytest.raises(InputError) as caught:
        hub_from({"HF_ENDPOINT": endpoint}, tmp_path, Noted)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline(tmp_path, name):
    with pytest.raises(EngineError, match=f"{name} is set") as caught:
        hub_from({name: "1"}, tmp_path, Noted)
    assert caught.value.code == "offline"
    assert hub_from({name: "0"}, tmp_path, Noted)
