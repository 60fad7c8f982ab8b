"""``config.json`` as transformers writes it, read with checks."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from aidx.errors import InputError

LIMIT: Final = 4 << 20
_MOST: Final = 1 << 40
_HINT: Final = "Download config.json again, or plan a GGUF file of the model."


class Config:
    """Values of a model's configuration; *defaults* are what the model's class in transformers assumes."""

    def __init__(self, values: Mapping[str, Any], defaults: Mapping[str, int] | None = None) -> None:
        self._values = values
        self._defaults = defaults or {}

    def with_defaults(self, defaults: Mapping[str, int]) -> "Config":
        """The same values over other *defaults*."""
        return Config(self._values, defaults)

    @property
    def architecture(self) -> str:
        """The model's class, from ``architectures``."""
        found = self._values.get("architectures")
        if not isinstance(found, list) or not found or not isinstance(found[0], str):
            raise InputError("config.json names no architecture", hint=_HINT)
        return found[0]

    @property
    def quantized(self) -> str | None:
        """The method by which the checkpoint is quantized already, if it is."""
        found = self._values.get("quantization_config")
        if not isinstance(found, dict):
            return None
        return str(found.get("quant_method", "in an unknown way"))[:40]

    @property
    def text(self) -> "Config":
        """The language model's part of a model that sees or hears."""
        inner = self._values.get("text_config")
        return Config({**self._values, **inner}) if isinstance(inner, dict) else self

    def integer(self, key: str) -> int:
        """A required whole number."""
        value = self.find(key)
        if value is None:
            raise InputError(f"config.json lacks {key}", hint=_HINT)
        return value

    def find(self, key: str) -> int | None:
        """A whole number of 0 or more; ``None`` where it is absent or null and nothing is assumed."""
        value = self._values.get(key)
        if value is None:
            return self._defaults.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MOST:
            raise InputError(f"config.json: {key} is {str(value)[:40]!r}, not a whole number of 0 or more", hint=_HINT)
        return value

    def real(self, key: str, otherwise: float) -> float:
        """A number; *otherwise* where it is absent or null."""
        value = self._values.get(key)
        if value is None:
            return otherwise
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"config.json: {key} is {str(value)[:40]!r}, not a number", hint=_HINT)
        return float(value)

    @property
    def rope(self) -> "Config":
        """How positions are scaled: ``rope_parameters``, or ``rope_scaling`` before transformers 5."""
        found: object = self._values.get("rope_parameters") or self._values.get("rope_scaling") or {}
        if not isinstance(found, dict):
            raise InputError("config.json: rope_scaling is no object", hint=_HINT)
        return Config({**self._values, **found})

    def word(self, *keys: str) -> str:
        """The first of *keys* that holds text, in lower case; empty where none does."""
        found = (self._values.get(key) for key in keys)
        return next((value.lower() for value in found if isinstance(value, str)), "")

    def has(self, key: str) -> bool:
        """Whether *key* holds anything but nothing: null, an empty list, 0."""
        return bool(self._values.get(key))


def read_config(data: bytes) -> Config:
    """The configuration in *data*; raises ``InputError`` for what is no JSON object."""
    if len(data) > LIMIT:
        raise InputError(f"config.json is larger than {LIMIT} bytes", hint=_HINT)
    try:
        return Config(msgspec.json.decode(data, type=dict[str, Any]))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"config.json is damaged: {error}", hint=_HINT) from None
