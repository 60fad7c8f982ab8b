"""Names on the network: what Ollama and llama.cpp take, and addresses copied from a browser."""

import pytest

from aidx.adapters.reference import HubModel, WebFile, parse, tagged
from aidx.errors import InputError


@pytest.mark.parametrize(
    ("reference", "meant"),
    [
        ("hf.co/org/repo", HubModel("org/repo")),
        ("hf.co/org/repo:Q4_K_M", HubModel("org/repo", "Q4_K_M")),
        ("HF.co/org/repo:Q4_K_M", HubModel("org/repo", "Q4_K_M")),
        ("hf.co/org/repo:latest", HubModel("org/repo")),
        ("huggingface.co/org/repo:UD-Q4_K_XL", HubModel("org/repo", "UD-Q4_K_XL")),
        ("hf.co/org/repo/a-Q4.gguf", HubModel("org/repo", path="a-Q4.gguf")),
        ("hf.co/org/repo/sub/a.gguf", HubModel("org/repo", path="sub/a.gguf")),
        ("hf.co/org/repo:a-Q4.gguf", HubModel("org/repo", path="a-Q4.gguf")),
        ("https://huggingface.co/org/repo", HubModel("org/repo")),
        ("https://huggingface.co/org/repo/", HubModel("org/repo")),
        ("https://huggingface.co/org/repo/tree/main", HubModel("org/repo")),
        ("https://huggingface.co/org/repo/tree/dev", HubModel("org/repo", revision="dev")),
        ("https://huggingface.co/org/repo/blob/main/a.gguf", HubModel("org/repo", path="a.gguf")),
        (
            "https://huggingface.co/org/repo/resolve/v1/s/a.gguf?download=true",
            HubModel("org/repo", None, "s/a.gguf", "v1"),
        ),
        ("https://hf.co/org/repo/resolve/main/a%20b.gguf", HubModel("org/repo", path="a b.gguf")),
        ("https://example.org/models/a.gguf", WebFile("https://example.org/models/a.gguf")),
        ("https://example.org/a.GGUF?sig=x", WebFile("https://example.org/a.GGUF?sig=x")),
        ("HTTPS://example.org/a.gguf", WebFile("HTTPS://example.org/a.gguf")),
        ("qwen2.5-coder:14b", None),
        ("org/repo", None),
        ("./hf.co/a.gguf", None),
        ("", None),
    ],
)
def test_meaning(reference, meant):
    assert parse(reference) == meant


@pytest.mark.parametrize(
    "reference",
    [
        "hf.co/org", "hf.co/", "hf.co/org/", "hf.co//repo", "hf.co/org/repo:", "hf.co/org/../x", "hf.co/../org/repo",
        "hf.co/org/re--po", "hf.co/-org/repo", "hf.co/org/repo:a b", "hf.co/org/repo:Q4/a.gguf", "hf.co/org/repo/a.bin",
        "hf.co/org/repo/../a.gguf", "hf.co/org/repo/a\\b.gguf", "hf.co/org/repo\n", "hf.co/org/" + "x" * 200,
        "https://huggingface.co/org/repo/resolve/main/%2e%2e/a.gguf", "https://huggingface.co/org/repo/resolve/../a.gguf",
        "http://example.org/a.gguf", "https://example.org/a.bin", "https://example.org/", "https://", "https:///a.gguf",
        "https://[::1/a.gguf", "https://example.org:99999999/a.gguf", "https://exa\nmple.org/a.gguf",
    ],
)  # fmt: skip
def test_what_names_nothing_is_said_to_in_one_line(reference):
    with pytest.raises(InputError) as caught:
        parse(reference)

    assert "\n" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    "reference",
    ["hf.co/org/repo", "hf.co/org/repo:Q4_K_M", "hf.co/org/repo/sub/a.gguf"],
)
def test_a_name_means_itself(reference):
    assert parse(reference).name == reference


def test_the_name_of_a_file_hides_its_address():
    assert WebFile("https://user.example.org/x/a%20b.gguf?signature=secret").name == "a b.gguf"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("org/repo", HubModel("org/repo")),
        ("org/repo:Q8_0", HubModel("org/repo", "Q8_0")),
        ("org", None),
        ("org/repo:", None),
        ("a/b/c", None),
        ("../x", None),
    ],
)
def test_without_a_host(name, meant):
    assert tagged(name) == meant
