"""The requests that pass the gate are those that patterns make: ``patterns.prompt`` has them."""

from aidx.patterns.prompt import Kind, Prompt, Turn

__all__ = ["Kind", "Prompt", "Turn"]
