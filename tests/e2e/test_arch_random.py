"""Families that keep only an attention cache, with random hyper-parameters and settings, against the real engine.

Weights, and cache, must be the engine's to the byte, and compute not below it, on a CUDA-like virtual device and on
the host beside it, the model often split between them. Raise ``AIDX_DRAWS`` for more models of each family;
``benchmarks/arch_random.py`` prints a table. Families that keep a state have tests/e2e/test_arch_states.py.
"""

import os
import sys
from itertools import islice
from random import Random

import pytest
from benchmarks.arch_random import Row, compare, families, models, run, settings
from msgspec.structs import replace

from aidx.adapters.llama.prober import EngineProber

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine is asked on Linux x86-64 only")
DRAWS = int(os.environ.get("AIDX_DRAWS", "3"))
MOST_REFUSED = 0.1  # of all models together; the generator is constrained where the engine is


@pytest.fixture(scope="module")
def rows() -> dict[str, Row]:
    prober = EngineProber(deadline_s=60)
    found = {family: run(prober, family, draws=DRAWS, seed=0) for family in families()}
    prober.close()
    return found


@pytest.mark.parametrize("family", families())
def test_random_models_agree_to_the_byte(rows, family):
    row = rows[family]
    print(f"{family}: {row.compared} models compared, {len(row.refused)} refused by the engine: {row.refused}")

    assert row.compared > 0
    assert row.differ == []
    assert row.under == []


# Draws that were under before their graphs were replayed as the engine computes them: a norm after the rotation
# (Maincoder, Hunyuan), one expert alone, blocks that share a cache of equal heads, rotations judged by the first
# block (Gemma 4), K and V of every head made of the latent (DeepSeek 2 of 2024).
@pytest.mark.parametrize(
    ("family", "seed", "number"),
    [
        ("maincoder", 0, 7),
        ("hunyuan_dense", 77, 7),
        ("hunyuan_moe", 0, 12),
        ("gemma4", 77, 17),
        ("gemma4", 77, 18),
        ("gemma4", 77, 0),
        ("deepseek2", 0, 3),
        ("deepseek2", 77, 10),
    ],
)
def test_no_compute_buffer_is_planned_below_the_engine(family, seed, number):
    prober = EngineProber(deadline_s=60)
    row = run(prober, family, draws=1, seed=seed, first=number)
    prober.close()

    assert row.compared == 1
    assert row.under == []


# Draws that were under, most of them split between GPU and host, before the engine's graph was read once more.
EXACT = [
    *(("grok", 0, 57), ("grok", 77, 15), ("grok", 77, 23)),  # norms after each part; scaled embeddings
    *(("olmoe", 0, 54), ("olmoe", 1, 0), ("olmoe", 3, 5)),  # one norm over all heads, of which there is one
    *(("phimoe", 1, 17), ("phimoe", 2, 28), ("phimoe", 3, 49)),  # added to what was there; norms with biases
    ("exaone_moe", 3, 35),  # experts' weights as the file says; no positions in blocks without a window
    *(("dots1", 6, 32), ("deepseek2", 6, 26), ("mistral4", 6, 4)),  # turned as a whole; a last row of V filled up
    ("gemma4", 3, 33),  # the order in which a GPU is sent its inputs
]


@pytest.mark.parametrize(("family", "seed", "number"), EXACT)
def test_these_draws_are_replayed_to_the_byte(family, seed, number):
    row = drawn(family, seed, number)

    assert row.compared == 1
    assert row.under == []
    assert set(row.over) == {0.0}


@pytest.mark.parametrize("family", ["bailingmoe2", "dbrx", "olmo", "orion", "qwen2moe"])
def test_no_small_batch_is_planned_below_the_engine(family):
    """Below 32 tokens the host computes what lies there, and only the rest is sent back and forth."""
    prober, rng, row = EngineProber(deadline_s=60), Random(f"small {family}"), Row(family)
    for model in islice(models(family, rng), 25):
        compare(prober, row, model, replace(settings(model, rng), ubatch_size=rng.choice((1, 8, 24))))
    prober.close()

    assert row.compared == 25
    assert row.under == []


# A projection for all blocks that a GPU fetches; weights of heads that no longer fit in their own hole.
@pytest.mark.parametrize(("family", "seed", "number"), [("gemma3n", 3, 9), ("glm_dsa", 77, 18)])
def test_these_draws_are_bounded_from_above(family, seed, number):
    row = drawn(family, seed, number)

    assert row.compared == 1
    assert row.under == []


@pytest.mark.parametrize("family", ["gemma", "gemma2", "granite", "granitemoe", "minicpm"])
def test_scaled_embeddings_are_kept_beside_what_two_gpus_are_sent(family):
    prober = EngineProber(deadline_s=60)
    row = run(prober, family, draws=12, seed=0, gpus=2)
    prober.close()

    assert row.compared == 12
    assert row.under == []


def drawn(family: str, seed: int, number: int) -> Row:
    """What came of one draw."""
    prober = EngineProber(deadline_s=60)
    row = run(prober, family, draws=1, seed=seed, first=number)
    prober.close()
    return row


def test_few_are_refused_and_all_known_families_are_drawn(rows):
    refused = sum(len(row.refused) for row in rows.values())
    print(f"{sum(row.compared for row in rows.values())} models of {len(rows)} families compared, {refused} refused")

    assert len(rows) >= 49
    assert refused <= MOST_REFUSED * DRAWS * len(rows)
