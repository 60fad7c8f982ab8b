"""How text is cut into words before they are merged, by ``tokenizer.ggml.pre``.

What llama.cpp does for each name (``llm_tokenizer_bpe`` and ``unicode.cpp`` of the pinned build) as one expression
for Rust's ``regex``, which tiktoken uses. Where llama.cpp applies several, one after the other, to what the ones
before have left, they are alternatives here, and "the end" in a look-ahead is also where another begins. A name
that is missing is counted by the engine. Tests compare each with the engine.
"""

import re
from collections.abc import Callable, Mapping

_LETTERS = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_QWEN2 = _LETTERS + r"|\p{N}" + _REST
_QWEN35 = (
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3 = _LETTERS + r"|\p{N}{1,3}" + _REST
_ONE_DIGIT = r"\p{N}|'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?![^\s\p{N}])|\s+"
_UPPER, _LOWER = r"[\p{L}&&[^a-z]]", r"[\p{L}&&[^A-Z]]"  # only ASCII has cases here, as in llama.cpp
_CASED = rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+%s|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*%s|\p{{N}}%s"
_CASED_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_SHORT = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?"
_TEKKEN = _CASED % ("", "", "") + _CASED_REST
_GPT4O = _CASED % (_SHORT, _SHORT, "{1,3}") + _CASED_REST
_SUPERBPE = r"\p{N}{1,3}(?=(?:\d{3})*(?!\d))|\p{N}|[^\p{N}]+"

WORDS: Mapping[str, str] = {
    **dict.fromkeys(("llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "lfm2"), _LLAMA3),
    **dict.fromkeys(("dbrx", "smaug-bpe"), _LLAMA3),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen", "megrez", "stablelm2"), _QWEN2),
    "qwen35": _QWEN35,
    **dict.fromkeys(("gpt-2", "phi-2", "olmo", "exaone4"), _GPT2),
    **dict.fromkeys(("starcoder", "refact", "command-r", "smollm", "codeshell", "exaone"), _ONE_DIGIT),
    "tekken": _TEKKEN,
    **dict.fromkeys(("gpt-4o", "llama4"), _GPT4O),
    "superbpe": _SUPERBPE,
}

# Possessive: a run that is given back in part is followed by more of itself, and looking costs 0.1 us a character.
_AFTER = re.compile(r"(?:[^\n]*+\n)+?(?=[ \t]*+[!-.0-~])|.++", re.DOTALL)
_BEFORE = re.compile(r"(?:\n++|(?!\n))[^\n]++(?:\n++[^\n]++)*?(?<=[!-~])(?=\n)|.++", re.DOTALL)
_DIGITS = re.compile(r"[^0-9]++(?<=[\x00-\x7f])(?=[0-9])|[0-9]++(?=[\x00-/:-\x7f])|.++", re.DOTALL)
_DIGIT, _OTHER = b"\1", b"\0"
_KINDS = b"".join([_DIGIT if 48 <= byte < 58 else _OTHER for byte in range(256)])


def _runs(text: str) -> list[str]:
    """What `_DIGITS` finds, at a third of its cost where all is ASCII: ``re`` takes its time over classes."""
    if not text.isascii():
        return _DIGITS.findall(text)
    kinds = text.encode().translate(_KINDS)
    digits = kinds.startswith(_DIGIT)
    found, at = [], 0
    while (border := kinds.find(_OTHER if digits else _DIGIT, at)) >= 0:
        found.append(text[at:border])
        at, digits = border, not digits
    found.append(text[at:])
    return found


def lines(pre: str) -> "Callable[[str], list[str]] | None":
    """Cuts text into pieces that never share a word, so that each can be counted by itself; ``None``: there are none.

    Some expressions end a word at the last line feed of a row, before what can be seen (but ``/``, which some take
    along) and the blanks in front of that. In others blanks are words of their own: there a line feed that follows
    what can be seen begins one. And for superbpe anything is a word that has no digit in it.
    """
    words = WORDS[pre]
    if words == _SUPERBPE:
        return _runs
    if r"\s*[\r\n]+" in words:
        return _AFTER.findall
    return _BEFORE.findall if r" ?[^\s\p{L}\p{N}]+|" in words else None
