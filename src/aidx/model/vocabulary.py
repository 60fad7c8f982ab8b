"""A byte-level BPE vocabulary as GGUF metadata have it: ranks of merges, special tokens, how a prompt begins.

In GGUF the bytes of a token are written as printable characters (GPT-2's table), merges in the order of
training, and ``tokenizer.ggml.pre`` names the expression that cuts text into words first.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from aidx.model.gguf.arrays import integers, raw_strings
from aidx.model.metadata import find_text
from aidx.model.spec import Array, Metadata

BYTE_LEVEL = "gpt2"
ADDS_BOS = frozenset({"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "lfm2", "tekken"})
WHOLE_WORDS = ADDS_BOS
"""A word that is a token is taken as it is, however it is merged (``ignore_merges`` in ``llama-vocab.cpp``, which
sets a beginning-of-sequence token by default for the same ones)."""
NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4
"""``tokenizer.ggml.token_type``, as ``llama.h`` numbers them."""
CUT_OUT = frozenset({UNKNOWN, CONTROL, USER_DEFINED})
LOOKS_SPECIAL = re.compile("<(?:[|]|｜)[^<>]+(?:[|]|｜)>".encode())
BETWEEN = "\uffff".encode()  # in no token: not a character


class Vocabulary(Struct, frozen=True):
    """What it takes to count as the engine does.

    *ranks* are the tokens that merging can reach, the first merge lowest; *special* the texts that are cut out
    before, longest first; *bos* whether a prompt begins with a token of its own.
    """

    pre: str
    ranks: Mapping[bytes, int]
    special: tuple[str, ...]
    bos: bool


def byte_level(metadata: Metadata) -> Vocabulary | None:
    """The vocabulary in *metadata*; ``None`` where it is of another kind, or has what only the engine handles.

    Raises ``InputError`` for arrays that are broken or were skipped.
    """
    tokens, types, merges = (metadata.get(f"tokenizer.ggml.{name}") for name in ("tokens", "token_type", "merges"))
    pre = find_text(metadata, "tokenizer.ggml.pre")
    if metadata.get("tokenizer.ggml.model") != BYTE_LEVEL or pre is None:
        return None
    if not (isinstance(tokens, Array) and isinstance(types, Array) and isinstance(merges, Array)):
        return None
    if metadata.get("tokenizer.ggml.add_eos_token") or metadata.get("tokenizer.ggml.add_sep_token"):
        return None
    texts, kinds = raw_strings(tokens), integers(types)
    normal = {text for text, kind in zip(texts, kinds, strict=False) if kind == NORMAL}
    special = [text.decode("utf-8", "replace") for text, kind in zip(texts, kinds, strict=False) if kind in CUT_OUT]
    ranks = _ranks(normal, raw_strings(merges), whole_words=pre in WHOLE_WORDS)
    if ranks is None or "" in special or any(map(LOOKS_SPECIAL.fullmatch, normal)):
        return None
    bos = metadata.get("tokenizer.ggml.add_bos_token")
    return Vocabulary(
        pre,
        ranks,
        tuple(sorted(special, key=lambda text: len(text.encode()), reverse=True)),
        pre in ADDS_BOS if bos is None else bool(bos),
    )


def _ranks(normal: set[bytes], merges: Sequence[bytes], *, whole_words: bool) -> dict[bytes, int] | None:
    """Rank by token; ``None`` where a byte has no token, a merge leads to none, or a word is reached by no merge."""
    single = map(chr, _letters())
    merged = dict.fromkeys(merge.replace(b" ", b"", 1) for merge in merges)
    if not normal.issuperset(letter.encode() for letter in single) or not normal.issuperset(merged):
        return None
    if whole_words and len(merged) + 256 < len(normal):
        return None
    try:
        plain = _plain(merged)
    except UnicodeError:
        return None
    return {bytes([byte]): byte for byte in range(256)} | {token: rank for rank, token in enumerate(plain, start=256)}


def _plain(texts: Iterable[bytes]) -> list[bytes]:
    """The bytes that *texts* stand for; all at once, since there are 10^5 of them."""
    together = BETWEEN.join(texts).decode("utf-8").translate(_letters())
    return [text.encode("latin-1") for text in together.split(BETWEEN.decode())]


def _letters() -> dict[int, str]:
    """GPT-2's table: printable Latin-1 stands for itself, the other bytes for what follows U+0100, in order."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = (byte for byte in range(256) if byte not in shown)
    return {byte: chr(byte) for byte in shown} | {0x100 + n: chr(byte) for n, byte in enumerate(hidden)}
