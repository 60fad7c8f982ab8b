"""Training samples from functions, batches of them, and the held-out tasks."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import lines
import numpy as np
import torch
from functions import Function, is_function, renamed, shortened, widened
from numpy.typing import NDArray
from tasks import Task, make
from tokens import Codec
from torch import Tensor

LONGEST = 320
LONGEST_FUNCTION = 170
FEW, BATCH_POOL = 40, 1500
IGNORED = 10  # a token that stands for special ones in copied text
# How often each kind is trained; the hard ones more.
WEIGHTS = {
    "insert": 0.7,
    "docstring": 0.9,
    "returns": 1.0,
    "add_parameter": 1.3,
    "rename_function": 1.2,
    "annotate": 1.3,
    "default": 1.5,
    "async": 0.6,
    "delete_first": 0.6,
}
Tokens = NDArray[np.int16]


@dataclass(frozen=True)
class Sample:
    """A prompt with its answer, in tokens; only what follows *prompt* counts."""

    tokens: Tokens
    prompt: int


def encode(task: Task, codec: Codec) -> Sample:
    """Lay a task out as a conversation of two messages."""
    prompt = codec.prompt(lines.message(task.instruction, task.source))
    answer = codec.answer(lines.edits(task.source, task.edited))
    return Sample(np.array([*prompt, *answer], np.int16), len(prompt))


class Maker:
    """Makes training samples without end; long headers come up more often."""

    def __init__(self, functions: Sequence[Function], names: Sequence[str], codec: Codec, seed: int) -> None:
        """Weigh each function by the length of its first line."""
        self.sources = [item.source for item in functions]
        self.weights = [0.5 + source.index("\n") / 40 for source in self.sources]
        self.names, self.codec, self.rng = names, codec, random.Random(seed)

    def samples(self, count: int) -> list[Sample]:
        """Make *count* samples."""
        made: list[Sample] = []
        kinds = self.rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=count)
        for kind in kinds:
            sample = None
            while sample is None:
                sample = self._sample(kind)
            made.append(sample)
        return made

    def _sample(self, kind: str) -> Sample | None:
        [source] = self.rng.choices(self.sources, self.weights)
        if make(kind, source, self.names, self.rng) is None:
            return None
        source = self._varied(source)
        task = make(kind, source, self.names, self.rng) if is_function(source) else None
        if task is None or lines.apply(source, lines.edits(source, task.edited)) != task.edited:
            return None
        sample = encode(task, self.codec)
        return sample if len(sample.tokens) <= LONGEST else None

    def _varied(self, source: str) -> str:
        """Shorten the body, rename names, add parameters; each of them sometimes."""
        if self.rng.random() < 0.6:
            source = shortened(source, self.rng)
        share = self.rng.choice([0, 0, 0.3, 0.6, 1.0])
        if share:
            source = renamed(source, self.names, self.rng, share)
        if self.rng.random() < 0.3:
            source = widened(source, self.names, self.rng)
        return source


def schedule(samples: Sequence[Sample], size: int, longest: int, seed: int) -> list[list[int]]:
    """Cut the samples up to *longest* into batches of about *size* tokens, alike in length."""
    lengths = np.array([len(sample.tokens) for sample in samples])
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.flatnonzero(lengths <= longest))
    batches: list[list[int]] = []
    for start in range(0, len(order), BATCH_POOL):
        pool = order[start : start + BATCH_POOL]
        cut = list(_cut(pool[np.argsort(lengths[pool], kind="stable")], lengths, size))
        batches += [cut[place] for place in rng.permutation(len(cut))]
    return batches


def _cut(order: Tokens, lengths: NDArray[np.int64], size: int) -> Iterator[list[int]]:
    batch: list[int] = []
    for place in order:
        if batch and (len(batch) + 1) * lengths[place] > size:
            yield batch
            batch = []
        batch.append(int(place))
    yield batch


def padded(samples: Sequence[Sample]) -> tuple[Tensor, Tensor]:
    """Stack samples; returns tokens, and which targets count (one fewer in time)."""
    longest = max(len(sample.tokens) for sample in samples)
    tokens = torch.zeros(len(samples), longest, dtype=torch.long)
    counted = torch.zeros(len(samples), longest - 1, dtype=torch.bool)
    for row, sample in enumerate(samples):
        tokens[row, : len(sample.tokens)] = torch.from_numpy(sample.tokens.astype(np.int64))
        counted[row, sample.prompt - 1 : len(sample.tokens) - 1] = True
    return tokens, counted


def copy_sample(text: Tokens, longest: int, codec: Codec, rng: np.random.Generator) -> Sample:
    """Ask to repeat a stretch of *text*, or as often of random tokens."""
    length = int(rng.integers(4, longest))
    if rng.random() < 0.5:
        body = rng.integers(33, codec.end_of_text, length)
    else:
        start = rng.integers(0, len(text) - length)
        body = text[start : start + length].astype(np.int64)
        body = np.where(body >= codec.end_of_text, IGNORED, body)
    head = [codec.turn_start, *codec.encode("user\nRepeat the code.\n\n")]
    tail = codec.prompt("")[len(codec.encode("user\n")) + 1 :]
    tokens = [*head, *body, *tail, *body, codec.turn_end]
    return Sample(np.array(tokens, np.int16), len(tokens) - length - 1)


def held_out_tasks(
    functions: Sequence[Function], names: Sequence[str], codec: Codec, counts: dict[str, int]
) -> list[tuple[str, Task]]:
    """Make tasks from functions as they stand, each function once a kind, with its file."""
    rng = random.Random(20261124)
    found: list[tuple[str, Task]] = []
    for kind, count in counts.items():
        order = rng.sample(functions, len(functions))
        made = ((item.file, make(kind, item.source, names, rng)) for item in order)
        fitting = ((file, task) for file, task in made if task and _fits(task, codec))
        found += [pair for _, pair in zip(range(count), fitting, strict=False)]
    return found


def _fits(task: Task, codec: Codec) -> bool:
    if lines.apply(task.source, lines.edits(task.source, task.edited)) != task.edited:
        return False
    return len(codec.encode(task.source)) <= LONGEST_FUNCTION
