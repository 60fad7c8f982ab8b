"""An index in memory, with BM25 written down a second time; and an embedder whose vectors count letters."""

from collections import Counter
from collections.abc import Iterable
from math import log, sqrt

from aidx.errors import InputError
from aidx.ports.retrieval import Filed, Hit, Piece

K1, B = 1.2, 0.75


class MemoryIndex:
    """See ``retrieval.Index``."""

    def __init__(self) -> None:
        self.files: dict[str, Filed] = {}

    @property
    def pieces(self) -> list[Piece]:
        return [piece for path in sorted(self.files) for piece in self.files[path].pieces]

    def stamps(self):
        return {path: file.stamp for path, file in self.files.items()}

    def put(self, files: Iterable[Filed], gone: Iterable[str] = ()) -> None:
        for path in gone:
            self.files.pop(path, None)
        for file in files:
            self.files.pop(file.path, None)
            lengths = {len(piece.vector) for piece in file.pieces}
            if self.files and {len(piece.vector) for piece in self.pieces} != lengths:
                self.files.clear()
            self.files[file.path] = file

    def match(self, terms: Iterable[str], limit: int) -> tuple[Hit, ...]:
        pieces = self.pieces
        counted = [Counter(piece.terms) for piece in pieces]
        average = sum(map(Counter.total, counted)) / max(1, len(pieces))
        scores = [0.0] * len(pieces)
        for term in set(terms):
            holding = sum(term in count for count in counted)
            rarity = max(1e-6, log((len(pieces) - holding + 0.5) / (holding + 0.5)))
            for number, count in enumerate(counted):
                norm = K1 * (1 - B + B * count.total() / max(1, average))
                scores[number] += rarity * count[term] * (K1 + 1) / (count[term] + norm)
        return self._best(scores, limit)

    def near(self, vector: tuple[float, ...], limit: int) -> tuple[Hit, ...]:
        if not self.pieces or not self.pieces[0].vector:
            return ()
        if len(self.pieces[0].vector) != len(vector):
            raise InputError("another length")
        scores = [_cosine(piece.vector, vector) + 2 for piece in self.pieces]
        return tuple(Hit(hit.chunk, hit.score - 2) for hit in self._best(scores, limit))

    def close(self) -> None:
        pass

    def _best(self, scores, limit):
        ordered = sorted(zip(scores, range(len(scores)), strict=True), key=lambda each: (-each[0], each[1]))
        return tuple(Hit(self.pieces[number].chunk, score) for score, number in ordered[:limit] if score > 0)


def _cosine(one, other):
    lengths = sqrt(sum(x * x for x in one)) * sqrt(sum(y * y for y in other))
    return sum(x * y for x, y in zip(one, other, strict=True)) / lengths if lengths else 0.0


class LetterEmbedder:
    """See ``retrieval.Embedder``: how often each letter stands in a text; *most* characters are taken."""

    def __init__(self, name: str = "letters", most: int = 10_000, letters: str = "abcdefghijklmnopqrstuvwxyz") -> None:
        self.name = name
        self.most = most
        self.letters = letters
        self.texts: list[str] = []

    def embed(self, texts):
        if any(len(text) > self.most for text in texts):
            raise InputError("too long")
        self.texts += texts
        return tuple(tuple(float(text.lower().count(letter)) for letter in self.letters) for text in texts)

    def close(self) -> None:
        pass
