"""Random hyper-parameters of every family that keeps a state, as far as the engine takes them.

Each function returns what stands below the architecture in a file's metadata; lists have one number a block.
Limits are the engine's own: where it refuses or aborts, the comment says on what.
"""

from collections.abc import Callable, Mapping
from random import Random

from aidx.model.spec import Metadata
from tests.fakes.published import typed

Keys = dict[str, int | float | list[int]]
Draw = Callable[[Random], Keys]
EPSILON = {"attention.layer_norm_rms_epsilon": 1e-5}
SIGMOID = {"expert_gating_func": 2}


def metadata(architecture: str, dice: Random) -> Metadata:
    """Metadata of a random model of *architecture*."""
    keys = {f"{architecture}.{key}": value for key, value in DRAWS[architecture](dice).items()}
    return typed({"general.architecture": architecture, **keys})


def _common(dice: Random, *, step: int = 32) -> Keys:
    return {
        "context_length": 4096,
        "vocab_size": dice.randint(200, 1200),
        "block_count": dice.randint(2, 6),
        "embedding_length": step * dice.randint(2, 12),
        "feed_forward_length": 32 * dice.randint(1, 20),
    }


def _int(keys: Keys, key: str) -> int:
    value = keys[key]
    assert isinstance(value, int)
    return value


def _marks(dice: Random, count: int) -> list[bool]:
    """At least one of each kind."""
    marks = [dice.random() < 0.5 for _ in range(count)]
    first, second = dice.sample(range(count), 2)
    marks[first], marks[second] = True, False
    return marks


def _ssm(dice: Random, width: int) -> Keys:
    """Mamba: the engine insists on an inner width of twice the embedding."""
    return {
        "ssm.conv_kernel": dice.randint(2, 5),
        "ssm.inner_size": 2 * width,
        "ssm.state_size": 8 * dice.randint(1, 16),
        "ssm.time_step_rank": 32 * dice.randint(1, 4),
    }


def _ssm2(dice: Random, inner: int | None = None) -> Keys:
    """Mamba 2: groups divide the heads, heads the inner width."""
    groups = dice.choice((1, 2, 4))
    if inner is None:
        inner = groups * 32 * dice.randint(1, 4) * dice.choice((1, 2, 3))
    heads = next(heads for heads in (groups * 4, groups * 2, groups) if inner % heads == 0)
    return {
        "ssm.conv_kernel": dice.randint(2, 5),
        "ssm.inner_size": inner,
        "ssm.state_size": 16 * dice.randint(1, 8),
        "ssm.time_step_rank": heads,
        "ssm.group_count": groups,
    }


def _attention(dice: Random, width: int, *, keyed: bool = True) -> Keys:
    """Heads as long as the embedding divides into, or (*keyed*) of another length."""
    kv, each = dice.choice((1, 2, 4)), dice.choice((1, 2, 3))
    if not keyed:
        heads = next(heads for heads in (8, 6, 4, 2, 1) if width % (2 * heads) == 0)
        return {
            "attention.head_count": heads,
            "attention.head_count_kv": dice.choice([n for n in (1, 2) if heads % n == 0]),
        }
    length = 16 * dice.randint(1, 12)
    return {
        "attention.head_count": kv * each,
        "attention.head_count_kv": kv,
        "attention.key_length": length,
        "attention.value_length": length,
    }


def _interval(dice: Random, keys: Keys) -> int:
    """At least one block of each kind: the engine holds cache types against heads that no block has."""
    return dice.randint(2, min(4, _int(keys, "block_count")))


def _experts(dice: Random) -> Keys:
    count = dice.randint(2, 12)
    return {
        "expert_count": count,
        "expert_used_count": dice.randint(1, count),
        "expert_feed_forward_length": 32 * dice.randint(1, 8),
        "expert_shared_count": dice.randint(1, 2),
    }


def _only_some(keys: Keys, marks: list[bool]) -> Keys:
    """KV heads in the blocks that *marks* name."""
    kv = _int(keys, "attention.head_count_kv")
    return {**keys, "attention.head_count_kv": [kv if mark else 0 for mark in marks]}


def mamba(dice: Random) -> Keys:
    keys = _common(dice)
    return {**keys, **EPSILON, "attention.head_count": 0, **_ssm(dice, _int(keys, "embedding_length"))}


def mamba2(dice: Random) -> Keys:
    return {**_common(dice), **EPSILON, "attention.head_count": 0, **_ssm2(dice)}


def jamba(dice: Random) -> Keys:
    keys = _common(dice)
    width = _int(keys, "embedding_length")
    experts = {"expert_count": dice.randint(2, 8), "expert_used_count": 2} if dice.random() < 0.5 else {}
    marks = _marks(dice, _int(keys, "block_count"))
    attention = _only_some(_attention(dice, width, keyed=False), marks)
    return {**keys, **EPSILON, **_ssm(dice, width), **attention, **experts}


def falcon_h1(dice: Random) -> Keys:
    keys = _common(dice)
    return {**keys, **EPSILON, **_ssm2(dice), **_attention(dice, _int(keys, "embedding_length"))}


def granitehybrid(dice: Random) -> Keys:
    keys = _common(dice)
    width = _int(keys, "embedding_length")
    experts = _experts(dice) if dice.random() < 0.5 else {}
    experts.pop("expert_feed_forward_length", None)
    if experts and dice.random() < 0.5:
        experts["expert_shared_feed_forward_length"] = 64
    marks = _marks(dice, _int(keys, "block_count"))
    attention = _only_some(_attention(dice, width, keyed=False), marks)
    return {**keys, **EPSILON, **_ssm2(dice, 2 * width), **attention, **experts}


def plamo2(dice: Random) -> Keys:
    keys = _common(dice)
    marks = _marks(dice, _int(keys, "block_count"))
    attention = _attention(dice, _int(keys, "embedding_length"))
    heads = _int(attention, "attention.head_count")
    state = {**_ssm2(dice), "ssm.group_count": 0, "ssm.state_size": 16 * dice.randint(1, 4)}
    counts: Keys = {"attention.head_count": [heads if mark else 0 for mark in marks]}
    return {**keys, **EPSILON, **_only_some(attention, marks), **counts, **state}


def nemotron_h(dice: Random) -> Keys:
    keys = _common(dice)
    kinds = [dice.choice("M*-") for _ in range(_int(keys, "block_count") + 2)] + list("M*-")
    inner = _int(keys, "feed_forward_length")
    count: Keys = {
        "block_count": len(kinds),
        "feed_forward_length": [inner if kind == "-" else 0 for kind in kinds],
        "attention.layer_norm_epsilon": 1e-5,
    }
    attention = _only_some(_attention(dice, _int(keys, "embedding_length")), [kind == "*" for kind in kinds])
    return {**keys, **EPSILON, **count, **_ssm2(dice), **attention}


def nemotron_h_moe(dice: Random) -> Keys:
    """With a narrower space or not, another width in each block or not, a block that predicts ahead or not."""
    keys = {**nemotron_h(dice), **_experts(dice), "expert_shared_feed_forward_length": 32 * dice.randint(1, 6)}
    inner, kv = keys["feed_forward_length"], keys["attention.head_count_kv"]
    assert isinstance(inner, list)
    assert isinstance(kv, list)
    if dice.random() < 0.5:
        keys["moe_latent_size"] = 32 * dice.randint(1, 4)
    if dice.random() < 0.5:
        keys["expert_feed_forward_length"] = [32 * dice.randint(1, 4) for _ in inner]
        keys["expert_used_count"] = [dice.randint(1, _int(keys, "expert_count")) for _ in inner]
    elif dice.random() < 0.5:
        keys["nextn_predict_layers"] = 1
        keys["block_count"] = len(inner) + 1
        keys["feed_forward_length"] = [*inner, 64]
        keys["attention.head_count_kv"] = [*kv, max(kv)]
    return keys


def lfm2(dice: Random) -> Keys:
    keys = _common(dice)
    marks = _marks(dice, _int(keys, "block_count"))
    attention = _only_some(_attention(dice, _int(keys, "embedding_length"), keyed=False), marks)
    window: Keys = {"attention.sliding_window": 256 * dice.randint(1, 4)} if dice.random() < 0.5 else {}
    return {**keys, **EPSILON, **attention, **window, "shortconv.l_cache": dice.randint(2, 5)}


def lfm2moe(dice: Random) -> Keys:
    keys = {**lfm2(dice), **_experts(dice), **SIGMOID}
    keys.pop("attention.sliding_window", None)
    return {**keys, "leading_dense_block_count": dice.randint(0, 2)}


def rwkv6(dice: Random) -> Keys:
    head = dice.choice((32, 64))
    keys = {**_common(dice), "embedding_length": head * dice.randint(1, 6)}
    extra: Keys = {
        "attention.head_count": 0,
        "attention.layer_norm_epsilon": 1e-5,
        "wkv.head_size": head,
        "time_mix_extra_dim": 8 * dice.randint(1, 8),
        "time_decay_extra_dim": 8 * dice.randint(1, 8),
    }
    return {**keys, **extra}


def rwkv6qwen2(dice: Random) -> Keys:
    """Fewer KV heads than heads, and a count that divides them."""
    keys = {**rwkv6(dice), **EPSILON, "token_shift_count": 1}
    heads = _int(keys, "embedding_length") // _int(keys, "wkv.head_size")
    return {**keys, "attention.head_count_kv": dice.choice([n for n in range(1, heads + 1) if heads % n == 0])}


def rwkv7(dice: Random) -> Keys:
    keys = rwkv6(dice)
    ranks = ("decay", "iclr", "value_residual_mix", "gate")
    return {**keys, **{f"attention.{name}_lora_rank": 8 * dice.randint(1, 12) for name in ranks}}


def arwkv7(dice: Random) -> Keys:
    keys = {**rwkv7(dice), **EPSILON, "token_shift_count": 1}
    return {**keys, **({"attention.gate_lora_rank": 0} if dice.random() < 0.5 else {})}


def _latent(dice: Random, count: int) -> Keys:
    """Latent attention in some blocks; the head's own part and the rotary one are even."""
    rank, rotary, own = 32 * dice.randint(1, 6), 2 * dice.randint(4, 16), 32 * dice.randint(1, 3)
    keys: Keys = {
        "attention.head_count": dice.choice((2, 4)),
        "attention.head_count_kv": 1,
        "attention.key_length": rank + rotary,
        "attention.key_length_mla": own + rotary,
        "attention.value_length_mla": 32 * dice.randint(1, 3),
        "attention.kv_lora_rank": rank,
        "rope.dimension_count": rotary,
        "ssm.conv_kernel": dice.randint(2, 5),
        "kda.head_dim": 32 * dice.randint(1, 3),
    }
    return _only_some(keys, _marks(dice, count))


def kimi_linear(dice: Random) -> Keys:
    keys = _common(dice)
    dense = {"leading_dense_block_count": dice.randint(0, 2)}
    return {**keys, **EPSILON, **_latent(dice, _int(keys, "block_count")), **_experts(dice), **SIGMOID, **dense}


def kimi_k3(dice: Random) -> Keys:
    keys: Keys = {**kimi_linear(dice), "activation.situ_beta": 4.0, "activation.situ_linear_beta": 25.0}
    keys |= {"attn_res.block_size": dice.randint(1, 3), "attention.q_lora_rank": 32 * dice.randint(0, 3)}
    return {**keys, **({"expert_latent_length": 32 * dice.randint(1, 4)} if dice.random() < 0.5 else {})}


def bailingmoe3(dice: Random) -> Keys:
    keys: Keys = {**kimi_linear(dice), "kda.gate_lower_bound": -5.0, "attention.q_lora_rank": 32 * dice.randint(0, 2)}
    if dice.random() < 0.5:
        kv = keys["attention.head_count_kv"]
        assert isinstance(kv, list)
        keys |= {"nextn_predict_layers": 1, "block_count": len(kv) + 1, "attention.head_count_kv": [*kv, 1]}
    return keys


def minimax_01(dice: Random) -> Keys:
    keys = _common(dice)
    experts = _experts(dice)
    del experts["expert_feed_forward_length"]
    extra: Keys = {"residual_scale": 3.5, "full_attention_interval": _interval(dice, keys)}
    return {**keys, **EPSILON, **_attention(dice, _int(keys, "embedding_length")), **experts, **extra}


def _delta(dice: Random) -> Keys:
    """Gated delta nets: the value's heads are as long as the key's, and a multiple of them."""
    keys, head, groups = _common(dice), 32 * dice.randint(1, 3), dice.choice((1, 2))
    values = groups * dice.choice((1, 2, 4))
    extra: Keys = {
        "ssm.conv_kernel": dice.randint(2, 5),
        "ssm.state_size": head,
        "ssm.group_count": groups,
        "ssm.time_step_rank": values,
        "ssm.inner_size": head * values,
        "full_attention_interval": _interval(dice, keys),
        "rope.dimension_count": 16,
    }
    found: Keys = {**keys, **EPSILON, **_attention(dice, _int(keys, "embedding_length")), **extra}
    if dice.random() < 0.5:
        found |= {"nextn_predict_layers": 1, "block_count": _int(keys, "block_count") + 1}
    return found


def qwen35(dice: Random) -> Keys:
    return {**_delta(dice), "rope.dimension_sections": [4, 2, 2, 0]}


def qwen35moe(dice: Random) -> Keys:
    return {**qwen35(dice), **_experts(dice), "expert_shared_feed_forward_length": 32 * dice.randint(1, 4)}


def qwen3next(dice: Random) -> Keys:
    return {**_delta(dice), **_experts(dice), "expert_shared_feed_forward_length": 32 * dice.randint(1, 4)}


def glm5_next(dice: Random) -> Keys:
    """Four streams, no rotary part, and pools that divide the choice; a block may share the choice before it."""
    keys: Keys = {**kimi_linear(dice), "kda.gate_lower_bound": -5.0, "attention.q_lora_rank": 32 * dice.randint(1, 3)}
    rank = _int(keys, "attention.kv_lora_rank")
    extra: Keys = {
        "attention.key_length": rank,
        "attention.key_length_mla": 32 * dice.randint(1, 3),
        "rope.dimension_count": 0,
        "attention.indexer.head_count": dice.randint(1, 4),
        "attention.indexer.key_length": 32 * dice.randint(1, 3),
        "attention.indexer.top_k": 64,
        "attention.indexer.kpool": dice.choice((2, 4)),
        "hyper_connection.count": 4,
        "hyper_connection.sinkhorn_iterations": 4,
        "hyper_connection.epsilon": 1e-6,
    }
    keys |= extra
    kv = keys["attention.head_count_kv"]
    assert isinstance(kv, list)
    if dice.random() < 0.5:
        first = kv.index(1)
        keys["attention.indexer.types"] = [int(il <= first or dice.random() < 0.5) for il in range(len(kv))]
    if dice.random() < 0.5:
        keys |= {"nextn_predict_layers": 1, "block_count": len(kv) + 1, "attention.head_count_kv": [*kv, 1]}
    return keys


def qwen4exp(dice: Random) -> Keys:
    """The indexer's pools or none; PLE in the first block, which keeps a state, or none."""
    keys: Keys = {**qwen35moe(dice), "ssm.conv_kernel": dice.randint(2, 4)}
    blocks, every = _int(keys, "block_count"), _int(keys, "full_attention_interval")
    trunk = blocks - (1 if "nextn_predict_layers" in keys else 0)
    extra: Keys = {
        "attention.indexer.head_count": dice.randint(1, 4),
        "attention.indexer.key_length": 32 * dice.randint(1, 3),
        "attention.indexer.top_k": 64,
        "hyper_connection.count": dice.randint(2, 4),
        "hyper_connection.low_rank": 32 * dice.randint(1, 3),
        "attention.compress_ratios": [4 if il >= trunk or (il + 1) % every == 0 else 0 for il in range(blocks)],
    }
    if dice.random() < 0.5:
        size, each = dice.randint(2, 3), dice.choice((1, 2, 4))  # the heads' rows side by side are an embedding
        heads, rows = (size - 1) * each, dice.randint(50, 300)
        extra |= {
            "embedding_length_per_layer_input": _int(keys, "embedding_length") // heads,
            "ple.layers": [0],
            "ple.ngram_size": size,
            "ple.heads_per_ngram": each,
            "ple.conv_kernel": dice.randint(2, 4),
            "ple.eos_token_id": 1,
            "ple.layer_multipliers": [3] * size,
            "ple.head_offsets": [rows * head for head in range(heads)],
            "ple.head_vocab_sizes": [rows] * heads,
        }
    return keys | extra


DRAWS: Mapping[str, Draw] = {
    "mamba": mamba,
    "mamba2": mamba2,
    "jamba": jamba,
    "falcon-h1": falcon_h1,
    "granitehybrid": granitehybrid,
    "plamo2": plamo2,
    "nemotron_h": nemotron_h,
    "nemotron_h_moe": nemotron_h_moe,
    "lfm2": lfm2,
    "lfm2moe": lfm2moe,
    "rwkv6": rwkv6,
    "rwkv6qwen2": rwkv6qwen2,
    "rwkv7": rwkv7,
    "arwkv7": arwkv7,
    "kimi-linear": kimi_linear,
    "kimi-k3": kimi_k3,
    "bailingmoe3": bailingmoe3,
    "minimax-01": minimax_01,
    "glm5-next": glm5_next,
    "qwen4exp": qwen4exp,
    "qwen35": qwen35,
    "qwen35moe": qwen35moe,
    "qwen3next": qwen3next,
}
