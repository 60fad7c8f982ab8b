"""The small model at every type: bytes predicted and written, what it costs, and whether neighbours are told apart.

Usage: `python benchmarks/loss.py [TYPE …] [--threads N]`. Divergence against the F16 file over the default text, with
95 % intervals of a bootstrap over blocks of tokens; the last column is the interval of how much more the row loses than
the row above, over the same tokens: above zero, the two are told apart. Types that need an importance matrix are left
out: aidx-tiny has none.
"""

import argparse
import tempfile
from pathlib import Path

from aidx.adapters.llama.quantize import prepare, quantize
from aidx.adapters.stores import shipped
from aidx.budget.divergence import more_loss, summarise
from aidx.errors import InputError
from aidx.model.quants import FILE_TYPES
from aidx.stress.loss import Reading
from aidx.wiring import loss as wiring


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("types", nargs="*", default=[*FILE_TYPES])
    parser.add_argument("--threads", type=int, default=1)
    wanted = parser.parse_args()
    reading = Reading(wiring.default_text())
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for kind in wanted.types:
            target = Path(place) / f"{kind}.gguf"
            try:
                job = prepare(shipped.path(), str(target), kind)
            except InputError:
                continue
            quantize(job, threads=wanted.threads, tell=lambda *_: None)
            written = target.stat().st_size
            setup = wiring.Setup(str(target), threads=wanted.threads)
            scored = wiring.measured(setup, shipped.path(), reading, lambda *_: None)
            rows.append((kind, job.recipe.size, written, scored, summarise(scored, wiring.chance())))
            target.unlink()
    rows.sort(key=lambda row: row[4].kld_mean)
    print(f"{rows[0][4].tokens:,} tokens, reference F16, perplexity {rows[0][4].ppl_reference:.3f}")
    print(
        "| type | predicted B | written B | KLD | 95 % | 99.9 % | same first | perplexity | more than the row above |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    before = None
    for kind, predicted, written, scored, found in rows:
        gap = "" if before is None else "{:+.6f} to {:+.6f}".format(*more_loss(before, scored, wiring.chance()))
        print(
            f"| {kind} | {predicted:,} | {written:,} | {found.kld_mean:.6f} | {found.kld_ci95.low:.6f} to "
            f"{found.kld_ci95.high:.6f} | {found.kld_p999:.3f} | {found.top1_agreement:.2%} | {found.ppl:.3f} | {gap} |"
        )
        before = scored


main()
