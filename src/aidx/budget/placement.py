"""Which device holds which layer and which tensor.

Rules of ``llama_model::load_tensors`` and ``llama_model_loader::create_tensor`` (llama.cpp): the tensors that
look tokens up stay on the host; the output counts as one layer after the last block; with fewer layers on
the GPU than there are, the first blocks stay on the host.
"""

import re
from collections.abc import Mapping

from msgspec import Struct

from aidx.budget.settings import Settings
from aidx.budget.split import check_parts, owners
from aidx.errors import InputError
from aidx.model.metadata import trunk_count
from aidx.model.spec import Layer, ModelSpec
from aidx.model.tensor import Tensor

HOST = "host"
# LLM_FFN_EXPS_REGEX of llama.cpp's common/common.h, which --n-cpu-moe repeats for each block.
_EXPERTS = re.compile(r"blk\.(\d+)\.ffn_(?:up|down|gate|gate_up)_(?:ch)?exps")
# Tensors without a block number that blocks use; a copy on each device that has such a block.
_SHARED = ("rope_freqs.", "rope_factors_long.", "rope_factors_short.")
_OUTPUT = ("output.", "output_norm.", "output_res_score.", "output_hc_", "altup_proj.", "altup_unembd_proj.")
_WITH_FIRST_BLOCK = ("per_layer_model_proj.", "per_layer_proj_norm.", "token_embd_norm.")
# lfm2 names its final norm like the norm that other families apply to their input.
# Gemma 3n and 4 load their tied output before the embedding that it could share.
_TIED_TWICE = frozenset({"gemma3n", "gemma4"})
# BitNet multiplies by the embedding where it lies.
_LOOKS_UP = frozenset({"bitnet"})
# Types that the engine repacks on x86-64 with AVX2 (ggml_repack_get_optimal_repack_type), eight rows at a time.
# Repacked weights cannot look tokens up, so a tied output of these types is a second copy. Other CPUs repack
# other types: there only the engine's own answer is exact.
_REPACKED = frozenset({"q4_0", "q4_K", "iq4_nl", "mxfp4"})
_REPACKED_ROWS = 8
_PIPELINED = 4  # GGML_SCHED_MAX_COPIES: with all layers on several GPUs and nothing kept back (llama_context)
# What the engine loads of blocks that predict ahead although it does not use them: tensors that it asks for
# without the flag that skips them (src/models of llama.cpp). The factors are a copy for those blocks.
_NEXT_ENDS = ("nextn.embed_tokens.weight", "nextn.shared_head_head.weight", "nextn.shared_head_norm.weight")
_LOADED_AHEAD: Mapping[str, frozenset[str]] = {
    "cohere2moe": frozenset(_NEXT_ENDS),
    "deepseek32": frozenset({"exp_probs_b.bias"}),
    "glm-dsa": frozenset({"exp_probs_b.bias"}),
    "step35": frozenset(
        {
            *("attn_q_norm.weight", "attn_k_norm.weight", "attn_gate.weight", "rope_freqs.weight"),
            *(f"ffn_{part}{kind}.weight" for part in ("gate", "up", "down") for kind in ("", "_exps", "_shexp")),
            *("ffn_gate_inp.weight", "exp_probs_b.bias", *_NEXT_ENDS),
        }
    ),
}
_FINAL_NORM_OF: Mapping[str, str] = {"lfm2": "token_embd_norm.", "lfm2moe": "token_embd_norm."}


class Placement(Struct, frozen=True):
    """The device of each block that is loaded or keeps something, in order, and of the output.

    *trunk* counts the blocks whose weights are loaded: blocks that predict ahead come after them, and some
    families keep a cache for those all the same.
    *cpu_moe* is the number of first blocks whose experts stay on the host; *tied* is true where the output
    reuses the token embeddings, *shares* where it also shares their memory on the same device; *final_norm* is
    the name under which the family files its last norm, *rotary* the devices of blocks that use the rotary
    factors of the file. *ahead* are the devices of the blocks behind the trunk, of which only *loaded_ahead* is
    loaded. *gpus* are those that the engine computes on; *copies* is how many of each of its inputs
    it keeps so that they can work at the same time.
    """

    blocks: tuple[str, ...]
    trunk: int
    output: str
    cpu_moe: int
    tied: bool
    shares: bool
    final_norm: str
    rotary: tuple[str, ...]
    gpus: tuple[str, ...]
    copies: int = 1
    ahead: tuple[str, ...] = ()
    loaded_ahead: frozenset[str] = frozenset()

    @property
    def pinned(self) -> bool:
        """With a GPU around, the host's part lies in pinned memory, and its weights are not repacked."""
        return bool(self.gpus)

    @property
    def devices(self) -> tuple[str, ...]:
        """The GPUs (they compute even what lies on the host), then the host."""
        return (*self.gpus, HOST)

    def holders(self, tensor: Tensor) -> tuple[str, ...]:
        """The device of each copy of *tensor*; none when it is not loaded (most of the prediction blocks)."""
        number = tensor.layer
        if number is not None:
            return self._in_block(tensor.name, number)
        if tensor.name.startswith(_SHARED):
            return self.rotary
        if tensor.name.startswith((*_OUTPUT, self.final_norm)):
            return (self.output,)
        if tensor.name.startswith(_WITH_FIRST_BLOCK):
            return self.blocks[:1]
        if self.tied and tensor.name == "token_embd.weight" and not (self.shares and self.output == HOST):
            return (self.output, HOST)
        return (HOST,)

    def _in_block(self, name: str, number: int) -> tuple[str, ...]:
        if number >= self.trunk:
            behind = self.ahead[number - self.trunk :][:1]
            return behind if name.split(".", 2)[2] in self.loaded_ahead else ()
        expert = _EXPERTS.match(name)
        return (HOST,) if expert and number < self.cpu_moe else (self.blocks[number],)


def is_expert(name: str) -> bool:
    """Whether ``--n-cpu-moe`` moves the tensor called *name*."""
    return _EXPERTS.match(name) is not None


def loaded_ahead(architecture: str) -> frozenset[str]:
    """What is loaded of the blocks that predict ahead, without ``blk.N.``."""
    return _LOADED_AHEAD.get(architecture, frozenset())


def gpu_layers(block_count: int, n_gpu_layers: int) -> int:
    """How many layers go to the GPU, the output counted as one; negative asks for all of them."""
    every = block_count + 1
    return every if n_gpu_layers < 0 else min(n_gpu_layers, every)


def place(model: ModelSpec, settings: Settings, *, gpus: int) -> Placement:
    """Place *model* on *gpus* GPUs (0: none) and the host.

    Raises:
        InputError: For parts that do not match the GPUs, a main GPU that is not there, or an architecture whose
            blocks are not known.
    """
    if model.layers is None:
        raise InputError(
            f"the layers of architecture '{model.architecture}' are not known",
            hint="Ask the engine: plan without --fast.",
        )
    used = used_gpus(settings, gpus)
    on_gpu = gpu_layers(model.block_count, settings.n_gpu_layers) if gpus else 0
    first = model.block_count + 1 - on_gpu
    where = owners(settings.tensor_split, on_gpu) if len(used) > 1 else (0,) * on_gpu

    def device(layer: int) -> str:
        return used[where[layer - first]] if layer >= first else HOST

    blocks = tuple(device(number) for number in range(len(model.layers)))
    trunk = trunk_count(model.header.metadata)
    loaded = loaded_ahead(model.architecture)
    ahead = tuple(device(number) for number in range(trunk, model.block_count)) if loaded else ()
    return Placement(
        blocks=blocks,
        trunk=trunk,
        output=device(model.block_count),
        cpu_moe=settings.n_cpu_moe,
        tied=model.architecture not in _LOOKS_UP and all(tensor.name != "output.weight" for tensor in model.tensors),
        shares=model.architecture not in _TIED_TWICE and not (gpus == 0 and _repacks_embedding(model)),
        rotary=_rotary(model, model.layers[:trunk], (*blocks[:trunk], *ahead), loaded),
        gpus=used,
        copies=_PIPELINED if len(used) > 1 and first == 0 and not settings.n_cpu_moe else 1,
        final_norm=_FINAL_NORM_OF.get(model.architecture, "output_norm."),
        ahead=ahead,
        loaded_ahead=loaded,
    )


def used_gpus(settings: Settings, gpus: int) -> tuple[str, ...]:
    """The GPUs among *gpus* that the engine uses; ``InputError`` for parts or a main GPU that do not match them."""
    if settings.split_mode == "none" and gpus:
        if not 0 <= settings.main_gpu < gpus:
            raise InputError(
                f"--main-gpu {settings.main_gpu} is not planned: GPUs are numbered from 0 to {gpus - 1}",
                hint=f"Give a number from 0 to {gpus - 1}.",
            )
        return (f"gpu{settings.main_gpu}",)
    if gpus > 1:
        check_parts(settings.tensor_split, gpus)
    return tuple(f"gpu{number}" for number in range(gpus))


def _repacks_embedding(model: ModelSpec) -> bool:
    embedding = next((tensor for tensor in model.tensors if tensor.name == "token_embd.weight"), None)
    if embedding is None or embedding.type.name not in _REPACKED:
        return False
    return embedding.shape[-1] % _REPACKED_ROWS == 0


def _rotary(
    model: ModelSpec, layers: tuple[Layer, ...], blocks: tuple[str, ...], loaded: frozenset[str]
) -> tuple[str, ...]:
    """The devices of *blocks* that use the rotary factors of the file; *loaded* is what is, behind the trunk."""
    using = {where for where, layer in zip(blocks, layers, strict=False) if _uses_factors(model, layer)}
    return tuple(sorted(using | set(blocks[len(layers) :] if "rope_freqs.weight" in loaded else ())))


def _uses_factors(model: ModelSpec, layer: Layer) -> bool:
    """Gemma 4 turns its sliding blocks without them."""
    return not (model.architecture == "gemma4" and layer.window is not None)
