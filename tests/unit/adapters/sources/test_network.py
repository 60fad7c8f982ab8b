"""Models that are not here: found by name on a hub or by address, from a fraction of their bytes."""

import json
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.fakes.checkpoints import LLAMA, save
from tests.fakes.hub import COMMIT, publish
from tests.fakes.server import ranged, say, serving
from tests.gguf_files import F32_TYPE, STRING, U16, U32, Craft

from aidx.adapters.hub.api import Hub
from aidx.adapters.reference import HubModel, WebFile
from aidx.adapters.sources.hub import HubSource, Remote
from aidx.adapters.sources.web import WebSource
from aidx.adapters.stores import shipped
from aidx.adapters.web.client import Web
from aidx.errors import EngineError, InputError
from aidx.model.found import Wanted


@pytest.fixture
def server():
    with serving() as found:
        yield found


@pytest.fixture
def source(server):
    with ExitStack() as stack:

        def made():
            web = stack.enter_context(closing(Web(trusted=(server.peer,), pause=lambda _: None)))
            return Hub(web, server.url)

        yield HubSource(made)


@pytest.fixture
def tiny():
    return Path(shipped.path()).read_bytes()


def parts():
    """A model in two files."""
    found = {}
    for number in range(2):
        craft = Craft()
        if not number:
            craft.pair("general.architecture", STRING, "llama")
            for key, value in (("block_count", 1), ("context_length", 64), ("embedding_length", 32), ("vocab_size", 4)):
                craft.pair(f"llama.{key}", U32, value)
            craft.pair("llama.attention.head_count", U32, 2)
        craft.pair("split.no", U16, number).pair("split.count", U16, 2)
        craft.tensor("token_embd.weight" if not number else "blk.0.attn_norm.weight", (32, 4 - 3 * number), F32_TYPE)
        found[f"big-{number + 1:05d}-of-00002.gguf"] = craft.file(512 if not number else 128)
    return found


def test_a_file_of_the_hub(server, source, tiny):
    publish(server, "org/repo", {"a-F16.gguf": tiny, "a-Q8_0.gguf": b"x" * 1000, "mmproj-F16.gguf": b"eye"})

    model = source.find(Wanted("hf.co/org/repo:f16")).model

    assert (model.name, model.source, model.path) == ("hf.co/org/repo:f16", "hf", None)
    assert model.file_bytes == len(tiny)
    assert len(server.requests) == 2


def test_quant_beside_the_address(server, source, tiny):
    publish(server, "org/repo", {"a-F16.gguf": tiny, "a-Q8_0.gguf": b"x" * 1000})

    assert source.find(Wanted("hf.co/org/repo", quant="F16")).model.file_bytes == len(tiny)
    assert source.find(Wanted("hf.co/org/repo:f16", quant="F16")).model.file_bytes == len(tiny)
    with pytest.raises(InputError, match="another quantization"):
        source.find(Wanted("hf.co/org/repo:F16", quant="Q8_0"))
    with pytest.raises(InputError, match="does not apply to a file"):
        source.find(Wanted("hf.co/org/repo/a-F16.gguf", quant="Q8_0"))
    with pytest.raises(InputError, match=r"hf.co/org/repo:Q6_K has no Q6_K \(there: F16, Q8_0\)"):
        source.find(Wanted("hf.co/org/repo:Q6_K"))


def test_a_file_by_its_path(server, source, tiny):
    publish(server, "org/repo", {"sub/a.gguf": tiny, "b.gguf": tiny})

    assert source.find(Wanted("hf.co/org/repo/sub/a.gguf")).model.name == "hf.co/org/repo/sub/a.gguf"
    assert source.find(Wanted("https://huggingface.co/org/repo/blob/main/sub/a.gguf")).model.file_bytes == len(tiny)
    with pytest.raises(InputError, match="no such model file"):
        source.find(Wanted("hf.co/org/repo/c.gguf"))


def test_a_split_model(server, source):
    files = parts()
    publish(server, "org/repo", files)

    model = source.find(Wanted("hf.co/org/repo")).model

    assert model.file_bytes == sum(map(len, files.values()))
    assert [tensor.name for tensor in model.tensors] == ["token_embd.weight", "blk.0.attn_norm.weight"]


def test_a_size_that_the_hub_states_otherwise(server, source, tiny):
    publish(server, "org/repo", {"a-F16.gguf": tiny}, lies={"a-F16.gguf": {"lfs": {"sha256": "0" * 64, "size": 5}}})

    with pytest.raises(EngineError, match="5 were announced"):
        source.find(Wanted("hf.co/org/repo"))


@pytest.mark.parametrize("shards", [1, 2])
def test_a_checkpoint_of_the_hub(server, source, tmp_path, shards):
    folder = save(tmp_path / "x", LLAMA, shards=shards)
    publish(server, "org/small", {path.name: path.read_bytes() for path in folder.iterdir()})

    found = source.find(Wanted("hf.co/org/small"))
    named = source.find(Wanted("hf.co/org/small:Q4_K_M"))

    assert (found.model.name, found.model.source) == ("hf.co/org/small", "safetensors")
    assert (found.model.quantization, named.model.quantization) == ("BF16", "Q4_K_M")
    assert sum(len(headers["range"]) > 0 for _, headers in server.requests if "range" in headers) > 0


def test_a_repository_with_neither(server, source):
    publish(server, "org/repo", {"README.md": b"x", "pytorch_model.bin": b"x"})

    with pytest.raises(InputError, match="holds no whole GGUF model"):
        source.find(Wanted("hf.co/org/repo"))


def test_the_start_of_a_remote_file(server, source, tiny):
    publish(server, "org/repo", {"a.gguf": tiny})
    hub = source._hub()
    tree = Remote(hub, hub.repo(HubModel("org/repo")))

    assert (tree.size("a.gguf"), tree.size("b")) == (len(tiny), None)
    assert tree.start("a.gguf", 100) == tiny[:100]
    assert tree.start("a.gguf", 10**9) == tiny


@pytest.fixture
def web_source(server, monkeypatch):
    """Addresses on loopback stand for those of the open network, whose scheme a test cannot have."""
    from aidx.adapters.sources import web

    monkeypatch.setattr(web, "parse", lambda reference: WebFile(reference) if "://" in reference else None)
    return WebSource(lambda: Web(trusted=(server.peer,), pause=lambda _: None))


def test_an_address(server, web_source, tiny):
    server.routes["/x/a.gguf"] = ranged(tiny)

    model = web_source.find(Wanted(f"{server.url}/x/a.gguf?sig=1")).model

    assert (model.name, model.source, model.file_bytes) == ("a.gguf", "url", len(tiny))
    assert server.requests[0][0] == "/x/a.gguf?sig=1"


def test_an_address_of_a_part(server, web_source):
    files = parts()
    for name, data in files.items():
        server.routes[f"/x/{name}"] = ranged(data)

    models = [web_source.find(Wanted(f"{server.url}/x/{name}?sig=1")).model for name in files]

    assert {model.file_bytes for model in models} == {sum(map(len, files.values()))}
    assert all(path.endswith("?sig=1") for path, _ in server.requests)


def test_an_address_with_letters_of_other_alphabets(server, web_source, tiny):
    server.routes["/x/gr%C3%B6%C3%9Fe%20a.gguf"] = ranged(tiny)

    assert web_source.find(Wanted(f"{server.url}/x/größe a.gguf")).model.name == "größe a.gguf"


def test_an_address_with_quant(web_source):
    with pytest.raises(InputError, match="does not apply"):
        web_source.find(Wanted("https://example.org/a.gguf", quant="Q8_0"))


def test_an_address_that_is_gone(server, web_source):
    with pytest.raises(InputError, match=r"a.gguf: 127.0.0.1 has no such file \(404\)"):
        web_source.find(Wanted(f"{server.url}/a.gguf"))


def test_the_hub_s_answer_is_not_believed_about_its_paths(server, source):
    info = {"sha": COMMIT, "siblings": [{"rfilename": "../../a-F16.gguf", "size": 3}]}
    server.routes["/api/models/org/repo/revision/main"] = say(200, {}, json.dumps(info).encode())

    with pytest.raises(InputError, match="holds no whole GGUF model"):
        source.find(Wanted("hf.co/org/repo"))
