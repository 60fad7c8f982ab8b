"""Tokens of a prompt: what is certain before anybody counts, and the exact count for byte-level BPE."""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from aidx.gate.words import WORDS, lines
from aidx.model.vocabulary import Vocabulary

if TYPE_CHECKING:
    from tiktoken._tiktoken import CoreBPE


REMEMBERED = 2 << 20  # characters of text whose count is kept
EACH = 100  # bytes, roughly, that it takes to keep one
SHORT = 128  # characters that are not worth cutting into lines


def certain_bytes(texts: Iterable[str]) -> int:
    """Bytes of *texts* that every template keeps: templates may trim a message at both ends, never inside."""
    return sum(len(text.strip().encode("utf-8")) for text in texts)


class Tokens:
    """Counts as the engine does: special tokens are cut out first, then words, then their bytes are merged.

    What stands between special tokens is counted by itself, line by line, and remembered: a conversation sends all
    that was said before with every question, and a file changes in a few lines. Belongs to one thread.
    """

    def __init__(self, vocabulary: Vocabulary, core: "CoreBPE") -> None:
        self._lines = lines(vocabulary.pre)
        self.bos = vocabulary.bos
        self._core = core
        self._special = vocabulary.special
        self._any = re.compile("|".join(map(re.escape, vocabulary.special)) or r"(?!)")
        self._apart = not _overlap(vocabulary.special)
        self._known: dict[str, int] = {}
        self._order: deque[str] = deque()
        self._remembered = 0

    def count(self, text: str) -> int:
        """Tokens of *text*, without one for its beginning."""
        special, plain = self._cut(text)
        return special + self._sum(plain, self._known.get, self._plain)

    async def count_beside(self, text: str) -> int:
        """The same, for text that takes a while: the event loop goes on."""
        special, plain = self._cut(text)
        unknown = [piece for piece in plain if piece not in self._known]
        counts = dict(zip(unknown, await asyncio.to_thread(self._encode, unknown), strict=True))
        for piece, count in counts.items():
            self._remember(piece, count)
        return special + self._sum(plain, lambda piece: counts.get(piece, self._known.get(piece)), self._plain)

    def _sum(self, pieces: Sequence[str], known: "Callable[[str], int | None]", count: "Callable[[str], int]") -> int:
        """Tokens of all *pieces*: as they are *known*, or else by *count*."""
        found = [*map(known, pieces)]
        at = -1
        for _ in range(found.count(None)):  # few, in a conversation
            at = found.index(None, at + 1)
            found[at] = count(pieces[at])
        return sum(found)  # type: ignore[arg-type]  # none of them is None any more

    def _cut(self, text: str) -> tuple[int, list[str]]:
        """The number of special tokens, and what stands between them."""
        if self._apart:
            plain = self._any.split(text)
            return len(plain) - 1, plain
        found, total = [text], 0
        for special in self._special:  # the longest first, everywhere; then the next one in what is left
            if special in text:
                pieces = [piece.split(special) for piece in found]
                total += sum([len(cut) - 1 for cut in pieces])
                found = [piece for cut in pieces for piece in cut]
        return total, found

    def _encode(self, pieces: Iterable[str]) -> list[int]:
        return [len(self._core.encode_ordinary(piece)) for piece in pieces]

    def _plain(self, text: str) -> int:
        """Tokens of *text*, which nobody has counted."""
        if self._lines is None or len(text) < SHORT:
            return self._counted(text)
        pieces = self._lines(text)
        total = self._sum(pieces, self._known.get, self._counted)
        if len(pieces) > 1:
            self._remember(text, total)
        return total

    def _counted(self, text: str) -> int:
        count = len(self._core.encode_ordinary(text))
        self._remember(text, count)
        return count

    def _remember(self, text: str, count: int) -> None:
        """Keep *count*; what was kept first goes first."""
        if text in self._known:  # another one counted it beside us
            return
        self._known[text] = count
        self._order.append(text)
        self._remembered += len(text) + EACH
        while self._remembered > REMEMBERED:
            oldest = self._order.popleft()  # to find it in the dict means to go over all that were there before
            del self._known[oldest]
            self._remembered -= len(oldest) + EACH


def _overlap(special: Sequence[str]) -> bool:
    """Whether one may stand inside another, or end as another begins: then it matters which is looked for first."""
    heads = {text[:size] for text in special for size in range(1, len(text))}
    tails = {text[-size:] for text in special for size in range(1, len(text))}
    together = "\0".join(special)
    return not heads.isdisjoint(tails) or any(together.count(text) > 1 for text in special)


def tokens(vocabulary: Vocabulary) -> Tokens | None:
    """A counter; ``None`` where the words of *vocabulary* are not known here. Takes about 1 µs a token of it."""
    words = WORDS.get(vocabulary.pre)
    if words is None:
        return None
    from tiktoken._tiktoken import CoreBPE  # the package downloads vocabularies; this is only what merges

    return Tokens(vocabulary, CoreBPE(dict(vocabulary.ranks), {}, words))
