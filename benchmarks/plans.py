"""How long 10,000 plans take through the Python API, without asking the engine.

    python benchmarks/plans.py             Qwen2.5-Coder-14B: 8 quantizations x 1,250 settings
    python benchmarks/plans.py --rounds 5

Each plan is a whole ledger: every entry of every device with its reason, and whether it holds. The same settings
are then planned one after the other by ``aidx.advise.plan``, which also searches the longest context and the ways
out, for as many as one second takes.
"""

import argparse
import statistics
import time
from itertools import product

from msgspec.structs import replace

from aidx import wiring
from aidx.advise import plan, sweep
from aidx.budget.settings import Settings
from aidx.plan.need import Need
from aidx.plan.wish import Wish

MODEL, QUANTS = "qwen2.5-coder-14b", ("F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_K_S", "IQ4_XS", "Q3_K_M")
GOAL_S = 2.0


def settings() -> list[Settings]:
    """1,250 settings: contexts, cache types, slots and batches."""
    caches = (("f16", "f16"), ("q8_0", "q8_0"), ("q8_0", "f16"), ("q4_0", "q4_0"), ("bf16", "bf16"))
    found = product(range(1, 51), caches, (1, 2, 4, 8, 16))
    return [
        Settings(ctx_size=640 * size, cache_type_k=key, cache_type_v=value, parallel=slots, n_gpu_layers=49)
        for size, (key, value), slots in found
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found = wiring.resolve(MODEL)
    assert found.variant is not None
    models = [found.variant(quant) for quant in QUANTS]
    asked = settings()
    machine = wiring.machine(Wish(vram=(12 << 30,), host_ram=32 << 30))
    walls, cpus, held = [], [], 0
    for _ in range(options.rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        held = sum(swept.ledger.holds for swept in sweep(models, asked, machine))
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    count = len(models) * len(asked)
    print(f"{count:,} ledgers, {held:,} of them hold: {statistics.median(walls):.2f} s, CPU {min(cpus):.2f} s")
    print(f"goal: 10,000 in {GOAL_S:g} s")
    need, begun, plans = Need(fast=True), time.perf_counter(), 0
    for one in asked:
        plan(models[4], replace(need, ctx_size=one.ctx_size, parallel=one.parallel), machine)
        plans += 1
        if time.perf_counter() - begun > 1:
            break
    print(f"whole plans, with searches and ways out: {plans / (time.perf_counter() - begun):.0f} a second")


if __name__ == "__main__":
    main()
