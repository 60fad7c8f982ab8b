"""A prober without an engine: round figures, the same rules of conduct."""

from aidx.plan.probe import Answer, Buffer, Probe, Probed, Unanswered

COMPUTE = 128 << 20


class FakeProber:
    """Answers with the tensors' bytes, an f16 cache and 128 MiB of compute; remembers what it was *asked*.

    *silence* makes it unable to answer, as if the engine were missing.
    """

    def __init__(self, *, silence: str | None = None) -> None:
        self.silence = silence
        self.asked: list[Probe] = []
        self.closed = 0

    def ask(self, probe: Probe) -> Answer:
        self.asked.append(probe)
        if self.silence is not None:
            return Unanswered(self.silence)
        if (reason := _objection(probe)) is not None:
            return Unanswered(f"the engine refuses: {reason}", refused=True)
        blocks, settings = len(probe.model.layers or ()), probe.settings
        inside = min(settings.n_gpu_layers, blocks) if probe.gpus else 0
        cache = _cache(probe)
        host = Buffer("host", "CPU", _weights(probe, gpu=False), cache * (blocks - inside) // blocks, COMPUTE)
        if not probe.gpus:
            return Probed((host,), settings.n_ctx, "fake 1")
        gpu = Buffer("gpu0", "CUDA0", _weights(probe, gpu=True), cache * inside // blocks, COMPUTE)
        return Probed((gpu, host), settings.n_ctx, "fake 1")

    def close(self) -> None:
        self.closed += 1


def _objection(probe: Probe) -> str | None:
    settings = probe.settings
    if not settings.flash_attn and settings.cache_type_v != "f16":
        return "quantized V cache requires flash_attn to be enabled"
    if not 0 < settings.ctx_size < 1 << 31:
        return f"a context of {settings.ctx_size} tokens"
    if probe.model.header.metadata.get(f"{probe.model.architecture}.block_count") != len(probe.model.layers or ()):
        return "blocks are missing"
    return None


def _weights(probe: Probe, *, gpu: bool) -> int:
    """Bytes of the tensors on one side, the last blocks and the output first on the GPU."""
    first = len(probe.model.layers or ()) + 1 - probe.settings.n_gpu_layers if probe.gpus else 1 << 31
    inside = (
        tensor.bytes
        for tensor in probe.model.tensors
        if tensor.name != "token_embd.weight" and (1 << 30 if tensor.layer is None else tensor.layer) >= first
    )
    on_gpu = sum(inside)
    return on_gpu if gpu else sum(tensor.bytes for tensor in probe.model.tensors) - on_gpu


def _cache(probe: Probe) -> int:
    layers = probe.model.layers or ()
    return 2 * probe.settings.n_ctx * sum(layer.kv_heads * (layer.key_dim + layer.value_dim) for layer in layers)
