"""Typed reads from GGUF metadata; every error names the key.

``read_int`` and its like take a key below the architecture: ``block_count`` reads ``qwen2.block_count``.
Values come from files that strangers made, so each read checks kind and range.
"""

from aidx.errors import InputError
from aidx.model.gguf.arrays import integers
from aidx.model.spec import Array, Metadata, Value

MAX_LAYERS = 512
"""``LLAMA_MAX_LAYERS``: llama.cpp refuses a model with more blocks."""

_MAX_INT = 2**40
"""No dimension of a model is larger; a larger number is a damaged or hostile file."""


def architecture(metadata: Metadata) -> str:
    """The value of ``general.architecture``; raises ``InputError`` when it is missing or no text."""
    return read_text(metadata, "general.architecture")


def read_text(metadata: Metadata, key: str) -> str:
    """A required string under its full key."""
    value = metadata.get(key)
    if not isinstance(value, str):
        raise _wrong(key, value, "a string")
    return value


def find_text(metadata: Metadata, key: str) -> str | None:
    """An optional string under its full key."""
    return None if metadata.get(key) is None else read_text(metadata, key)


def read_int(metadata: Metadata, key: str) -> int:
    """A required integer of the architecture."""
    value = find_int(metadata, key)
    if value is None:
        raise _wrong(full_key(metadata, key), None, "an integer")
    return value


def find_int(metadata: Metadata, key: str) -> int | None:
    """An optional integer of the architecture."""
    name = full_key(metadata, key)
    value = metadata.get(name)
    return None if value is None else _checked(name, value)


def read_ints(metadata: Metadata, key: str, count: int) -> tuple[int, ...]:
    """A required integer for each of *count* blocks; a single one stands for all."""
    values = find_ints(metadata, key, count)
    if values is None:
        raise _wrong(full_key(metadata, key), None, f"an integer or an array of {count}")
    return values


def find_ints(metadata: Metadata, key: str, count: int) -> tuple[int, ...] | None:
    """An optional integer for each of *count* blocks; a single one stands for all.

    llama.cpp refuses an array shorter than the blocks and so do we; a longer one is cut.
    """
    name = full_key(metadata, key)
    value = metadata.get(name)
    if value is None:
        return None
    if not isinstance(value, Array):
        return (_checked(name, value),) * count
    try:
        numbers = integers(value)
    except InputError as error:
        raise InputError(f"{name}: {error}", hint=error.hint or _HINT) from None
    if len(numbers) < count:
        raise _wrong(name, value, f"an integer or an array of {count}")
    return tuple(_checked(name, number) for number in numbers[:count])


def block_count(metadata: Metadata) -> int:
    """All blocks of the file, multi-token-prediction ones too; 1 to ``MAX_LAYERS``."""
    count = read_int(metadata, "block_count")
    if not 1 <= count <= MAX_LAYERS:
        name = full_key(metadata, "block_count")
        raise InputError(f"{name} is {count}, outside 1 to {MAX_LAYERS}", hint=_HINT)
    return count


def trunk_count(metadata: Metadata) -> int:
    """The blocks that make the next token: all but the multi-token-prediction ones at the end."""
    count = block_count(metadata)
    extra = find_int(metadata, "nextn_predict_layers") or 0
    if extra >= count:
        name = full_key(metadata, "nextn_predict_layers")
        raise InputError(f"{name} is {extra}, which leaves none of {count} blocks", hint=_HINT)
    return count - extra


def vocab_size(metadata: Metadata) -> int:
    """Number of tokens: the tokenizer's list where there is one, else ``vocab_size``."""
    tokens = metadata.get("tokenizer.ggml.tokens")
    return tokens.count if isinstance(tokens, Array) else read_int(metadata, "vocab_size")


def full_key(metadata: Metadata, key: str) -> str:
    """*key* below the architecture."""
    return f"{architecture(metadata)}.{key}"


_HINT = "Convert the model again or fetch the file again; its header is damaged."


def _checked(name: str, value: Value) -> int:
    number = int(value) if isinstance(value, bool) else value
    if not isinstance(number, int) or not 0 <= number < _MAX_INT:
        raise _wrong(name, value, "an integer of 0 or more")
    return number


def _wrong(key: str, value: Value | None, wanted: str) -> InputError:
    if value is None:
        return InputError(f"the metadata lack {key} ({wanted})", hint=_HINT)
    shown = f"an array of {value.count}" if isinstance(value, Array) else repr(value)[:40]
    return InputError(f"{key} is {shown}, not {wanted}", hint=_HINT)
