"""A byte-level BPE in which a name is always the same tokens.

Merges never cross the border of an identifier, of punctuation or of an indentation,
and no digits are merged. The engine therefore reaches the same tokens with its
pre-tokenizer `superbpe`, which splits at runs of digits only.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

SIZE = 2048
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
PIECES = r"\n+ *| {2,}|[A-Za-z_]+|[0-9]| ?[^A-Za-z0-9_\s]+ ?|\s"
DIGIT_RUNS = r"\p{N}+"
LONGEST = 24


def byte_letters() -> dict[int, str]:
    """Map each byte to the printable letter that byte-level BPE writes for it."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in plain}
    others = (byte for byte in range(256) if byte not in letters)
    letters.update({byte: chr(256 + place) for place, byte in enumerate(others)})
    return dict(sorted(letters.items()))


def train_merges(texts: Iterable[str], pieces: str = PIECES, size: int = SIZE) -> list[str]:
    """Learn the merges, white space first, none with digits and none across the border of two *pieces*."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = _split_by(pieces)
    learner.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=size - len(SPECIAL),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=[],
            show_progress=False,
            max_token_length=LONGEST,
        ),
    )
    found = json.loads(learner.to_str())["model"]["merges"]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in found]
    merges = [merge for merge in merges if not any(letter.isdigit() for letter in merge)]
    blank = set(byte_letters()[ord("\n")] + byte_letters()[ord(" ")] + " ")
    return sorted(merges, key=lambda merge: not set(merge) <= blank)


def _split_by(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


class Codec:
    """Text to tokens and back; the special tokens follow the learnt ones."""

    def __init__(self, merges: Sequence[str], dropout: float | None = None) -> None:
        """Build the vocabulary: the bytes, then one token a merge; with *dropout* that share of merges is not made."""
        words = {letter: byte for byte, letter in byte_letters().items()}
        for merge in merges:
            words.setdefault(merge.replace(" ", ""), len(words))
        pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
        self.merges = tuple(merges)
        self.words = tuple(words)
        self._coder = Tokenizer(models.BPE(vocab=words, merges=pairs, dropout=dropout))
        self._coder.pre_tokenizer = _split_by(DIGIT_RUNS)

    @property
    def end_of_text(self) -> int:
        """The token between two files."""
        return len(self.words)

    @property
    def turn_start(self) -> int:
        """The token that opens a message."""
        return len(self.words) + 1

    @property
    def turn_end(self) -> int:
        """The token that closes a message."""
        return len(self.words) + 2

    def encode(self, text: str) -> list[int]:
        """Turn *text* into tokens; special tokens in it are ordinary text."""
        return list(self._coder.encode(text).ids)

    def prompt(self, message: str) -> list[int]:
        """Lay out one user message as the chat template does."""
        user, assistant = self.encode(f"user\n{message}"), self.encode("assistant\n")
        between = [self.turn_end, *self.encode("\n"), self.turn_start]
        return [self.turn_start, *user, *between, *assistant]

    def answer(self, text: str) -> list[int]:
        """Lay out the assistant's message."""
        return [*self.encode(text), self.turn_end]

    def token_list(self, size: int = SIZE) -> tuple[list[str], list[int]]:
        """All tokens with their GGUF types (1 normal, 3 control, 5 unused), padded to *size*."""
        names = [*self.words, *SPECIAL]
        kinds = [1] * len(self.words) + [3] * len(SPECIAL)
        spare = range(len(names), size)
        return names + [f"[PAD{number}]" for number in spare], kinds + [5] * len(spare)


def load(path: Path) -> Codec:
    """Read the merges that `save` wrote."""
    return Codec(json.loads(path.read_text()))


def save(path: Path, merges: Sequence[str]) -> None:
    """Write the merges."""
    path.write_text(json.dumps(list(merges)))
