"""Which file of a repository is meant: by quantization, all parts, never a projector, and never a guess."""

import pytest

from aidx.errors import InputError
from aidx.model.pick import RepoFile, is_inside, label, models, pick

REPO = "hf.co/org/repo"


def files(*paths):
    return [RepoFile(path, 1) for path in paths]


def picked(quant, *paths):
    return [file.path for file in pick(files(*paths), quant, REPO)]


@pytest.mark.parametrize(
    ("path", "quant"),
    [
        ("a-Q4_K_M.gguf", "Q4_K_M"),
        ("a.q4_k_m.gguf", "q4_k_m"),
        ("Q8_0/a-00001-of-00002.gguf", "Q8_0"),
        ("BF16/a-BF16-00001-of-00002.gguf", "BF16"),
        ("a-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("a-IQ2_XXS.gguf", "IQ2_XXS"),
        ("a-fp16.gguf", "fp16"),
        ("gpt-oss-20b-mxfp4.gguf", "mxfp4"),
        ("gemma-3-27b-it-qat-q4_0.gguf", "q4_0"),
        ("Qwen3-30B-A3B.gguf", None),
        ("model.gguf", None),
    ],
)
def test_the_label(path, quant):
    assert label(path) == quant


@pytest.mark.parametrize(
    ("quant", "paths", "expected"),
    [
        (None, ["a-Q8_0.gguf", "a-Q4_K_M.gguf"], ["a-Q4_K_M.gguf"]),
        (None, ["a-Q8_0.gguf"], ["a-Q8_0.gguf"]),
        (None, ["whatever.gguf", "mmproj-model-f16.gguf"], ["whatever.gguf"]),
        ("Q8_0", ["a-Q8_0.gguf", "a-Q4_K_M.gguf"], ["a-Q8_0.gguf"]),
        ("q8_0", ["a-Q8_0.gguf", "a-Q4_K_M.gguf"], ["a-Q8_0.gguf"]),
        ("F16", ["mmproj-a-F16.gguf", "a-fp16.gguf"], ["a-fp16.gguf"]),
        ("FP16", ["a-F16.gguf", "a-BF16.gguf"], ["a-F16.gguf"]),
        ("F16", ["a-BF16.gguf", "a-F16.gguf"], ["a-F16.gguf"]),
        ("Q4_K_M", ["a-UD-Q4_K_M.gguf", "a-Q4_K_M.gguf"], ["a-Q4_K_M.gguf"]),
        ("Q4_K_M", ["a-UD-Q4_K_M.gguf", "a-Q8_0.gguf"], ["a-UD-Q4_K_M.gguf"]),
        ("Q4_K_XL", ["a-UD-Q4_K_XL.gguf", "a-Q8_0.gguf"], ["a-UD-Q4_K_XL.gguf"]),
        ("Q4_0", ["a-Q4_0_4_8.gguf", "a-Q4_0.gguf"], ["a-Q4_0.gguf"]),
        ("Q4_XS", ["a-IQ4_XS.gguf", "b-Q4_XS.gguf"], ["b-Q4_XS.gguf"]),
        (
            "Q8_0",
            ["Q8_0/a-Q8_0-00002-of-00002.gguf", "Q8_0/a-Q8_0-00001-of-00002.gguf", "a-Q4_K_M.gguf"],
            ["Q8_0/a-Q8_0-00001-of-00002.gguf", "Q8_0/a-Q8_0-00002-of-00002.gguf"],
        ),
        # Qwen's own repositories have the same model whole and in parts
        (
            "Q4_K_M",
            ["a-q4_k_m-00001-of-00002.gguf", "a-q4_k_m-00002-of-00002.gguf", "a-q4_k_m.gguf"],
            ["a-q4_k_m.gguf"],
        ),
        ("tagged", ["a-tagged.gguf", "a-other.gguf"], ["a-tagged.gguf"]),
    ],
)
def test_picked(quant, paths, expected):
    assert picked(quant, *paths) == expected
    assert picked(quant, *reversed(paths)) == expected


@pytest.mark.parametrize(
    ("quant", "paths", "says", "hint"),
    [
        ("Q5_K_M", ["a-Q8_0.gguf", "a-Q4_K_M.gguf"], r"has no Q5_K_M \(there: Q8_0, Q4_K_M\)", ":Q8_0"),
        (None, ["a-Q8_0.gguf", "a-Q6_K.gguf"], r"has no Q4_K_M and more than one model \(there: Q8_0, Q6_K\)", ":Q8_0"),
        ("Q8_0", ["x-1b-Q8_0.gguf", "x-3b-Q8_0.gguf"], r"several at Q8_0 \(x-1b-Q8_0.gguf, x-3b", "/x-1b-Q8_0.gguf"),
        ("Q8_0", ["a-Q8_0-00001-of-00002.gguf"], "holds no whole GGUF model", ".gguf files"),
        ("F16", ["mmproj-F16.gguf", "imatrix.gguf", "mtp-a-F16.gguf"], "holds no whole GGUF model", ".gguf files"),
        (None, ["README.md", "model.safetensors"], "holds no whole GGUF model", ".gguf files"),
        (None, [], "holds no whole GGUF model", ".gguf files"),
        (".*", ["a-Q8_0.gguf"], "has no", ":Q8_0"),
    ],
)
def test_not_picked(quant, paths, says, hint):
    with pytest.raises(InputError, match=says) as caught:
        picked(quant, *paths)
    assert hint in caught.value.hint


def test_a_long_list_is_cut_and_says_so():
    with pytest.raises(InputError, match="and 8 more"):
        picked("Q8_0", *(f"a-{number}.gguf" for number in range(20)))


def test_models_with_all_their_parts_only():
    found = models(files("a-00001-of-00002.gguf", "b-00001-of-00002.gguf", "b-00002-of-00002.gguf", "c.gguf", "c.txt"))

    assert [[file.path for file in parts] for parts in found] == [
        ["b-00001-of-00002.gguf", "b-00002-of-00002.gguf"],
        ["c.gguf"],
    ]


@pytest.mark.parametrize("path", ["a.gguf", "a/b/c.gguf", ".hidden/a", "a b/ü.gguf", "..a/b", "a..b"])
def test_inside(path):
    assert is_inside(path.split("/"))


@pytest.mark.parametrize(
    "path",
    ["", "/a", "a/", "a//b", ".", "..", "a/../b", "...", "C:/a", "a\\b", "a\0b", "a\nb", "a?", "a.", "a ",
     "x" * 256, "a|b", 'a"b'],
)  # fmt: skip
def test_not_inside(path):
    assert not is_inside(path.split("/"))
