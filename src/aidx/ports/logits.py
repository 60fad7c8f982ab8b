"""The port to what loaded models think of text, token by token."""

from collections.abc import Sequence
from typing import Protocol

from aidx.budget.divergence import Scored, Top


class Logits(Protocol):
    """What one or two loaded models think of text: side 0 is the one that is measured, side 1 its reference.

    Positions count from 0; a row is for the token that follows position *first*, and so on to the last. Natural
    logarithms. Each call blocks while the engine reads, and raises ``EngineError`` where it fails.
    """

    def tokenize(self, text: str) -> tuple[list[int], int | None, bool]:
        """The tokens of *text*, the one that begins a text (where there is one), and whether both sides agree."""
        ...

    def compare(self, tokens: Sequence[int], first: int) -> list[Scored]:
        """Both sides against each other."""
        ...

    def score(self, tokens: Sequence[int], first: int, side: int = 0) -> list[float]:
        """The negative log-likelihood of each token."""
        ...

    def top(self, tokens: Sequence[int], first: int, count: int, draws: Sequence[Sequence[float]]) -> list[Top]:
        """Of side 0: the *count* likeliest tokens, and of the others one for each of the *draws* of a row (0 to 1)."""
        ...

    def look(
        self, tokens: Sequence[int], first: int, ids: Sequence[Sequence[int]]
    ) -> list[tuple[float, int, list[float]]]:
        """Of side 0: negative log-likelihood, first choice, and the log-probabilities of the *ids* of each row."""
        ...
