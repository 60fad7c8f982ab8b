"""Text that llama.cpp's pre-tokenizers survive.

Many of them (gpt-4o, llama4, tekken, deepseek, superbpe, …) are matched with ``std::regex``, which recurses
for every character of a run of one kind. Measured with the pinned build: runs of 24,000 letters, blanks or
punctuation marks end the process with signal 11, and one of 16,384 digits takes seconds with superbpe.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from aidx.errors import InputError

LONGEST_RUN = 4096  # characters of one kind in a row; a quarter of the longest that was survived
LONGEST_DIGITS = 2048  # their cost grows with the square
_RUNS = re.compile(r"\d{16,}|\s{16,}|[^\W\d]{16,}|[^\w\s]{16,}")  # shorter ones need no look


def check(body: bytes) -> None:
    """Raise ``InputError`` when a string in *body*, a JSON object, has a run that could end the engine."""
    if len(body) <= LONGEST_DIGITS:
        return
    for text in _strings(json.loads(body)):
        for run in _RUNS.finditer(text):
            length = run.end() - run.start()
            if length > (LONGEST_DIGITS if run[0].isdigit() else LONGEST_RUN):
                raise InputError(
                    f"{length} characters of one kind stand in a row ({run[0][:8]!r}…): too many for the tokenizer",
                    hint=f"Break them up: {LONGEST_RUN} in a row are taken, {LONGEST_DIGITS} digits.",
                    code="invalid_request",
                )


def _strings(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
