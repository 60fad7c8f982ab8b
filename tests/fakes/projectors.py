"""Projectors as their published files are made: widths and names of tensors, no weights."""

from collections.abc import Iterator

from aidx.model.companion import Projector, projector
from aidx.model.gguf.arrays import encode
from aidx.model.gguf.kinds import F32
from aidx.model.spec import Header, Metadata, Value
from aidx.model.tensor import TYPES, Tensor

HALF = encode(F32, [0.5, 0.5, 0.5])


def gemma3(width: int = 2560) -> Projector:
    """SigLIP of 896 x 896 pixels, as Gemma 3 has it; *width* is the model's."""
    tensors = [
        *_encoder(blocks=27, width=1152, fed=4304, gated=False),
        _plain("v.position_embd.weight", 1152, 4096),
        _matrix("mm.input_projection.weight", width, 1152),
        _plain("mm.soft_emb_norm.weight", 1152),
    ]
    return _made(
        "gemma3", tensors, _metadata(image=896, width=1152, fed=4304, blocks=27, to=width) | {"clip.use_gelu": True}
    )


def small(width: int) -> Projector:
    """One as Gemma 3 has it, of 224 x 224 pixels and two narrow blocks: it is encoded with in no time."""
    tensors = [
        *_encoder(blocks=2, width=64, fed=128, gated=False),
        _plain("v.position_embd.weight", 64, 256),
        _matrix("mm.input_projection.weight", width, 64),
        _plain("mm.soft_emb_norm.weight", 64),
    ]
    return _made(
        "gemma3", tensors, _metadata(image=224, width=64, fed=128, blocks=2, to=width) | {"clip.use_gelu": True}
    )


def llava(width: int = 4096) -> Projector:
    """CLIP ViT-L of 336 x 336 pixels with two layers to the model."""
    tensors = [
        *_encoder(blocks=23, width=1024, fed=4096, gated=False),
        _plain("v.class_embd", 1024),
        _plain("v.pre_ln.weight", 1024),
        _plain("v.pre_ln.bias", 1024),
        _plain("v.position_embd.weight", 1024, 577),
        _matrix("mm.0.weight", 1024, width),
        _plain("mm.0.bias", width),
        _matrix("mm.2.weight", width, width),
        _plain("mm.2.bias", width),
    ]
    return _made(
        "mlp", tensors, _metadata(image=336, width=1024, fed=4096, blocks=23, to=768) | {"clip.use_gelu": False}
    )


def qwen25vl(width: int = 3584) -> Projector:
    """The encoder of Qwen2.5-VL, which takes images of any size."""
    blocks = [t for t in _encoder(blocks=32, width=1280, fed=3420, gated=True) if "post_ln.bias" not in t.name]
    kept = [t for t in blocks if not t.name.endswith(("ln1.bias", "ln2.bias")) and t.name != "v.patch_embd.bias"]
    tensors = [
        *kept,
        _plain("v.patch_embd.weight.1", 14, 14, 3, 1280),
        _matrix("mm.0.weight", 5120, 5120),
        _plain("mm.0.bias", 5120),
        _matrix("mm.2.weight", 5120, width),
        _plain("mm.2.bias", width),
    ]
    more: dict[str, Value] = {"clip.use_silu": True, "clip.vision.n_wa_pattern": 8}
    return _made("qwen2.5vl_merger", tensors, _metadata(image=560, width=1280, fed=3420, blocks=32, to=width) | more)


def _metadata(*, image: int, width: int, fed: int, blocks: int, to: int) -> dict[str, Value]:
    return {
        "general.architecture": "clip",
        "clip.has_vision_encoder": True,
        "clip.vision.image_size": image,
        "clip.vision.patch_size": 14,
        "clip.vision.embedding_length": width,
        "clip.vision.feed_forward_length": fed,
        "clip.vision.block_count": blocks,
        "clip.vision.projection_dim": to,
        "clip.vision.attention.head_count": 16,
        "clip.vision.attention.layer_norm_epsilon": 1e-6,
        "clip.vision.image_mean": HALF,
        "clip.vision.image_std": HALF,
    }


def _encoder(*, blocks: int, width: int, fed: int, gated: bool) -> Iterator[Tensor]:
    yield _plain("v.patch_embd.weight", 14, 14, 3, width)
    yield _plain("v.patch_embd.bias", width)
    yield _plain("v.post_ln.weight", width)
    yield _plain("v.post_ln.bias", width)
    for number in range(blocks):
        block = f"v.blk.{number}."
        for norm in ("ln1", "ln2"):
            yield _plain(f"{block}{norm}.weight", width)
            yield _plain(f"{block}{norm}.bias", width)
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            yield _matrix(f"{block}{name}.weight", width, width)
            yield _plain(f"{block}{name}.bias", width)
        for name in ("ffn_gate", "ffn_up") if gated else ("ffn_up",):
            yield _matrix(f"{block}{name}.weight", width, fed)
            yield _plain(f"{block}{name}.bias", fed)
        yield _matrix(f"{block}ffn_down.weight", fed, width)
        yield _plain(f"{block}ffn_down.bias", width)


def _plain(name: str, *shape: int) -> Tensor:
    return Tensor(name, shape, TYPES["f32"])


def _matrix(name: str, *shape: int) -> Tensor:
    return Tensor(name, shape, TYPES["f16"])


def _made(kind: str, tensors: list[Tensor], metadata: Metadata) -> Projector:
    header = Header({**metadata, "clip.projector_type": kind}, tuple(tensors), size=0)
    return projector(header, name=f"mmproj-{kind}.gguf", path="")
