"""Hand-made copy (induction) heads as initial weights.

Copying a name out of the prompt is most of an edit, and a small model needs long to find
out how. So it starts with a circuit for it, in ordinary Llama weights that training is
free to change:

* the residual stream is cut into a constant (channel 0), the token's own code (127
  channels) and four codes of 32 channels;
* the heads of layer 0 look 1, 2, 3 and 4 tokens back and store a short code of what
  stands there;
* two heads of layer 2 look for the place whose preceding tokens are the present ones, and
  write the token that stands there.
"""

from typing import cast

import torch
from model import Block, Model, frequencies
from torch import Tensor

TOKEN = slice(1, 128)
SHORT = 32
BACK = tuple(slice(128 + SHORT * place, 128 + SHORT * (place + 1)) for place in range(4))
CONSTANT, LOGIT_SCALE = 4.0, 0.06
LOOK_BACK = 1.8
MATCH_SCALE, COPY_SCALE = 2.2, 6.0
WEIGHTS = (1.3, 1.2, 1.0, 0.8)
SLOW = 2.5 / 400  # radians a token below which a rotary pair hardly turns


@torch.no_grad()
def install(model: Model, seed: int) -> None:
    """Write the copy circuit into *model*."""
    generator = torch.Generator().manual_seed(seed)
    code = torch.randn(model.shape.vocabulary, 127, generator=generator)
    model.embedding.zero_()
    model.embedding[:, 0] = CONSTANT
    model.embedding[:, TOKEN] = code
    model.unembedding.zero_()
    model.unembedding[:, TOKEN] = code * LOGIT_SCALE
    short = _orthogonal(127, SHORT, generator).T
    speeds = frequencies(model.shape)
    _look_back(cast("Block", model.blocks[0]), short, speeds)
    _look_alike(cast("Block", model.blocks[2]), short, speeds, generator)


def _orthogonal(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    basis: Tensor = torch.linalg.qr(torch.randn(rows, columns, generator=generator))[0]
    return basis


def _look_back(block: Block, short: Tensor, speeds: Tensor) -> None:
    """Head *n* attends to the token *n* + 1 places back and keeps a short code of it."""
    size, half, fast = block.shape.head, block.shape.head // 2, 8
    for head, channels in enumerate(BACK):
        rows = slice(head * size, (head + 1) * size)
        query, key = torch.zeros(size), torch.zeros(size)
        angle = (head + 1) * speeds[:fast]
        key[:fast] = LOOK_BACK
        query[:fast] = LOOK_BACK * angle.cos()
        query[half : half + fast] = -LOOK_BACK * angle.sin()
        block.query[rows] *= 0.1
        block.key[rows] *= 0.1
        block.query[rows, 0] = query
        block.key[rows, 0] = key
        block.value[rows] = 0
        block.value[head * size : head * size + SHORT, TOKEN] = short
        block.output[channels, head * size : head * size + SHORT] = torch.eye(SHORT)


def _look_alike(block: Block, short: Tensor, speeds: Tensor, generator: torch.Generator) -> None:
    """Two heads match (present, -1, -2, -3) with (-1, -2, -3, -4) elsewhere and copy from there."""
    size = block.shape.head
    slow = [place for place in range(size) if speeds[place % (size // 2)] < SLOW]
    for head, written in enumerate((slice(1, 65), slice(64, 128))):
        rows = slice(head * size, (head + 1) * size)
        query, key = torch.zeros(size, block.shape.width), torch.zeros(size, block.shape.width)
        for place, weight in enumerate(WEIGHTS):
            mix = weight**0.5 * _orthogonal(len(slow), SHORT, generator)
            key[slow, BACK[place]] = mix
            if place == 0:
                query[slow, TOKEN] = mix @ short
            else:
                query[slow, BACK[place - 1]] += mix
        block.query[rows] = query * MATCH_SCALE
        block.key[rows] = key * MATCH_SCALE
        block.value[rows] = 0
        block.value[rows, written] = torch.eye(size)
        block.output[written, rows] = COPY_SCALE * torch.eye(size)
