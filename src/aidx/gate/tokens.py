"""What is known of a prompt's tokens before anybody tokenizes it."""

from collections.abc import Iterable


def certain_bytes(texts: Iterable[str]) -> int:
    """Bytes of *texts* that every template keeps: templates may trim a message at both ends, never inside."""
    return sum(len(text.strip().encode("utf-8")) for text in texts)
