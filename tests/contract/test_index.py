"""Every store of chunks does the same; implementations are found, and the fake is one of them."""

import inspect
import random
from importlib import import_module
from pkgutil import iter_modules

import pytest
from qdrant_client import QdrantClient
from tests.fakes.index import MemoryIndex
from tests.fakes.postgres import database
from tests.fakes.qdrant_server import qdrant_server, served

from aidx.adapters import index
from aidx.adapters.index._qdrant_edge import EdgePoints
from aidx.adapters.index._qdrant_server import ServerPoints, client
from aidx.adapters.index.fts5 import Fts5Index
from aidx.adapters.index.pgvector import PgvectorIndex
from aidx.adapters.index.qdrant import QdrantIndex
from aidx.errors import EngineError, InputError
from aidx.ports.retrieval import Chunk, Filed, Piece

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"]


def implementations():
    """Every class with a ``stamps`` of a module of the package, and the fake."""
    modules = [import_module(f"{index.__name__}.{module.name}") for module in iter_modules(index.__path__)]
    found = {
        name: kind
        for module in modules
        for name, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__ and hasattr(kind, "stamps")
    }
    return {**found, "MemoryIndex": MemoryIndex}


MAKE = {
    "Fts5Index": lambda tmp_path: Fts5Index(tmp_path / "made" / "index.sqlite"),
    "MemoryIndex": lambda _: MemoryIndex(),
    "PgvectorIndex": lambda tmp_path: PgvectorIndex(database(), f"project {tmp_path}"),
    "QdrantIndex in this process": lambda tmp_path: QdrantIndex(EdgePoints(tmp_path / "qdrant")),
    "QdrantIndex by its client": lambda tmp_path: QdrantIndex(
        ServerPoints(QdrantClient(path=str(tmp_path / "client")), "aidx-test")
    ),
    "QdrantIndex by HTTP": lambda tmp_path: QdrantIndex(
        ServerPoints(client(served(), None), f"aidx-{tmp_path.parent.name}-{tmp_path.name}")
    ),
}

KEPT = sorted(set(MAKE) - {"MemoryIndex"})


def test_each_implementation_is_made_here():
    assert set(implementations()) == {name.split()[0] for name in MAKE}


@pytest.fixture(params=sorted(MAKE))
def store(request, tmp_path):
    made = MAKE[request.param](tmp_path)
    yield made
    made.close()


@pytest.fixture(params=KEPT)
def reopened(request, tmp_path):
    """A way to open one and the same store again and again; each is closed before the next."""
    opened = []

    def reopen():
        for each in opened:
            each.close()
        opened[:] = [MAKE[request.param](tmp_path)]
        return opened[0]

    yield reopen
    for each in opened:
        each.close()


def piece(path, symbol, *terms, vector=(), first=1, text=None):
    text = " ".join(terms) if text is None else text
    return Piece(Chunk(path, symbol, "function", first, first + 1, text), terms, vector)


def filed(path, *pieces, stamp="1"):
    return Filed(path, stamp, pieces)


def symbols(hits):
    return [hit.chunk.symbol for hit in hits]


def test_an_empty_store_has_nothing_and_finds_nothing(store):
    assert dict(store.stamps()) == {}
    assert store.match(["alpha"], 5) == ()
    assert store.near((1.0, 0.0), 5) == ()
    store.put([], ["nothing.py"])
    assert dict(store.stamps()) == {}


def test_what_was_put_in_comes_back_as_it_was(store):
    odd = piece(
        "ä b/x'\".py", "Klasse.größe", "größe", "naïve_name", text="def größe():\n\treturn '\U0001f600' -- \"; DROP\n"
    )
    store.put([filed("ä b/x'\".py", odd, stamp="s:1")])

    assert dict(store.stamps()) == {"ä b/x'\".py": "s:1"}
    (hit,) = store.match(["größe"], 5)
    assert hit.chunk == odd.chunk
    assert store.match(["naïve_name"], 5)[0].chunk == odd.chunk


def test_a_file_takes_the_place_of_what_was_there_of_it(store):
    store.put([filed("a.py", piece("a.py", "old", "alpha"), piece("a.py", "gone", "alpha"))])
    store.put([filed("a.py", piece("a.py", "new", "beta"), stamp="2")])

    assert dict(store.stamps()) == {"a.py": "2"}
    assert store.match(["alpha"], 5) == ()
    assert symbols(store.match(["beta"], 5)) == ["new"]


def test_a_path_that_is_gone_is_found_no_more(store):
    store.put([filed("a.py", piece("a.py", "a", "alpha")), filed("b.py", piece("b.py", "b", "alpha"))])
    store.put([filed("c.py", piece("c.py", "c", "alpha"))], ["a.py"])

    assert sorted(store.stamps()) == ["b.py", "c.py"]
    assert sorted(symbols(store.match(["alpha"], 5))) == ["b", "c"]


def test_a_rare_term_counts_more_than_a_common_one(store):
    files = [filed(f"{n}.py", piece(f"{n}.py", f"f{n}", "alpha", "filler")) for n in range(20)]
    store.put([*files, filed("rare.py", piece("rare.py", "rare", "beta", "filler"))])

    assert symbols(store.match(["alpha", "beta"], 3))[0] == "rare"


def test_more_mentions_and_shorter_texts_come_first(store):
    others = [filed(f"{n}.py", piece(f"{n}.py", f"f{n}", "filler", "words")) for n in range(20)]
    once = piece("once.py", "once", "alpha", *["filler"] * 9)
    often = piece("often.py", "often", *["alpha"] * 5, *["filler"] * 5)
    long = piece("long.py", "long", "alpha", *["filler"] * 60)
    store.put([*others, filed("once.py", once), filed("often.py", often), filed("long.py", long)])

    assert symbols(store.match(["alpha"], 5)) == ["often", "once", "long"]


def test_no_more_than_asked_for_and_always_in_the_same_order(store):
    store.put([filed(f"{n}.py", piece(f"{n}.py", f"f{n}", "alpha")) for n in range(9)])

    found = store.match(["alpha"], 4)
    assert len(found) == 4
    assert all(store.match(["alpha"], 4) == found for _ in range(3))


@pytest.mark.parametrize(
    "terms", [(), ("nowhere",), ("and",), ("or", "not", "near"), ("a" * 300,), ("日本語",), ("_",)]
)
def test_any_terms_may_be_looked_for(store, terms):
    store.put([filed("a.py", piece("a.py", "a", "alpha"))])

    assert store.match(terms, 5) == ()


def test_a_repeated_term_changes_nothing(store):
    store.put([filed(f"{n}.py", piece(f"{n}.py", f"f{n}", WORDS[n], "alpha")) for n in range(9)])

    assert store.match(["beta", "beta", "beta"], 9) == store.match(["beta"], 9)


def test_vectors_are_ordered_by_their_angle(store):
    vectors = {"east": (2.0, 0.0), "north": (0.0, 9.0), "northeast": (1.0, 1.0), "west": (-1.0, 0.0)}
    store.put([filed(f"{n}.py", piece(f"{n}.py", n, "alpha", vector=v)) for n, v in vectors.items()])

    found = store.near((3.0, 0.5), 9)
    assert symbols(found) == ["east", "northeast", "north", "west"]
    assert found[0].score == pytest.approx(0.98639, abs=1e-3)
    assert symbols(store.near((3.0, 0.5), 2)) == ["east", "northeast"]


def test_a_vector_of_another_length_is_refused(store):
    store.put([filed("a.py", piece("a.py", "a", "alpha", vector=(1.0, 0.0)))])

    with pytest.raises(InputError):
        store.near((1.0, 0.0, 0.0), 5)


@pytest.mark.parametrize(("before", "after"), [((1.0, 0.0), (1.0, 0.0, 0.0)), ((1.0, 0.0), ()), ((), (1.0, 0.0))])
def test_files_with_other_vectors_replace_all_that_was_there(store, before, after):
    store.put([filed(f"{n}.py", piece(f"{n}.py", n, "alpha", vector=before)) for n in "ab"])
    store.put([filed("c.py", piece("c.py", "c", "alpha", vector=after), stamp="2")])

    assert dict(store.stamps()) == {"c.py": "2"}
    assert symbols(store.match(["alpha"], 5)) == ["c"]
    assert symbols(store.near(after or (1.0, 0.0), 5)) == (["c"] if after else [])


def test_it_is_still_there_when_it_is_opened_again(reopened):
    reopened().put([filed("a.py", piece("a.py", "a", "alpha", vector=(0.0, 1.0)), stamp="7")])

    again = reopened()
    assert dict(again.stamps()) == {"a.py": "7"}
    assert symbols(again.match(["alpha"], 5)) == symbols(again.near((0.0, 1.0), 5)) == ["a"]


def test_a_file_that_is_cut_off_has_no_stamp(reopened):
    class CutError(Exception):
        pass

    def cut_off():
        yield filed("a.py", piece("a.py", "a", "alpha"))
        raise CutError

    store = reopened()
    store.put([filed("b.py", piece("b.py", "b", "alpha"))])
    with pytest.raises(CutError):
        store.put(cut_off(), ["b.py"])

    stamped = set(reopened().stamps())
    assert stamped <= {"a.py", "b.py"}
    assert {hit.chunk.path for hit in reopened().match(["alpha"], 5)} >= stamped


@pytest.mark.parametrize("seed", range(3))
def test_it_agrees_with_the_fake_after_any_changes(store, seed):
    dice, other = random.Random(seed), MemoryIndex()
    for step in range(12):
        paths = dice.sample([f"{n}.py" for n in range(12)], 4)
        files = [
            filed(
                path,
                *(
                    piece(path, f"f{step}_{n}", *dice.choices(WORDS, k=dice.randrange(1, 30)), vector=(1.0, 0.0))
                    for n in range(dice.randrange(1, 4))
                ),
                stamp=str(step),
            )
            for path in paths[:3]
        ]
        for each in (store, other):
            each.put(files, paths[3:])
    assert dict(store.stamps()) == dict(other.stamps())
    for word in WORDS:
        assert {h.chunk for h in store.match([word], 99)} == {h.chunk for h in other.match([word], 99)}
    assert {h.chunk for h in store.near((1.0, 0.0), 99)} == {h.chunk for h in other.near((1.0, 0.0), 99)}


def test_a_store_that_is_broken_is_one_line(tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "index.sqlite").write_bytes(b"this is no database, and never was one" * 99)

    with pytest.raises(EngineError, match=r"index\.sqlite cannot be used") as caught:
        Fts5Index(tmp_path / "made" / "index.sqlite")
    assert "delete the file" in caught.value.hint


def test_a_qdrant_server_is_asked_what_its_interface_has_and_told_the_key():
    with qdrant_server("the-key") as (url, server):
        made = QdrantIndex(ServerPoints(client(url, "the-key"), "aidx"))
        chunk = Chunk("a.py", "f", "function", 1, 2, "def f")
        made.put([Filed("a.py", "one", (Piece(chunk, ("f",), (1.0, 0.0)),))], [])
        assert made.stamps() == {"a.py": "one"}
        assert (
            [hit.chunk for hit in made.match(("f",), 5)] == [hit.chunk for hit in made.near((1.0, 0.1), 5)] == [chunk]
        )
        made.close()
        assert "PUT /collections/NAME/index" in server.asked  # by path: a file's chunks are deleted by it

        wrong = QdrantIndex(ServerPoints(client(url, "another"), "aidx"))
        with pytest.raises(EngineError, match="401"):
            wrong.stamps()
        wrong.close()
