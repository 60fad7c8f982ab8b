"""Text that tokenizers survive.

Many of llama.cpp's (gpt-4o, llama4, tekken, deepseek, superbpe, …) cut with ``std::regex``, which recurses for every
character of a run of one kind. Measured with the pinned build: runs of 24,000 letters, blanks or punctuation marks
end the process with signal 11, and one of 16,384 digits takes seconds with superbpe.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from aidx.errors import InputError
from aidx.gate.prompt import Prompt

LONGEST_RUN = 4096  # characters of one kind in a row; a quarter of the longest that was survived
LONGEST_DIGITS = 2048  # their cost grows with the square
STEP = LONGEST_DIGITS // 2
_KINDS = r"\d{%d,}|\s{%d,}|[^\W\d]{%d,}|[^\w\s]{%d,}"
_UNIFORM = re.compile(_KINDS % (4 * (STEP,)))
_RUNS = re.compile(_KINDS % (4 * (16,)))  # shorter ones need no look


def check(prompt: Prompt) -> None:
    """Raise ``InputError`` when a string of *prompt* has a run that could end the engine."""
    for text in _strings(prompt):
        if len(text) > LONGEST_DIGITS and (found := _too_long(text)) is not None:
            raise InputError(
                f"{len(found)} characters of one kind stand in a row ({found[:8]!r}…): too many for the tokenizer",
                hint=f"Break them up: {LONGEST_RUN} in a row are taken, {LONGEST_DIGITS} digits.",
                code="invalid_request",
            )


def _too_long(text: str) -> str | None:
    """The first run that is too long. Such a one covers one of the pieces that text is cut into, all of it."""
    if not any(_UNIFORM.fullmatch(text, at, at + STEP) for at in range(0, len(text), STEP)):
        return None
    runs = (run[0] for run in _RUNS.finditer(text))
    return next((run for run in runs if len(run) > (LONGEST_DIGITS if run[0].isdecimal() else LONGEST_RUN)), None)


def _strings(prompt: Prompt) -> Iterator[str]:
    """Whatever a template may show."""
    yield from prompt.texts
    for turn in prompt.turns:
        if turn.plain:
            yield turn.text
        elif len(turn.raw) > LONGEST_DIGITS:
            yield from _inside(json.loads(turn.raw))
    if prompt.tools and len(prompt.fields) > LONGEST_DIGITS:
        yield from _inside(json.loads(b"{%b}" % prompt.fields))


def _inside(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _inside(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _inside(item)
