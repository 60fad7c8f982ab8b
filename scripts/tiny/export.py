"""The weights as a GGUF file; the same weights always give the same bytes."""

from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from model import EPSILON, Model
from numpy.typing import NDArray
from tokens import Codec

TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
Array = NDArray[np.float32]


@dataclass(frozen=True)
class About:
    """What a file says of its model."""

    name: str
    description: str
    size: str
    licence: str
    languages: tuple[str, ...]
    tags: tuple[str, ...]
    template: str = TEMPLATE


TINY = About(
    "aidx-tiny",
    "A small model that makes line edits of function headers and first statements; trained "
    "from scratch on the source of CPython's standard library (PSF-2.0), released under MIT.",
    "6.2M",
    "MIT; trained on CPython's standard library (PSF-2.0)",
    ("en",),
    ("code", "python", "line-edits"),
)
NAMES = {
    "attention_norm": "attn_norm",
    "query": "attn_q",
    "key": "attn_k",
    "value": "attn_v",
    "output": "attn_output",
    "forward_norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}


def tensors(model: Model) -> dict[str, Array]:
    """The weights under the names and in the order of rotary pairs that the engine wants."""
    found = {
        "token_embd.weight": _array(model, "embedding"),
        "output_norm.weight": _array(model, "norm"),
        "output.weight": _array(model, "unembedding"),
    }
    for number in range(model.shape.layers):
        for ours, theirs in NAMES.items():
            weight = _array(model, f"blocks.{number}.{ours}")
            if ours in {"query", "key"}:
                weight = _interleaved(weight, model.shape.heads)
            found[f"blk.{number}.{theirs}.weight"] = weight
    return found


def _array(model: Model, name: str) -> Array:
    return np.ascontiguousarray(model.state_dict()[name].float().numpy())


def _interleaved(weight: Array, heads: int) -> Array:
    """Bring the two halves of each head together, pair by pair."""
    halves = weight.reshape(heads, 2, -1, weight.shape[-1])
    return np.ascontiguousarray(halves.transpose(0, 2, 1, 3)).reshape(weight.shape)


def write(path: Path, model: Model, codec: Codec, about: About = TINY) -> None:
    """Write matrices as F16 and norms as F32, with tokenizer and chat template."""
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer, about)
    _shape(writer, model)
    _tokenizer(writer, codec, model.shape.vocabulary)
    writer.add_chat_template(about.template)
    for name, weight in tensors(model).items():
        writer.add_tensor(name, weight.astype(np.float16) if weight.ndim == 2 else weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: gguf.GGUFWriter, about: About) -> None:
    writer.add_name(about.name)
    writer.add_description(about.description)
    writer.add_size_label(about.size)
    writer.add_license("mit")
    writer.add_license_name(about.licence)
    writer.add_languages(list(about.languages))
    writer.add_tags(list(about.tags))
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_quantization_version(2)


def _shape(writer: gguf.GGUFWriter, model: Model) -> None:
    shape = model.shape
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_key_length(shape.head)
    writer.add_value_length(shape.head)
    writer.add_rope_freq_base(shape.theta)
    writer.add_rope_dimension_count(shape.head)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_vocab_size(shape.vocabulary)


def _tokenizer(writer: gguf.GGUFWriter, codec: Codec, size: int) -> None:
    names, kinds = codec.token_list(size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("superbpe")
    writer.add_token_list(names)
    writer.add_token_types(kinds)
    writer.add_token_merges(codec.merges)
    writer.add_bos_token_id(codec.end_of_text)
    writer.add_eos_token_id(codec.turn_end)
    writer.add_eot_token_id(codec.turn_end)
    writer.add_pad_token_id(codec.end_of_text)
    writer.add_add_bos_token(False)
