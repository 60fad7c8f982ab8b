"""Only what changed is filed again, and nothing that a model cannot read is cut off."""

import pytest
from tests.fakes.index import LetterEmbedder, MemoryIndex

from aidx.errors import InputError
from aidx.pipeline.research.build import FILED, build, embed_all
from aidx.ports.retrieval import Skipped, SourceFile, TextRefusedError


class Counting(MemoryIndex):
    """Remembers what was put in."""

    def __init__(self):
        super().__init__()
        self.put_in = []

    def put(self, files, gone=()):
        files, gone = list(files), list(gone)
        self.put_in.append(([file.path for file in files], gone))
        super().put(files, gone)


def files(**texts):
    return [SourceFile(f"{name}.py", text.encode()) for name, text in texts.items()]


def test_the_first_time_everything_is_filed():
    store = Counting()
    built = build(files(a="x = 1\n", b="def f():\n    pass\n"), store)

    assert (built.added, built.changed, built.removed, built.unchanged, built.chunks, built.files) == (2, 0, 0, 0, 2, 2)
    assert store.put_in == [(["a.py", "b.py"], [])]


def test_afterwards_only_what_changed():
    store = Counting()
    build(files(a="x = 1\n", b="y = 1\n", c="z = 1\n"), store)
    store.put_in.clear()
    built = build(files(a="x = 1\n", b="y = 2\n", d="z = 1\n"), store)

    assert (built.added, built.changed, built.removed, built.unchanged) == (1, 1, 1, 1)
    assert store.put_in == [(["b.py", "d.py"], ["c.py"])]


def test_nothing_to_do_touches_nothing():
    store = Counting()
    build(files(a="x = 1\n"), store)
    store.put_in.clear()

    assert build(files(a="x = 1\n"), store).unchanged == 1
    assert store.put_in == []


def test_another_embedder_files_everything_again():
    store = Counting()
    build(files(a="x = 1\n"), store)
    for embedder, changed in (
        (LetterEmbedder("one"), 1),
        (LetterEmbedder("one"), 0),
        (LetterEmbedder("two"), 1),
        (None, 1),
    ):
        assert build(files(a="x = 1\n"), store, embedder=embedder).changed == changed
        assert bool(store.pieces[0].vector) == (embedder is not None)


def test_only_what_lies_within_is_dropped():
    store = MemoryIndex()
    build([SourceFile("/one/a.py", b"a"), SourceFile("/two/b.py", b"b")], store)
    built = build([SourceFile("/one/c.py", b"c")], store, within=lambda path: path.startswith("/one/"))

    assert (built.removed, sorted(store.stamps())) == (1, ["/one/c.py", "/two/b.py"])


def test_what_is_no_text_is_skipped_and_dropped():
    store = MemoryIndex()
    build(files(a="x"), store)
    built = build([SourceFile("a.py", b"\0\1"), Skipped("b.bin", "why")], store)

    assert built.skipped == (Skipped("a.py", "binary"), Skipped("b.bin", "why"))
    assert dict(store.stamps()) == {}


def test_a_file_is_filed_whole_and_a_cut_off_run_goes_on():
    store, told = Counting(), []
    many = files(**{f"f{n}": f"x{n} = 1\n" for n in range(FILED * 2 + 3)})

    def cut():
        yield from many[: FILED + 10]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(cut(), store, tell=told.append)
    built = build(many, store)
    assert (built.unchanged, built.added) == (FILED, FILED + 3)
    assert told == [f"index: {FILED} files, {FILED} chunks"]


def test_each_piece_has_the_vector_of_its_own_text():
    store, embedder = MemoryIndex(), LetterEmbedder()
    build(files(a="def f():\n    zzz\n", b="q\n"), store, embedder=embedder)

    assert [piece.vector[25] for piece in store.pieces] == [3.0, 0.0]
    assert embedder.texts[0] == "a.py f\ndef f():\n    zzz"


def test_a_text_that_is_too_long_is_embedded_in_parts():
    text = "aaaa\nbb\ncccc"
    (vector,) = embed_all(LetterEmbedder(most=6), [text])

    assert (vector[0], vector[1], vector[2]) == (2.0, 0.5, 1.0)
    assert len(embed_all(LetterEmbedder(most=6), [text, "d", text])) == 3


class TellingEmbedder(LetterEmbedder):
    """Embeds one text after the other, and says which is too long."""

    def embed(self, texts):
        done = []
        for text in texts:
            if len(text) > self.most:
                raise TextRefusedError("too long", hint="", done=tuple(done))
            done += super().embed([text])
        return tuple(done)


def test_what_was_embedded_before_a_text_that_is_too_long_is_not_embedded_again():
    texts = ["a", "bb", "aaaa\nbb\ncccc", "d", "eeee\nffff", "g"]
    telling = TellingEmbedder(most=6)

    assert embed_all(telling, texts) == embed_all(LetterEmbedder(most=6), texts)
    assert telling.texts == ["a", "bb", "aaaa\n", "bb\n", "cccc", "d", "eeee\n", "ffff", "g"]


def test_a_model_that_takes_nothing_is_said_once():
    with pytest.raises(InputError, match="no text at all"):
        embed_all(LetterEmbedder(most=0), ["abcdef"])
