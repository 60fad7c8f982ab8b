"""A small decoder of the Llama family: RMSNorm, rotary positions, SwiGLU."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-6


@dataclass(frozen=True)
class Shape:
    """The sizes of the model; the width is a multiple of 256, for K-quants."""

    width: int = 256
    layers: int = 6
    heads: int = 4
    hidden: int = 768
    vocabulary: int = 2048
    context: int = 1024
    theta: float = 1e6

    @property
    def head(self) -> int:
        """The width of one head."""
        return self.width // self.heads


class Block(nn.Module):
    """Attention, then a gated feed-forward layer, each beside a residual."""

    def __init__(self, shape: Shape) -> None:
        """Draw the weights; both output projections start at zero."""
        super().__init__()
        wide, deep = shape.width, shape.hidden
        self.shape = shape
        self.attention_norm = nn.Parameter(torch.ones(wide))
        self.query, self.key, self.value = _matrix(wide, wide), _matrix(wide, wide), _matrix(wide, wide)
        self.output = nn.Parameter(torch.zeros(wide, wide))
        self.forward_norm = nn.Parameter(torch.ones(wide))
        self.gate, self.up = _matrix(deep, wide), _matrix(deep, wide)
        self.down = nn.Parameter(torch.zeros(wide, deep))

    def forward(self, stream: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
        """Add what this layer has to say to *stream* [batch, time, width]."""
        stream = stream + self._attend(stream, turn)
        calm = functional.rms_norm(stream, (self.shape.width,), self.forward_norm, EPSILON)
        gate, up = functional.linear(calm, torch.cat((self.gate, self.up))).chunk(2, -1)
        return stream + functional.linear(functional.silu(gate) * up, self.down)

    def _attend(self, stream: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
        batch, time, width = stream.shape
        calm = functional.rms_norm(stream, (width,), self.attention_norm, EPSILON)
        joined = functional.linear(calm, torch.cat((self.query, self.key, self.value)))
        heads = joined.view(batch, time, 3, self.shape.heads, self.shape.head)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(_turned(query, turn), _turned(key, turn), value, is_causal=True)
        return functional.linear(seen.transpose(1, 2).reshape(batch, time, width), self.output)


def _matrix(rows: int, columns: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(rows, columns) * columns**-0.5)


def _turned(heads: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate the first half of each head against the second (export reorders the pairs)."""
    cosine, sine = turn
    first, second = heads.chunk(2, -1)
    return torch.cat((first * cosine - second * sine, first * sine + second * cosine), -1)


class Model(nn.Module):
    """Tokens in, logits out."""

    def __init__(self, shape: Shape) -> None:
        """Draw the weights; `copyheads.install` sets the embeddings."""
        super().__init__()
        self.shape = shape
        self.embedding = nn.Parameter(torch.randn(shape.vocabulary, shape.width))
        self.unembedding = nn.Parameter(torch.zeros(shape.vocabulary, shape.width))
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.Parameter(torch.ones(shape.width))
        angles = torch.outer(torch.arange(shape.context).float(), frequencies(shape))
        self.turn = (angles.cos(), angles.sin())

    def hidden(self, tokens: Tensor) -> Tensor:
        """What stands before the logits, [batch, time, width]."""
        time = tokens.shape[1]
        stream = functional.embedding(tokens, self.embedding)
        for block in self.blocks:
            stream = block(stream, (self.turn[0][:time], self.turn[1][:time]))
        return functional.rms_norm(stream, (self.shape.width,), self.norm, EPSILON)

    def loss(self, tokens: Tensor, counted: Tensor) -> Tensor:
        """Mean cross-entropy of the *counted* targets; *tokens* is one longer than they."""
        hidden = self.hidden(tokens[:, :-1])[counted]
        return functional.cross_entropy(functional.linear(hidden, self.unembedding).float(), tokens[:, 1:][counted])

    def guesses(self, tokens: Tensor, counted: Tensor) -> Tensor:
        """Tell for each *counted* target whether it is the most likely token."""
        hidden = self.hidden(tokens[:, :-1])[counted]
        return functional.linear(hidden, self.unembedding).argmax(-1) == tokens[:, 1:][counted]


def frequencies(shape: Shape) -> Tensor:
    """The rotary frequencies of one head."""
    return shape.theta ** (-torch.arange(0, shape.head, 2).float() / shape.head)
