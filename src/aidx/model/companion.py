"""Files that stand beside a model: LoRA adapters, projectors for images and sound, draft models.

What the engine checks when it loads them (``llama-adapter.cpp``, ``mtmd.cpp``, ``speculative.cpp`` of llama.cpp) is
checked here from their headers, so that the wrong file is one clear line instead of a failed start.
"""

import re
from collections.abc import Iterator
from itertools import islice

from msgspec import Struct

from aidx.errors import InputError
from aidx.model.gguf.arrays import raw_strings
from aidx.model.part import role_of
from aidx.model.spec import Array, Header, Metadata, ModelSpec
from aidx.model.tensor import Tensor

_HALVES = (".lora_a", ".lora_b")
_MOST_APART = 128  # SPEC_VOCAB_MAX_SIZE_DIFFERENCE
_FIRST_COMPARED = 5  # SPEC_VOCAB_CHECK_START_TOKEN_ID
_LAYER = re.compile(r"mm\.(\d+)\.weight")
_ENCODERS = ("v.", "a.")  # tensors of a projector's encoders; what is left leads to the model


class Pair(Struct, frozen=True):
    """The two halves that change the tensor called *target*."""

    target: str
    first: Tensor
    second: Tensor


class Lora(Struct, frozen=True):
    """An adapter: *pairs* in file order."""

    name: str
    path: str
    architecture: str
    pairs: tuple[Pair, ...]


class Projector(Struct, frozen=True):
    """What turns images or sound into embeddings (mmproj); *kind* as clip calls it."""

    name: str
    path: str
    kind: str
    header: Header


def lora(header: Header, *, name: str, path: str) -> Lora:
    """The adapter behind *header*; raises ``InputError`` for another kind of file and for halves without their pair."""
    if role_of(header) != "lora":
        raise InputError(f"--lora {name} is a {role_of(header)}, not an adapter", hint="Name a LoRA adapter's file.")
    kind = header.metadata.get("adapter.type")
    if kind != "lora":
        raise InputError(
            f"--lora {name} is an adapter of type {kind!r}", hint="The engine takes adapters of type lora."
        )
    halves: dict[str, dict[str, Tensor]] = {}
    for tensor in header.tensors:
        half = tensor.name[-len(_HALVES[0]) :]
        if half in _HALVES:
            halves.setdefault(tensor.name.removesuffix(half), {})[half] = tensor
        elif not tensor.name.endswith("_norm.weight"):  # the engine passes these over
            raise InputError(f"--lora {name}: tensor {tensor.name} is no half of a pair", hint="Convert it again.")
    for target, found in halves.items():
        if len(found) != len(_HALVES):
            raise InputError(f"--lora {name}: {target} has one half only", hint="Convert or fetch the adapter again.")
    pairs = tuple(Pair(target, found[_HALVES[0]], found[_HALVES[1]]) for target, found in halves.items())
    return Lora(name, path, str(header.metadata.get("general.architecture")), pairs)


def projector(header: Header, *, name: str, path: str) -> Projector:
    """The projector behind *header*; raises ``InputError`` for another kind of file."""
    if role_of(header) != "projector":
        raise InputError(f"--mmproj {name} is a {role_of(header)}, not a projector", hint="Name an mmproj file.")
    metadata = header.metadata
    keys = ("clip.projector_type", "clip.vision.projector_type", "clip.audio.projector_type")
    kinds = [str(metadata[key]) for key in keys if key in metadata]
    return Projector(name, path, " and ".join(dict.fromkeys(kinds)) or "mlp", header)


def check_lora(adapter: Lora, model: ModelSpec) -> None:
    """Refuse an adapter that was made for another model; raises ``InputError``."""
    hint = f"Name an adapter that was made for {model.name}."
    if adapter.architecture != model.architecture:
        raise InputError(
            f"--lora {adapter.name} is for architecture {adapter.architecture}, {model.name} is {model.architecture}",
            hint=hint,
        )
    tensors = {tensor.name: tensor for tensor in model.tensors}
    for pair in adapter.pairs:
        target = tensors.get(pair.target)
        if target is None:
            raise InputError(f"--lora {adapter.name} changes {pair.target}, which {model.name} has not", hint=hint)
        if not _suits(pair, target):
            raise InputError(
                f"--lora {adapter.name}: {pair.target} is {_shape(target)} in {model.name}, and its halves are "
                f"{_shape(pair.first)} and {_shape(pair.second)}",
                hint=hint,
            )


def _suits(pair: Pair, target: Tensor) -> bool:
    first, second = pair.first.shape, pair.second.shape
    if min(len(first), len(second), len(target.shape)) < 2:
        return False
    if pair.target == "token_embd.weight":  # its halves are turned round
        return target.shape[0] == second[1] and target.shape[1] == first[1]
    return target.shape[0] == first[0] and target.shape[1] == second[1] and first[1] == second[0]


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape))


def check_projector(found: Projector, model: ModelSpec) -> None:
    """Refuse a projector that leads to embeddings of another width; raises ``InputError``."""
    widths = _widths(found)
    if not any(width % model.embedding_length == 0 for width in widths if width):
        shown = ", ".join(map(str, sorted(widths)[-3:]))
        raise InputError(
            f"--mmproj {found.name} leads to embeddings of {shown or 'no width'}, "
            f"and {model.name} has {model.embedding_length}",
            hint=f"Name the projector that was published with {model.name}.",
        )


def _widths(found: Projector) -> set[int]:
    """What a projector may lead to: the outputs of its last numbered layer, else any side of what is no encoder."""
    leading = [tensor for tensor in found.header.tensors if not tensor.name.startswith(_ENCODERS)]
    numbered = {int(match[1]): tensor for tensor in leading if (match := _LAYER.fullmatch(tensor.name))}
    matrices = {number: tensor for number, tensor in numbered.items() if len(tensor.shape) == 2}
    if matrices:
        return {matrices[max(matrices)].shape[1]}
    return {side for tensor in leading for side in tensor.shape}


def check_draft(draft: ModelSpec, model: ModelSpec, *, tokens: tuple[Metadata, Metadata]) -> None:
    """Refuse a draft model with another vocabulary; *tokens* are the metadata of both with their tokenizers.

    Raises ``InputError``. What a header lacks (a catalogue's entry has no tokens) is not compared.
    """
    ours, theirs = (metadata.get("tokenizer.ggml.model") for metadata in tokens)
    hint = f"Name a draft model of the same family as {model.name}."
    if ours and theirs and ours != theirs:
        raise InputError(f"--model-draft {draft.name} has tokenizer {ours}, {model.name} has {theirs}", hint=hint)
    if abs(draft.vocab_size - model.vocab_size) > _MOST_APART:
        raise InputError(
            f"--model-draft {draft.name} has {draft.vocab_size:,} tokens, {model.name} has {model.vocab_size:,}",
            hint=hint,
        )
    for number, (mine, other) in _tokens(*tokens):
        if mine != other:
            raise InputError(
                f"--model-draft {draft.name} has another vocabulary than {model.name}: token {number} is "
                f"{mine.decode(errors='replace')!r}, not {other.decode(errors='replace')!r}",
                hint=hint,
            )


def _tokens(mine: Metadata, other: Metadata) -> Iterator[tuple[int, tuple[bytes, bytes]]]:
    lists = [metadata.get("tokenizer.ggml.tokens") for metadata in (mine, other)]
    known = [found for found in lists if isinstance(found, Array) and found.data is not None]
    if len(known) == len(lists):
        pairs = zip(*map(raw_strings, known), strict=False)
        yield from islice(enumerate(pairs), _FIRST_COMPARED, None)
