"""A prompt on the command line, or on standard input."""

import sys

from aidx.errors import InputError


def text_of(prompt: str) -> str:
    """*prompt*, or what stands on standard input for ``-``; ``InputError`` for an empty one, and for no UTF-8."""
    text = prompt
    if prompt == "-":
        try:
            text = sys.stdin.buffer.read().decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"the prompt is not UTF-8 (byte {error.start})", hint="Convert it, or leave the binary part out."
            ) from None
    if not text.strip():
        raise InputError("the prompt is empty", hint="Give a PROMPT, or - and text on standard input.")
    return text
