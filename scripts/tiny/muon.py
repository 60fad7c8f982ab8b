"""Muon: momentum whose matrices are made orthogonal before they are applied."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

MOMENTUM, DECAY, ROUNDS = 0.95, 0.05, 5
POLYNOMIAL = (3.4445, -4.7750, 2.0315)


class Muon(torch.optim.Optimizer):
    """Newton-Schulz on stacks: matrices of one shape are worked on together."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float) -> None:
        """Group the matrices by shape, a tall one as its transpose."""
        super().__init__(list(parameters), {"lr": lr})
        self.groups: dict[tuple[int, int], list[nn.Parameter]] = {}
        for matrix in self.param_groups[0]["params"]:
            small, large = sorted(matrix.shape)
            self.groups.setdefault((small, large), []).append(matrix)
        self.momenta = {shape: torch.zeros(len(members), *shape) for shape, members in self.groups.items()}

    @torch.no_grad()
    def step(self, _closure: None = None) -> None:  # type: ignore[override]
        """Move every matrix one step."""
        rate = self.param_groups[0]["lr"]
        for shape, members in self.groups.items():
            gradients = torch.stack([_wide(matrix, matrix.grad) for matrix in members])
            momentum = self.momenta[shape].mul_(MOMENTUM).add_(gradients)
            updates = _orthogonalized(gradients.add_(momentum, alpha=MOMENTUM))
            for matrix, update in zip(members, updates, strict=True):
                scale = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
                matrix.mul_(1 - rate * DECAY).add_(_wide(matrix, update), alpha=-rate * scale)


def _wide(matrix: nn.Parameter, other: Tensor | None) -> Tensor:
    """Lay *other* on its side when *matrix* is tall; twice is nothing."""
    assert other is not None
    return other.T if matrix.shape[0] > matrix.shape[1] else other


def _orthogonalized(stack: Tensor) -> Tensor:
    first, second, third = POLYNOMIAL
    stack = stack / (stack.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(ROUNDS):
        square = stack @ stack.mT
        stack = first * stack + (second * square + third * square @ square) @ stack
    return stack
