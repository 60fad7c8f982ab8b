"""Every source says ``None`` to what is not its own; only the last one has the last word."""

import inspect
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest
from tests.fakes.server import serving
from tests.fakes.stores import ollama

from aidx.adapters import sources
from aidx.adapters.hub.api import Hub
from aidx.adapters.sources.local import all_stores
from aidx.adapters.stores import shipped
from aidx.adapters.stores.huggingface import HuggingFace
from aidx.adapters.stores.ollama import Ollama
from aidx.adapters.web.client import Web
from aidx.errors import InputError
from aidx.model.found import Resolved, Wanted

NOBODYS = ["", "no-such-model", "a/b", "a/b:Q4_K_M", "\0", "a" * 5000, "qwen9:1b", "..", "aidx-tiny2", ":"]
OWN = {
    "Shipped": "aidx-tiny",
    "File": shipped.path(),
    "Local": "tiny:latest",
    "Catalogue": "qwen2.5-coder:14b",
    "HubSource": "hf.co/org/repo:Q4_K_M",
    "WebSource": "https://example.org/a.gguf",
}


def implementations():
    """Every class with a ``find`` of a module of the package."""
    modules = [import_module(f"{sources.__name__}.{module.name}") for module in iter_modules(sources.__path__)]
    return {
        name: kind
        for module in modules
        for name, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__ and hasattr(kind, "find")
    }


@pytest.fixture
def made(tmp_path):
    """One of each; the network ones speak to a server that has nothing."""
    ollama(tmp_path / "ollama", Path(shipped.path()).read_bytes(), "registry.ollama.ai/library/tiny/latest")
    environ = {"OLLAMA_MODELS": str(tmp_path / "ollama")}
    with serving() as server:
        arguments = {
            "Local": [all_stores(environ, tmp_path)],
            "Catalogue": [HuggingFace(environ, tmp_path), Ollama(environ, tmp_path)],
            "HubSource": [lambda: Hub(Web(trusted=(server.peer,)), server.url)],
            "WebSource": [Web],
        }
        yield {name: kind(*arguments.get(name, [])) for name, kind in implementations().items()}


def test_all_are_found():
    assert set(implementations()) == set(OWN)


@pytest.mark.parametrize("name", [name for name in OWN if name != "Catalogue"])
def test_what_is_nobody_s_is_left_for_others(made, name):
    assert [made[name].find(Wanted(reference)) for reference in NOBODYS] == [None] * len(NOBODYS)


@pytest.mark.parametrize("name", ["Shipped", "File", "Local", "HubSource", "WebSource"])
def test_what_is_another_s_too(made, name):
    for other, reference in OWN.items():
        if other != name:
            assert made[name].find(Wanted(reference)) is None


@pytest.mark.parametrize("name", ["Shipped", "File", "Local", "Catalogue"])
def test_its_own_is_a_model(made, name):
    found = made[name].find(Wanted(OWN[name]))

    assert isinstance(found, Resolved)
    assert found.model.file_bytes > 0


@pytest.mark.parametrize("reference", NOBODYS)
def test_the_last_one_answers_or_says_what_is_wrong(made, reference):
    with pytest.raises(InputError) as caught:
        made["Catalogue"].find(Wanted(reference))
    assert caught.value.hint
