"""A prompt on the command line, or on standard input."""

from aidx.errors import InputError

MOST_PROMPT = 8 << 20  # as much as the endpoint takes


def text_of(prompt: str) -> str:
    """*prompt*, or what stands on standard input for ``-``; ``InputError`` for an empty one, and for no UTF-8."""
    text = prompt
    if prompt == "-":
        from aidx.userfile import decoded, read_input

        text = decoded(read_input(prompt, "a prompt", MOST_PROMPT), prompt)
    if not text.strip():
        raise InputError("the prompt is empty", hint="Give a PROMPT, or - and text on standard input.")
    return text
