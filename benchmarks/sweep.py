"""Closed forms against the engine: ask it for many configurations and compare byte by byte.

    python benchmarks/sweep.py [--quant Q4_K_M] [--every N] [MODEL …]
    python benchmarks/sweep.py --golden tests/golden/compute.json

Each model of the catalogue is planned on a CUDA-like device and on the CPU alone, for contexts, slots, cache
types and batches that people use. The table says, for each model, how many configurations were compared, in
how many the closed form's weights, cache and state differ from the engine's (they must not), and how far its
total lies over the engine's (never under, at most 1 %). ``--golden`` writes down what the engine answers for
one model of each architecture, for tests that run without it.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import asdict

from aidx.adapters.catalogue import read_catalogue
from aidx.adapters.llama.prober import EngineProber
from aidx.budget.allocate import allocate
from aidx.budget.ledger import Entry
from aidx.budget.settings import Settings
from aidx.errors import AidxError, InputError
from aidx.model.blueprint import from_catalogue
from aidx.model.spec import ModelSpec
from aidx.plan.probe import Buffer, Probe, Probed, Unanswered

CONTEXTS = (256, 4096, 8192, 32768, 131072)
SLOTS = ((1, True), (4, True), (4, False))
CACHES = (("f16", "f16", True), ("q8_0", "q8_0", True), ("q4_0", "q4_0", True), ("f16", "f16", False))
BATCHES = (128, 256, 512, 1024)
GPU = (1 << 50,)  # a card that never stands in the way
USUAL = Settings(ctx_size=0)
OUTSIDE = frozenset({"output", "prompt_cache", "checkpoints"})  # the engine does not report these


class Compared(NamedTuple):
    """One device of one configuration: closed form and engine, in bytes."""

    model: str
    settings: Settings
    device: str
    weights: tuple[int, int]
    kept: tuple[int, int]
    compute: tuple[int, int]

    @property
    def total(self) -> tuple[int, int]:
        """Everything that the engine reports for the device."""
        ours, engine = zip(self.weights, self.kept, self.compute, strict=True)
        return sum(ours), sum(engine)

    @property
    def over(self) -> float:
        """How far our total lies over the engine's, as a part of it."""
        ours, engine = self.total
        return (ours - engine) / engine if engine else float(ours != engine)


def configurations(model: ModelSpec, *, every: int = 1, start: int = 0) -> Iterator[tuple[Settings, tuple[int, ...]]]:
    """Settings and GPUs to ask for; every *every*-th of all combinations from *start* on."""
    combined = list(product((GPU, ()), CONTEXTS, SLOTS, CACHES, BATCHES))
    for gpus, ctx_size, (parallel, unified), (key, value, flash), ubatch in combined[start::every]:
        settings = Settings(
            ctx_size=ctx_size,
            parallel=parallel,
            kv_unified=unified,
            cache_type_k=key,
            cache_type_v=value,
            flash_attn=flash,
            ubatch_size=ubatch,
            n_gpu_layers=model.block_count + 1 if gpus else 0,
        )
        if not _overflows(model, settings):
            yield settings, gpus


def _overflows(model: ModelSpec, settings: Settings) -> bool:
    """Whether the engine dies: it sizes its graph by the tensors of the file, and fused ones are few.

    Phi-4 (243 tensors, 40 blocks) with rotated K and V in several streams ends in ``ggml-impl.h:330``.
    """
    rotated = settings.cache_type_k != "f16" and settings.cache_type_v != "f16"
    return model.name == "phi-4-14b" and settings.n_stream > 1 and rotated


def compare(prober: EngineProber, model: ModelSpec, settings: Settings, gpus: tuple[int, ...]) -> list[Compared]:
    """Both answers, device by device; nothing where both refuse.

    Raises:
        AidxError: When one of the two refuses what the other takes.
    """
    answer = prober.ask(Probe(model, settings, gpus))
    try:
        ours = allocate(model, settings, gpus=len(gpus))
    except InputError as error:
        if isinstance(answer, Unanswered):
            return []
        raise AidxError(f"{model.name}: the engine takes what we refuse: {error}, {settings}") from None
    if isinstance(answer, Unanswered):
        raise AidxError(f"{model.name}: the engine refuses what we take: {answer.reason}, {settings}")
    return [_device(model, settings, device, entries, answer) for device, entries in ours.items()]


def _device(model: ModelSpec, settings: Settings, device: str, entries: Iterable[Entry], answer: Probed) -> Compared:
    buffers = [buffer for buffer in answer.buffers if buffer.device == device]
    ours = {entry.what: entry.bytes for entry in entries if entry.what not in OUTSIDE}
    return Compared(
        model=model.name,
        settings=settings,
        device=device,
        weights=(ours.get("weights", 0), _sum(buffers, "model")),
        kept=(ours.get("kv_cache", 0) + ours.get("recurrent_state", 0), _sum(buffers, "context")),
        compute=(ours.get("compute", 0) + ours.get("scratch", 0), _sum(buffers, "compute")),
    )


def _sum(buffers: Iterable[Buffer], field: str) -> int:
    return sum(getattr(buffer, field) for buffer in buffers)


def models(names: Iterable[str], quant: str | None) -> Iterator[ModelSpec]:
    """The catalogue's models, each network once; only *names*, where some are given."""
    wanted = set(names)
    for entry in read_catalogue():
        if entry.id not in wanted if wanted else entry.like is not None:
            continue
        try:
            yield from_catalogue(entry, quant)
        except InputError as error:
            print(f"{entry.id}: {error}", file=sys.stderr)


def table(rows: list[Compared]) -> str:
    """One line: configurations, differences, and the range of the total's and compute's deviation."""
    over = [row.over for row in rows]
    apart = [(row.compute[0] - row.compute[1]) / max(row.compute[1], 1) for row in rows]
    differ = [sum(ours != engine for ours, engine in pairs) for pairs in zip(*(row[3:] for row in rows), strict=True)]
    return (
        f"{len({(row.model, row.settings) for row in rows}):6} {differ[0]:8} {differ[1]:9} {differ[2]:8} "
        f"{min(over):+9.4%} {max(over):+9.4%} {min(apart):+9.3%} {max(apart):+9.3%}"
    )


def golden(path: Path) -> None:
    """Write the engine's answers for a few configurations of the smallest model of each make."""
    prober, rows, build = EngineProber(), [], ""
    for number, model in enumerate(_makes()):
        half = Settings(ctx_size=4096, n_gpu_layers=model.block_count // 2, cache_type_k="q8_0", cache_type_v="q8_0")
        for settings, gpus in (*configurations(model, every=131, start=17 * number % 131), (half, GPU)):
            answer = prober.ask(Probe(model, settings, gpus))
            if isinstance(answer, Probed):
                build = answer.build
                buffers = [[of.device, of.name, of.model, of.context, of.compute] for of in answer.buffers]
                changed = {key: value for key, value in asdict(settings).items() if value != getattr(USUAL, key)}
                rows.append({"model": model.name, "gpus": len(gpus), "settings": changed, "buffers": buffers})
    prober.close()
    origin = f"{build}, asked by benchmarks/sweep.py --golden: [device, buffer type, model, context, compute bytes]"
    lines = ",\n".join(json.dumps(row) for row in rows)
    path.write_text(f'{{"origin": {json.dumps(origin)},\n"quant": "Q4_K_M",\n"rows": [\n{lines}\n]}}\n', "utf-8")


def _makes() -> list[ModelSpec]:
    """The smallest model of each architecture and each set of tensors in its blocks."""
    smallest: dict[object, ModelSpec] = {}
    for model in models((), "Q4_K_M"):
        parts = frozenset(tensor.name.split(".", 2)[2] for tensor in model.tensors if tensor.layer is not None)
        known = smallest.setdefault((model.architecture, parts), model)
        smallest[model.architecture, parts] = min(known, model, key=lambda each: each.file_bytes)
    return list(smallest.values())


def main() -> None:
    """Print a table, one line a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="*")
    parser.add_argument("--quant")
    parser.add_argument("--every", type=int, default=1, help="compare every N-th configuration only")
    parser.add_argument("--show", type=int, default=0, help="print so many differing configurations of a model")
    parser.add_argument("--golden", type=Path, help="write the engine's answers to this file instead")
    wish = parser.parse_args()
    if wish.golden:
        golden(wish.golden)
    else:
        sweep(wish)


def sweep(wish: argparse.Namespace) -> None:
    """Compare as *wish* says and print the table."""
    started, every_row = time.monotonic(), []
    print(f"{'model':28} {'asked':>6} weights≠ kv+state≠ compute≠ total min total max  compute min/max")
    prober = EngineProber()
    for number, model in enumerate(models(wish.model, wish.quant)):
        rows = [
            row
            for settings, gpus in configurations(model, every=wish.every, start=number % wish.every)
            for row in compare(prober, model, settings, gpus)
        ]
        every_row += rows
        print(f"{model.name:28} {table(rows)}", flush=True)
        for row in [row for row in rows if row.total[0] != row.total[1]][: wish.show]:
            print("   ", row)
    prober.close()
    print(f"{'all':28} {table(every_row)}   {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
