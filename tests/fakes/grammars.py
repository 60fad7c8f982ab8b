"""A model of no mind: any byte that a grammar allows, at random. It finds what a grammar lets through."""

import random
from functools import cache

from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

END = 256


class _Bytes:
    """Each byte is a token."""

    eos_token_id = END
    bos_token_id = None
    tokens = (*(bytes([value]) for value in range(256)), b"\xff<end>")

    def __call__(self, text):
        return list(text if isinstance(text, bytes) else text.encode())


@cache
def tokenizer():
    return LLTokenizer(TokenizerWrapper(_Bytes()))


def babble(grammar, seed, most=6000):
    """What it says within *grammar*, and whether it came to an end."""
    chance = random.Random(seed)
    matcher = LLMatcher(tokenizer(), grammar)
    said = bytearray()
    while len(said) < most and not matcher.is_stopped():
        mask = matcher.compute_bitmask()
        assert not matcher.is_error(), matcher.get_error()
        token = chance.choice([number for number in range(END + 1) if mask[number // 8] >> (number % 8) & 1])
        matcher.consume_token(token)
        if token == END:
            return said.decode("utf-8"), True
        said.append(token)
    return said.decode("utf-8", "replace"), matcher.is_stopped()
