"""Random models of every family that keeps only an attention cache, against the engine, byte by byte.

    python benchmarks/arch_random.py [--draws N] [--seed N] [--gpus N] [--show] [FAMILY …]

A golden model of each family (tests/golden/arch) lends its keys; numbers are drawn anew: blocks, heads, widths,
vocabulary, windows, experts, latent ranks, prediction blocks, per-block lists. The engine plans a ghost of each
on CUDA-like devices and the host with random settings, often split between them. The table counts, for each
family, what was compared, what the engine refused, and where cache and state or weights differ (nowhere, it is
hoped), and says how far our compute buffer lies over the engine's: never under it, or the run fails. Families that
keep a state have draws of their own (tests/e2e/test_arch_states.py). What cannot be drawn freely is constrained
below, with the reason; a family of which nothing was compared fails.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from msgspec.structs import replace

from aidx.adapters.llama.prober import EngineProber
from aidx.budget.allocate import allocate
from aidx.budget.settings import Settings
from aidx.errors import InputError
from aidx.model import arch
from aidx.model.blueprint import present
from aidx.model.build import from_header
from aidx.model.gguf.arrays import encode
from aidx.model.gguf.kinds import I32, U64
from aidx.model.quants.assign import assign
from aidx.model.spec import Header, ModelSpec, Value
from aidx.plan.probe import Probe, Probed

ARCH = Path(__file__).parents[1] / "tests" / "golden" / "arch"
CARD = 1 << 50  # one that never stands in the way
QUANTS = ("F16", "Q8_0", "Q4_K_M", "Q2_K")
CACHES = (("f16", "f16", True), ("q8_0", "q8_0", True), ("f16", "f16", False), ("q4_0", "f16", True))
OUTSIDE = frozenset({"output", "prompt_cache", "checkpoints"})  # the engine does not report these

# Numbers of blocks that the engine can do with. Baichuan: rotary or not goes by the size that it knows by its
# blocks. Gemma 3n: the first 20 keep a cache. EXAONE 4 and Command R behave differently from 64 blocks on.
BLOCKS: Mapping[str, tuple[int, ...]] = {
    "baichuan": (32, 40),
    "gemma3n": (21, 22, 23),
    "exaone4": (2, 3, 5, 64),
    "command_r": (1, 2, 4, 64),
}
LITE = (26, 27)  # a DeepSeek 2 without a low rank for queries is known by its blocks
MOST_BLOCKS = 6


@dataclass
class Draw:
    """New numbers for the keys of *base*, which are without the architecture's name."""

    family: str
    base: Mapping[str, object]
    rng: Random
    new: dict[str, object] = field(default_factory=dict)
    blocks: int = 0
    trunk: int = 0

    def one_of(self, *values: int) -> int:
        return self.rng.choice(values)

    def has(self, key: str) -> bool:
        return key in self.base

    def number(self, key: str) -> int:
        value = self.new[key]
        assert isinstance(value, int)
        return value

    def listed(self, key: str, pick: Callable[[], int]) -> object:
        """A number where the base has one; where it has a list, one for each block, as alike as in the base."""
        was = self.base[key]
        if not isinstance(was, list):
            return pick()
        kinds = {value: pick() for value in sorted(set(was))}
        return [kinds[was[il % len(was)]] for il in range(self.blocks)]


def draw(family: str, base: Mapping[str, object], rng: Random) -> dict[str, object]:
    """The keys of *base* with other numbers."""
    of = Draw(family, base, rng)
    _blocks(of)
    _heads(of)
    _latent(of)
    _widths(of)
    _windows(of)
    _experts(of)
    return {**base, **of.new}


def _blocks(of: Draw) -> None:
    least = 2 if of.has("attention.sliding_window") else 1
    if of.has("n_deepstack_layers"):  # so many first blocks are fed from the vision part
        least = int(str(of.base["n_deepstack_layers"])) + 1
    choices = BLOCKS.get(of.family, tuple(range(least, MOST_BLOCKS + 1)))
    if of.family == "deepseek2" and not of.has("attention.q_lora_rank"):
        choices = LITE
    of.trunk = of.one_of(*choices)
    ahead = of.one_of(0, 1, 2) if of.has("nextn_predict_layers") else 0
    if of.has("nextn_predict_layers"):
        of.new["nextn_predict_layers"] = ahead
    of.blocks = of.trunk + ahead
    of.new["block_count"] = of.blocks
    of.new["context_length"] = of.one_of(512, 4096, 40000)
    of.new["vocab_size"] = of.rng.randrange(100, 5000)


def _heads(of: Draw) -> None:
    """Heads of the sizes that the cache's types divide; all equal where the base has no grouping."""
    was_query, was_kv = of.base["attention.head_count"], of.base.get("attention.head_count_kv")
    size = of.one_of(64, 128) if of.has("rope.dimension_sections") else of.one_of(32, 64, 96, 128)
    if isinstance(was_query, list) or isinstance(was_kv, list):
        group = of.one_of(1, 2, 3)
        if isinstance(was_kv, list):
            of.new["attention.head_count_kv"] = of.listed("attention.head_count_kv", lambda: of.one_of(1, 2, 4))
            kv = of.new["attention.head_count_kv"]
            assert isinstance(kv, list)
            if isinstance(was_query, list):
                of.new["attention.head_count"] = [each * group for each in kv]
            else:
                of.new["attention.head_count"] = 4 * group
        else:
            of.new["attention.head_count_kv"] = kv_count = of.one_of(1, 2, 4)
            of.new["attention.head_count"] = of.listed("attention.head_count", lambda: kv_count * of.one_of(1, 2, 3, 5))
        most = max(_numbers(of.new["attention.head_count"]))
    else:
        kv_count = of.one_of(1, 2, 3, 4, 8)
        most = kv_count * (1 if was_kv in {None, was_query} else of.one_of(1, 2, 4, 5))
        of.new["attention.head_count"] = most
        if was_kv is not None:
            of.new["attention.head_count_kv"] = kv_count
    of.new["embedding_length"] = most * size
    _lengths(of, size)


def _lengths(of: Draw, size: int) -> None:
    """Lengths of K and V, and the part of a head that is turned: all of it, or half, as in the base."""
    if of.has("attention.key_length") and not of.has("attention.key_length_mla"):
        of.new["embedding_length"] = 32 * of.rng.randrange(1, 25)
        if of.family in {"exaone4", "bailingmoe2"}:  # their projections are as wide as the embedding
            of.new["embedding_length"] = of.number("attention.head_count") * size
        of.new["attention.key_length"] = size
        was = of.base["attention.key_length"]
        for key in ("attention.value_length", "attention.key_length_swa", "attention.value_length_swa"):
            if of.has(key):
                other = of.one_of(32, 64) if of.base[key] != was else size
                of.new[key] = other
        if of.has("attention.value_length_swa"):
            of.new["attention.value_length_swa"] = of.new["attention.key_length_swa"]
    whole = of.base.get("attention.key_length") or _width_of_heads(of.base)
    for key in ("rope.dimension_count", "rope.dimension_count_swa"):
        if of.has(key):
            turned = of.new.get("attention.key_length_swa", size) if key.endswith("swa") else size
            assert isinstance(turned, int)
            of.new[key] = turned if of.base[key] == whole or key.endswith("swa") else turned // 2


def _width_of_heads(base: Mapping[str, object]) -> int:
    width = base["embedding_length"]
    assert isinstance(width, int)
    return width // max(_numbers(base["attention.head_count"])[0], 1)


def _latent(of: Draw) -> None:
    """Low ranks; the cached head is the latent and the turned part."""
    if of.has("attention.q_lora_rank"):
        of.new["attention.q_lora_rank"] = of.one_of(64, 96, 256)
    if not of.has("attention.kv_lora_rank"):
        return
    rank, turned, plain = of.one_of(64, 128, 256, 512), of.one_of(32, 64), of.one_of(32, 64, 128)
    of.new["attention.kv_lora_rank"] = rank
    of.new["rope.dimension_count"] = turned
    of.new["embedding_length"] = of.number("attention.head_count") * of.one_of(32, 64)
    if of.has("attention.key_length_mla"):
        of.new["attention.head_count_kv"] = 1
        of.new["attention.key_length"], of.new["attention.value_length"] = rank + turned, rank
        of.new["attention.key_length_mla"] = plain + turned
        of.new["attention.value_length_mla"] = of.one_of(32, 64, 128)
    else:
        of.new["attention.key_length"] = plain + turned
        of.new.pop("attention.value_length", None)


def _widths(of: Draw) -> None:
    for key in ("feed_forward_length",):
        if of.has(key):
            of.new[key] = of.listed(key, lambda: 64 * of.rng.randrange(1, 33))
    if of.has("attention.indexer.head_count"):  # MiniMax M3: one a KV head
        one_each = of.has("attention.indexer.block_size")
        of.new["attention.indexer.head_count"] = (
            of.number("attention.head_count_kv") if one_each else of.one_of(1, 2, 4)
        )
    if of.has("attention.indexer.key_length"):
        of.new["attention.indexer.key_length"] = of.one_of(64, 128)
    if of.has("embedding_length_per_layer_input"):
        of.new["embedding_length_per_layer_input"] = of.one_of(0, 32, 64, 256)


def _windows(of: Draw) -> None:
    """A window that matters and one that is longer than the context; some block has to slide."""
    if not of.has("attention.sliding_window"):
        return
    of.new["attention.sliding_window"] = of.one_of(1, 17, 128, 500, 1000, 6000)
    if not of.has("attention.sliding_window_pattern"):
        return
    slides = [of.one_of(0, 1) for _ in range(of.blocks)]
    slides[0] = 1
    if of.has("attention.shared_kv_layers"):  # the last two blocks with a cache are a sliding and a global one
        own = of.trunk - of.trunk % 2
        slides = [1 - il % 2 for il in range(of.blocks)]
        of.new["attention.shared_kv_layers"] = of.trunk - of.one_of(*range(2, own + 1, 2)) if own else 0
    of.new["attention.sliding_window_pattern"] = slides
    if isinstance(of.base.get("attention.head_count_kv"), list) and not of.has("attention.shared_kv_layers"):
        _with_windows(of, slides)


def _with_windows(of: Draw, slides: list[int]) -> None:
    """Sliding blocks have other numbers of KV heads than global ones, and as many query heads.

    At least as many KV heads: the widest V is counted over prediction blocks too, which slide.
    """
    other = of.one_of(1, 2)
    own = other * of.one_of(1, 2)
    of.new["attention.head_count_kv"] = [own if each else other for each in slides]


def _experts(of: Draw) -> None:
    if not of.has("expert_count"):
        return
    count = 2 * of.rng.randrange(2, 9)
    of.new["expert_count"] = count
    of.new["expert_used_count"] = of.rng.randrange(1, count // 2 + 1)
    if of.has("leading_dense_block_count"):
        # Ling 1 has experts in every block, whatever it says.
        of.new["leading_dense_block_count"] = 0 if of.family == "bailingmoe" else of.rng.randrange(of.trunk)
    inner = 32 * of.rng.randrange(1, 17)
    for key in ("expert_feed_forward_length", "expert_shared_feed_forward_length", "expert_chunk_feed_forward_length"):
        if of.has(key):
            of.new[key] = inner
    if of.base.get("expert_feed_forward_length") == of.base.get("feed_forward_length"):
        of.new["feed_forward_length"] = inner  # the engine reads one of the two
    if of.has("expert_shared_count"):
        of.new["expert_shared_count"] = of.one_of(1, 2)
    if of.has("interleave_moe_layer_step"):
        of.new["interleave_moe_layer_step"] = 1 if of.family == "ernie4_5_moe" else of.one_of(1, 2)


def _numbers(value: object) -> list[int]:
    return list(value) if isinstance(value, list) else [int(str(value))]


def models(family: str, rng: Random) -> Iterator[ModelSpec]:
    """Endless random models of *family*."""
    record = json.loads(ARCH.joinpath(f"{family}.json").read_text("utf-8"))
    while True:
        golden = rng.choice(record["models"])
        of = golden["metadata"]["general.architecture"]
        base = {key.removeprefix(f"{of}."): value for key, value in golden["metadata"].items()}
        drawn = draw(family, base, rng)
        metadata = {
            key if key in golden["metadata"] else f"{of}.{key}": encode(I32, value)
            if isinstance(value, list)
            else value
            for key, value in drawn.items()
        }
        known = arch.find(of)
        assert known is not None
        blanks = present(known.tensors(metadata), frozenset(golden["absent"]))
        quant = rng.choice(QUANTS)
        tensors = assign(blanks, quant, metadata)
        yield from_header(Header(metadata, tensors, 0), name=f"{golden['name']} {quant}", source="file", file_bytes=0)


def settings(model: ModelSpec, rng: Random) -> Settings:
    """Random settings; all on the GPU half of the time."""
    key, value, flash = rng.choice(CACHES)
    if any(not layer.value_dim for layer in model.layers or () if layer.kv_heads):
        key = value  # where V is a view of K
    if model.architecture == "grok":  # runs without flash attention, so V stays as it is
        value = "f16"
    parallel, unified = rng.choice(((1, True), (1, True), (3, True), (3, False)))
    whole = rng.random() < 0.5
    return Settings(
        ctx_size=rng.choice((100, 512, 2000, 8192, 20000)),
        parallel=parallel,
        kv_unified=unified,
        cache_type_k=key,
        cache_type_v=value,
        flash_attn=flash,
        ubatch_size=rng.choice((32, 128, 512, 1000)),
        swa_full=rng.random() < 0.1,
        n_gpu_layers=model.block_count + 1 if whole else rng.randrange(model.block_count + 2),
        n_cpu_moe=0 if whole else rng.choice((0, 0, 1, 3)),
    )


@dataclass
class Row:
    """What was compared of one family, and what came of it; *over*: our compute over the engine's, *under*: not so."""

    family: str
    compared: int = 0
    refused: list[str] = field(default_factory=list)
    differ: list[str] = field(default_factory=list)
    over: list[float] = field(default_factory=list)
    under: list[str] = field(default_factory=list)


def compare(prober: EngineProber, row: Row, model: ModelSpec, chosen: Settings) -> None:
    """Ask the engine and ourselves, with a GPU for each part of a split; what differs is written into *row*."""
    gpus = max(len(chosen.tensor_split), 1)
    answer = prober.ask(Probe(model, chosen, (CARD,) * gpus))
    try:
        ours = allocate(model, chosen, gpus=gpus)
    except InputError as error:
        if isinstance(answer, Probed):
            row.differ.append(f"{model.name}: the engine takes what we refuse: {error}")
        else:
            row.refused.append(str(error))
        return
    if not isinstance(answer, Probed):
        row.refused.append(answer.reason)
        return
    row.compared += 1
    for device, entries in ours.items():
        buffers = [buffer for buffer in answer.buffers if buffer.device == device]
        sizes = {entry.what: entry.bytes for entry in entries if entry.what not in OUTSIDE}
        kept = sizes.get("kv_cache", 0) + sizes.get("recurrent_state", 0)
        wanted = {
            "weights": (sizes.get("weights", 0), sum(buffer.model for buffer in buffers)),
            "kv + state": (kept, sum(buffer.context for buffer in buffers)),
        }
        row.differ += [
            f"{model.name} {what} on {device}: {mine:,} B, engine {theirs:,} B, {chosen}"
            for what, (mine, theirs) in wanted.items()
            if mine != theirs
        ]
        compute = sum(buffer.compute for buffer in buffers)
        mine = sizes.get("compute", 0) + sizes.get("scratch", 0)
        row.over.append((mine - compute) / max(compute, 1))
        if mine < compute:
            row.under.append(f"{model.name} compute on {device}: {mine:,} B, engine {compute:,} B, {chosen}")


def run(prober: EngineProber, family: str, *, draws: int, seed: int, first: int = 0, gpus: int = 1) -> Row:
    """Compare *draws* random models of *family* from number *first* on, each with random settings on *gpus* GPUs."""
    rng = Random(f"{family} {seed}")
    row = Row(family)
    for number, model in zip(range(first + draws), models(family, rng), strict=False):
        chosen = settings(model, rng)
        if number >= first:
            split = tuple(float(1 + at % 2) for at in range(gpus)) if gpus > 1 else ()
            compare(prober, row, model, replace(chosen, tensor_split=split))
    return row


def families() -> list[str]:
    """Every family with a golden file that keeps no state."""
    return sorted(path.stem for path in ARCH.glob("*.json") if not _keeps_state(path))


def _keeps_state(path: Path) -> bool:
    for golden in json.loads(path.read_text("utf-8"))["models"]:
        metadata = {key: _value(value) for key, value in golden["metadata"].items()}
        known = arch.find(str(metadata["general.architecture"]))
        assert known is not None
        if any(layer.conv_state + layer.recurrent_state for layer in known.layers(metadata)):
            return True
    return False


def _value(value: object) -> Value:
    if isinstance(value, list):
        return encode(I32 if max(value) < 1 << 31 else U64, value)
    assert isinstance(value, bool | int | float | str)
    return value


def main() -> None:
    """Print the table; the exit status is 1 where something differs, is under, or nothing was compared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", nargs="*")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--gpus", type=int, default=1)
    parser.add_argument("--show", action="store_true", help="print every difference and refusal")
    wish = parser.parse_args()
    if unknown := [family for family in wish.family if family not in families()]:
        parser.exit(2, f"arch_random.py: no family {' '.join(unknown)!r} without a state; tests/golden/arch has them\n")
    prober = EngineProber()
    rows = []
    print(f"{'family':18} compared refused differ   compute min/max")
    for family in wish.family or families():
        row = run(prober, family, draws=wish.draws, seed=wish.seed, gpus=wish.gpus)
        rows.append(row)
        over = f"{min(row.over):+9.2%} {max(row.over):+9.2%}" if row.over else ""
        print(f"{family:18} {row.compared:8} {len(row.refused):7} {len(row.differ):6} {over}", flush=True)
        for line in (*row.differ, *row.under, *row.refused) if wish.show else ():
            print("   ", line)
    prober.close()
    bad = [row.family for row in rows if row.differ or row.under or not row.compared]
    print(f"{sum(row.compared for row in rows)} models compared, {sum(len(row.refused) for row in rows)} refused")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
