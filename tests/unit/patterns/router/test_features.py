from zlib import crc32

import pytest

from aidx.patterns.router import features
from aidx.patterns.router.features import BUCKETS, NAMES, ONE, PLACES, files_named, named, read

CODE = "```python\ndef f(a):\n    return {a: [1]}\n```"


def test_the_same_prompt_has_the_same_features_in_every_process():
    """Places are CRCs, not Python's own hashes, which differ from run to run."""
    found = read("Rename foo_bar in src/a.py.")
    assert found.shape.files == 1
    for stem in (b"rename", b"_", b"in", b"_."):
        assert len(NAMES) + crc32(stem) % BUCKETS in found.grams
    assert len(found.grams) == 8


def test_ngrams_together_have_length_one():
    for prompt in ("a", "Rename foo to bar", "word " * 500, "一二三四五"):
        found = read(prompt)
        assert len(found.grams) * found.each**2 == pytest.approx(ONE * ONE, rel=0.03)


@pytest.mark.parametrize(
    ("prompt", "field", "count"),
    [
        ("one\ntwo\n", "lines", 3),
        ("- a\n- b\n 3. c\nno", "items", 3),
        ("why? 为什么？", "questions", 2),
        ("see a.py and b/c.ts and d", "files", 2),
        ("call get_user and x1", "names", 2),
        (f"{CODE} and {CODE}", "fences", 2),
        ("größe", "foreign", 2),
        ("abc", "characters", 3),
    ],
)
def test_the_shape_counts_what_it_says(prompt, field, count):
    assert getattr(read(prompt).shape, field) == count


def test_words_in_code_are_not_read_and_its_share_is():
    found = read(f"Fix it. {CODE}")
    assert found.grams == read("Fix it. ").grams
    assert found.shape.prose < found.shape.characters


def test_of_a_long_prompt_the_first_and_the_last_words_are_read():
    middle = " ".join(f"w{chr(97 + n % 26)}{chr(97 + n // 26)}x" for n in range(600))
    long = read(f"start here {middle} at the end")
    assert long.grams >= read("start here").grams - read("").grams
    assert any("“the end”" in name for name, _, _ in named(f"start here {middle} at the end"))
    assert len(long.grams) <= 2 * (features.FIRST + features.LAST)


def test_inflected_words_are_the_same():
    assert {n.name for n in named("refactoring")} & {n.name for n in named("refactored")} >= {"“refact”"}


@pytest.mark.parametrize(
    "prompt", ["", "Hi!", f"Why? {CODE}\n- x", "把这段话翻译成中文", "a.py b.py 12 ?", "\ud800 x", "é" * 3000]
)
def test_named_features_are_the_features(prompt):
    assert {one.place: one.value for one in named(prompt)} == read(prompt).features()


def test_places_are_within_the_model():
    for prompt in ("Hello there", "é" * 100, "0 _ ? x.py"):
        assert all(len(NAMES) <= place < PLACES == len(NAMES) + BUCKETS for place in read(prompt).grams)


@pytest.mark.parametrize(
    ("prompt", "files"),
    [
        ("Change a.py, b/c.ts and a.py again.", ("a.py", "b/c.ts")),
        ("e.g. this, version 1.2.3, example.com, i.e. nothing", ()),
        (f"x.py {CODE} ```\nz.py\n``` y.go.", ("x.py", "y.go")),
        ("(src/main.rs)", ("src/main.rs",)),
        ("../up.py ./here.py", ()),
        ("no files", ()),
    ],
)
def test_files_are_those_named_outside_code(prompt, files):
    assert files_named(prompt) == files


@pytest.mark.parametrize(
    "hostile",
    [
        "a" + "-" * 300_000,
        "a/" * 150_000 + ".",
        "a." * 150_000,
        ("\t" * 500 + "\n") * 500,
        "?" * 300_000,
        "`" * 300_000,
    ],
)
def test_no_prompt_takes_long(hostile):
    """Each is read in one pass; going back over them would take minutes, and the suite's limit would say so."""
    assert read(hostile).shape.characters == len(hostile)
    assert len(files_named(hostile)) <= 1


@pytest.mark.parametrize("text", ["f(x) = y; ", "für Größe ", "- a point\n"])
def test_shares_of_a_long_prompt_are_those_of_its_ends(text):
    short, long = read(text * 100).shape, read(text * 5000).shape

    assert long.characters == len(text) * 5000
    assert long.marks * short.characters == pytest.approx(short.marks * long.characters, rel=0.01)
    assert long.foreign * short.characters == pytest.approx(short.foreign * long.characters, rel=0.01)
    assert long.items <= 4096 // len(text) + 1
