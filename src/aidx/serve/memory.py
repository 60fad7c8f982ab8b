"""What the process of an engine may hold, and what it was last seen to hold."""

from collections.abc import Callable

from msgspec import Struct

from aidx.budget.sizes import GIB, MIB, gib

MARGIN = GIB
LEAST_MARGIN = 256 * MIB


def margin(headroom: int) -> int:
    """Bytes beyond its plan that are borne: what a request needs for a moment, and a driver holds beside its context.

    At most 1 GiB, and no more than the *headroom* of the host, but where that is very small.
    """
    return min(max(headroom, LEAST_MARGIN), MARGIN)


class Memory(Struct, eq=False):
    """*planned* bytes of host memory for a process, with a margin of *borne* bytes; *look* says what a pid holds now.

    Only what is its own counts, no files that it has mapped; ``None`` is what cannot be seen. *held* is what the last
    look found, *outgrown* how often that was too much.
    """

    planned: int
    borne: int
    look: Callable[[int], int | None]
    held: int = 0
    outgrown: int = 0

    @property
    def most(self) -> int:
        """Bytes beyond which it is ended."""
        return self.planned + self.borne

    def wrong(self, pid: int) -> str:
        """Look at *pid*; what is wrong with it, in words, and nothing where it is within its bounds."""
        self.held = self.look(pid) or 0
        if self.held <= self.most:
            return ""
        self.outgrown += 1
        return f"the engine held {gib(self.held)} of memory, {gib(self.planned)} planned and {gib(self.borne)} borne"
