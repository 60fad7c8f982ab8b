"""`aidx models`, `aidx pull` and models that are not here yet, as a user runs them, against a hub on loopback."""

import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from huggingface_hub import try_to_load_from_cache
from tests.fakes.checkpoints import LLAMA, save
from tests.fakes.hub import publish
from tests.fakes.server import redirect, say, serving
from tests.fakes.stores import lmstudio, ollama
from tests.running import Ended, aidx

from aidx.adapters.stores import shipped

REPO = "hf.co/org/repo:F16"
CARD = ("--vram", "4GiB", "--host-ram", "8GiB")


class World:
    """A home with stores, a hub, and the command."""

    def __init__(self, home: Path, server: Any) -> None:
        self.home = home
        self.server = server
        self.cache = home / "hub"
        self.environ = {
            "HOME": str(home),
            "HF_ENDPOINT": server.url,
            "HF_HUB_CACHE": str(self.cache),
            "OLLAMA_MODELS": str(home / "ollama"),
        }

    def aidx(self, *arguments: str, code: int = 0, **environ: str) -> Ended:
        return aidx(*arguments, code=code, **{**self.environ, **environ})

    def json(self, *arguments: str, schema: str | None = None, code: int = 0) -> dict[str, Any]:
        found = json.loads(self.aidx(*arguments, "--json", code=code).stdout)
        text = (files("aidx") / "data" / "schemas" / f"{schema or arguments[0]}.json").read_text()
        jsonschema_rs.validator_for(json.loads(text)).validate(found)
        return found

    def refused(self, *arguments: str, code: int, says: str, **environ: str) -> str:
        done = self.aidx(*arguments, code=code, **environ)
        lines = done.stderr.splitlines()
        assert done.stdout == ""
        assert [line.partition(":")[0] for line in lines] == ["aidx", "hint"], lines
        assert says in lines[0], lines
        return lines[1]


@pytest.fixture
def tiny() -> bytes:
    return Path(shipped.path()).read_bytes()


@pytest.fixture
def world(tmp_path):
    with serving() as server:
        yield World(tmp_path, server)


def test_before_the_download_the_plan_is_that_of_the_file(world, tiny):
    publish(world.server, "org/repo", {"tiny-F16.gguf": tiny, "tiny-Q4_0.gguf": b"x" * 999})

    remote = world.json("plan", REPO, *CARD)
    here = world.json("plan", shipped.path(), *CARD)

    assert remote["roles"][0]["model"]["source"] == "hf"
    assert remote["devices"] == here["devices"]
    assert remote["plan_hash"] == here["plan_hash"]
    assert not world.cache.exists()


def test_pull_then_plan_and_list_by_the_same_name(world, tiny):
    publish(world.server, "org/repo", {"tiny-F16.gguf": tiny})

    pulled = world.json("pull", REPO)
    (file,) = pulled["files"]
    again = world.json("pull", REPO)
    plan = world.json("plan", REPO, *CARD)
    listed = world.json("models")

    assert try_to_load_from_cache("org/repo", "tiny-F16.gguf", cache_dir=world.cache) == file["path"]
    assert Path(file["path"]).read_bytes() == tiny
    assert (file["bytes"], file["fetched"], again["files"][0]["fetched"]) == (len(tiny), True, False)
    assert plan["roles"][0]["model"]["name"] == REPO
    assert [(each["name"], each["store"], each["file_bytes"]) for each in listed["models"]] == [(REPO, "hf", len(tiny))]
    before = len(world.server.requests)
    world.aidx("plan", REPO, *CARD)
    assert len(world.server.requests) == before, "a model that is here needs no network"


def test_pull_says_what_it_does_on_stderr_alone(world, tiny):
    publish(world.server, "org/repo", {"tiny-F16.gguf": tiny})

    first, second = world.aidx("pull", REPO), world.aidx("pull", "org/repo", "--quant", "F16", "-q")

    assert first.stdout.startswith(f"fetched {REPO} (")
    assert first.stderr.splitlines() == [
        f"aidx: fetching tiny-F16.gguf, 0 of {len(tiny):,} bytes are here",
        "aidx: tiny-F16.gguf is whole",
    ]
    assert second.stdout.startswith("already here: ")
    assert second.stderr == ""


def test_a_checkpoint_on_the_hub_is_planned_at_a_quantization_that_nobody_published(world):
    folder = save(world.home / "made", LLAMA, shards=2)
    publish(world.server, "org/small", {path.name: path.read_bytes() for path in folder.iterdir()})

    remote = world.json("plan", "hf.co/org/small", "--quant", "Q4_K_M", *CARD)
    local = world.json("plan", str(folder), "--quant", "Q4_K_M", *CARD)

    assert remote["devices"] == local["devices"]
    assert {entry["grade"] for entry in remote["devices"][0]["entries"] if entry["what"] == "weights"} == {"exact"}


FAMILIES: dict[str, dict[str, Any]] = {
    "MixtralForCausalLM": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "Qwen2ForCausalLM": {},
    "Qwen3ForCausalLM": {"head_dim": 32},
    "Qwen3MoeForCausalLM": {"head_dim": 32, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 256},
    "Gemma2ForCausalLM": {"head_dim": 32, "sliding_window": 512, "tie_word_embeddings": True},
    "Gemma3ForCausalLM": {"head_dim": 32, "sliding_window": 512, "tie_word_embeddings": True},
    "Phi3ForCausalLM": {},
    "SmolLM3ForCausalLM": {"tie_word_embeddings": True},
}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the engine cannot be asked")
@pytest.mark.parametrize("kind", FAMILIES)
def test_the_engine_loads_what_each_family_becomes(world, kind):
    folder = save(world.home / "made", {**LLAMA, "architectures": [kind], "head_dim": 32, **FAMILIES[kind]})

    plan = world.json("plan", str(folder), "--quant", "Q4_0", *CARD)

    compute = [entry for device in plan["devices"] for entry in device["entries"] if entry["what"] == "compute"]
    assert {entry["grade"] for entry in compute} == {"engine"}


def test_a_list_of_all_stores(world, tiny):
    ollama(world.home / "ollama", tiny, "registry.ollama.ai/library/phi4/latest", layers=(("projector", b"p"),))
    ollama(world.home / "ollama", b"gone", "registry.ollama.ai/library/lost/1b").unlink()
    lmstudio(world.home / ".lmstudio" / "models", "me/tiny", {"tiny.gguf": tiny})

    found = world.json("models")
    shown = world.aidx("models")

    assert [(each["name"], each["store"], each["architecture"]) for each in found["models"]] == [
        ("me/tiny", "lmstudio", "llama"),
        ("phi4:latest", "ollama", "llama"),
    ]
    assert [each["name"] for each in found["problems"]] == ["lost:1b"]
    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["NAME", "me/tiny", "phi4:latest"]
    assert shown.stderr.splitlines()[1] == "hint: Fetch it again: ollama pull lost:1b"
    assert world.aidx("models", "-q").stderr == ""


def test_stored_models_are_planned_with_what_comes_beside_them(world, tiny):
    ollama(world.home / "ollama", tiny, "registry.ollama.ai/library/phi4/latest", layers=(("projector", b"p" * 9999),))

    plan = world.json("plan", "phi4", *CARD)

    assert plan["roles"][0]["model"]["source"] == "ollama"
    assert any("projector" in note and "phi4:latest" in note for note in plan["notes"])


def test_no_models(world):
    assert world.aidx("models").stdout.startswith("no models: ")
    assert world.json("models") == {"schema": "aidx.models/1", "models": [], "problems": []}


def test_a_dangling_manifest(world, tiny):
    ollama(world.home / "ollama", tiny, "registry.ollama.ai/library/phi4/latest").unlink()

    listed = world.aidx("models")
    assert listed.stdout == "no whole models: what ollama has here is damaged; aidx pull MODEL fetches one\n"
    assert "phi4:latest: its blob" in listed.stderr
    hint = world.refused("plan", "phi4", *CARD, code=4, says="phi4:latest: its blob")
    assert "ollama pull phi4:latest" in hint
    world.aidx("plan", "aidx-tiny", *CARD)


@pytest.mark.parametrize("name", ["llama3.1:8b", "qwen2.5-coder:14b-instruct-q8_0"])
def test_a_name_whose_files_are_elsewhere(world, name):
    assert world.refused("pull", name, code=4, says="on the hub") == f"hint: Fetch it: ollama pull {name}"


def test_names_that_are_not_pulled(world):
    assert "aidx plan aidx-tiny" in world.refused("pull", "aidx-tiny", code=2, says="comes with aidx")
    assert "hf.co/ORG/REPO:QUANT" in world.refused("pull", "./x.gguf", code=2, says="is a path")
    hint = world.refused("pull", "https://example.org/a b.gguf?x=1&y=2", code=2, says="no checksum")
    assert "curl -fLO 'https://example.org/a b.gguf?x=1&y=2' && aidx plan ./'a b.gguf'" in hint
    assert "ollama pull no-such-model" in world.refused("pull", "no-such-model", code=2, says="unknown model")
    publish(world.server, "org/full", {"model.safetensors": b"x", "config.json": b"{}"})
    assert "hf download org/full" in world.refused("pull", "hf.co/org/full", code=2, says="holds no GGUF file")


def test_a_catalogue_name_is_pulled_from_its_maker(world):
    hint = world.refused("pull", "qwen2.5-coder:14b", code=2, says="hf.co/Qwen/Qwen2.5-Coder-14B-Instruct-GGUF")
    assert "Check the name" in hint  # the hub of this test has no such repository: it was asked for it
    assert world.server.requests[0][0].startswith("/api/models/Qwen/Qwen2.5-Coder-14B-Instruct-GGUF/revision/main")


@pytest.mark.parametrize(
    ("reference", "code", "says"),
    [
        ("http://example.org/a.gguf", 2, "only https is spoken"),
        ("https://10.0.0.1/a.gguf", 2, "10.0.0.1 is no public address"),
        ("https://localhost/a.gguf", 2, "localhost leads to"),
        ("https://[::ffff:127.0.0.1]/a.gguf", 2, "no public address"),
        ("hf.co/org", 2, "names no repository"),
        ("hf.co/org/none:Q4_K_M", 2, "hf.co/org/none: the hub has nothing of that name"),
        ("org/none", 2, "unknown model 'org/none'"),
    ],
)
def test_addresses_that_are_refused(world, reference, code, says):
    world.refused("plan", reference, *CARD, code=code, says=says)


def test_a_hub_that_redirects_into_a_private_network(world, tiny):
    handlers = {"tiny-F16.gguf": redirect("https://169.254.169.254/latest/meta-data")}
    publish(world.server, "org/repo", {"tiny-F16.gguf": tiny}, handlers=handlers)

    world.refused("plan", REPO, *CARD, code=4, says="169.254.169.254 is no public address")


def test_a_hub_that_lies_about_ranges(world, tiny):
    lie = {"Content-Range": "bytes 5-99/100"}
    publish(
        world.server,
        "org/repo",
        {"tiny-F16.gguf": tiny},
        handlers={"tiny-F16.gguf": say(206, lie)},
    )

    world.refused("plan", REPO, *CARD, code=4, says="was asked for bytes 0 to")


def test_a_gated_repository(world):
    world.server.routes["/api/models/org/repo/revision/main"] = say(401, {"X-Error-Code": "GatedRepo"})

    assert "HF_TOKEN" in world.refused("plan", REPO, *CARD, code=4, says="gated")
    assert "terms" in world.refused("plan", REPO, *CARD, code=4, says="gated", HF_TOKEN="hf_secret")
    assert world.server.requests[-1][1]["authorization"] == "Bearer hf_secret"


def test_offline(world):
    assert "Unset HF_HUB_OFFLINE" in world.refused(
        "plan", REPO, *CARD, code=4, says="not on this machine", HF_HUB_OFFLINE="1"
    )


@pytest.mark.parametrize(
    ("reference", "line"),
    [
        ("qwen2.5-coder:14b", "ollama pull qwen2.5-coder:14b"),
        ("hf.co/a/b:Q4_K_M", "hf download a/b --include '*Q4_K_M*'"),
    ],
)
def test_without_a_hub_the_hint_is_the_line_of_another_program(world, reference, line):
    nobody = "http://127.0.0.1:9"  # the discard port

    assert line in world.refused("pull", reference, code=4, says="127.0.0.1", HF_ENDPOINT=nobody)


def test_a_model_that_was_only_planned_is_not_served(world, tiny):
    publish(world.server, "org/repo", {"tiny-F16.gguf": tiny})

    hint = world.refused("serve", REPO, "--vram", "0", code=4, says="is known and not on this machine")
    assert f"aidx pull {REPO}" in hint
