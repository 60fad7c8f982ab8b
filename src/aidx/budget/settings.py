"""The settings of one engine process, spelled as llama.cpp spells them."""

from typing import Literal

from msgspec import Struct

CELL_PAD = 256  # llama_context pads n_ctx to 256 cells (src/llama-context.cpp)


def pad(value: int, to: int) -> int:
    """The next multiple of *to* that is not below *value*."""
    return -(-value // to) * to


def room(context: int, trained: int) -> str:
    """What a hint adds about a *context* that is too small, of a model that was *trained* for so many tokens."""
    if context >= trained:
        return ": the model was trained for no more"
    return f", or a larger ctx_size, up to the {trained:,} tokens that the model was trained for"


class Settings(Struct, frozen=True):
    """``n_gpu_layers`` counts as llama.cpp does: the output layer is one more than the blocks.

    ``tensor_split`` has one part for each GPU where there are several and ``split_mode`` is ``layer``; with
    ``none`` everything goes to ``main_gpu``. ``n_draft`` tokens are guessed ahead by a draft model (0: none).
    """

    ctx_size: int
    parallel: int = 1
    cache_type_k: str = "f16"
    cache_type_v: str = "f16"
    ubatch_size: int = 512
    batch_size: int = 2048
    n_gpu_layers: int = 0
    n_cpu_moe: int = 0
    flash_attn: bool = True
    kv_unified: bool = True
    swa_full: bool = False
    cache_ram: int = 0
    ctx_checkpoints: int = 0
    split_mode: Literal["layer", "none"] = "layer"
    tensor_split: tuple[float, ...] = ()
    main_gpu: int = 0
    n_draft: int = 0

    @property
    def n_ctx(self) -> int:
        """Cells that the engine allocates: padded to 256, for each sequence unless unified."""
        if self.kv_unified:
            return pad(self.ctx_size, CELL_PAD)
        return pad(pad(self.ctx_size, CELL_PAD) // self.parallel, CELL_PAD) * self.parallel

    @property
    def n_ctx_seq(self) -> int:
        """Cells that one sequence can fill."""
        return self.n_ctx if self.kv_unified else self.n_ctx // self.parallel

    @property
    def n_stream(self) -> int:
        """Separate streams of the KV cache."""
        return 1 if self.kv_unified else self.parallel

    @property
    def n_batch(self) -> int:
        """Logical batch; clipped to the context before that is padded."""
        return min(self.ctx_size, self.batch_size)

    @property
    def n_ubatch(self) -> int:
        """Physical batch; clipped likewise."""
        return min(self.n_batch, self.ubatch_size)

    @property
    def n_outputs(self) -> int:
        """Rows of logits that the server asks for at once: of each sequence its next token and those guessed."""
        return min(self.n_batch, self.parallel * (1 + self.n_draft)) if self.n_draft else self.parallel
