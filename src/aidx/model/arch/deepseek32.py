"""DeepSeek V3.2: latent attention to the tokens that an indexer picks; the indexer has a cache of its own."""

from aidx.model.arch import _latent
from aidx.model.blank import Blank
from aidx.model.spec import Metadata

NAMES = ("deepseek32",)
layers = _latent.indexed


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """DeepSeek V3's tensors and an indexer in each block."""
    return _latent.tensors(metadata, _latent.indexer)
