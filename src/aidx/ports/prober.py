"""The port to what the engine would allocate."""

from typing import Protocol

from aidx.plan.probe import Answer, Probe


class Prober(Protocol):
    """Something that can say what the engine would allocate."""

    def ask(self, probe: Probe) -> Answer:
        """Answer *probe*; blocks for about 0.1 s, never raises for an engine that fails or is missing."""
        ...

    def close(self) -> None:
        """End the child process, if one was started; asking again starts another."""
        ...
