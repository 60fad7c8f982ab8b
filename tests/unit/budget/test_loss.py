"""Published losses and the words for them."""

from itertools import pairwise

import pytest

from aidx.budget.loss import QUALITY, UNKNOWN, WORST, published_loss, quality


@pytest.mark.parametrize(
    ("quantization", "measured"),
    [
        # llama.cpp tools/perplexity/README.md, Llama-3-8B, mean KLD.
        ("Q8_0", 0.001355),
        ("Q6_K", 0.005452),
        ("Q5_K_M", 0.010762),
        ("Q5_0", 0.022239),
        ("Q4_K_M", 0.031273),
        ("q4_k_m", 0.028152),
        ("IQ4_XS", 0.036334),
        ("Q4_K_S", 0.043136),
        ("Q4_1", 0.071683),
        ("Q4_0", 0.071940),
        ("Q3_K_L", 0.073077),
        ("Q3_K_M", 0.101913),
        ("IQ3_M", 0.102534),
        ("Q3_K_S", 0.228217),
        ("Q2_K", 0.445132),
        # The same file, Llama-2-7B.
        ("Q8_0", 0.000369),
        ("Q6_K", 0.0021),
        ("Q4_K_M", 0.0127),
        ("Q2_K", 0.109),
        # Qwen3-Coder-Next and Qwen3.5-9B, 2026.
        ("Q4_K_M", 0.0685),
        ("Q5_K_M", 0.0308),
        ("Q4_K_M", 0.0087),
    ],
)
def test_what_was_published_lies_in_the_range(quantization, measured):
    loss = published_loss(quantization)

    assert loss.kld_low <= measured <= loss.kld_high
    assert loss.source


def test_an_unpublished_type_has_a_range_that_excludes_little():
    assert published_loss("TQ1_0") is UNKNOWN
    assert (UNKNOWN.kld_low, UNKNOWN.kld_high) == (0.0, 1.0)
    assert "aidx loss" in UNKNOWN.source


def test_a_native_type_has_lost_nothing():
    assert published_loss("MXFP4_MOE", native=True).kld_high == 0.0


@pytest.mark.parametrize(
    ("quantization", "word"),
    [
        ("F16", "reference"),
        ("BF16", "reference"),
        ("F32", "reference"),
        ("Q8_0", "excellent"),
        ("Q6_K", "excellent"),
        ("Q5_K_M", "good"),
        ("Q4_K_M", "good"),
        ("IQ4_XS", "good"),
        ("Q4_0", "fair"),
        ("Q3_K_M", "fair"),
        ("Q2_K", "poor"),
        ("IQ1_S", "poor"),
    ],
)
def test_words_go_by_the_worst_that_was_published(quantization, word):
    assert published_loss(quantization).quality == word


def test_thresholds_rise_and_a_bound_belongs_to_the_better_word():
    assert all(lower[0] < upper[0] for lower, upper in pairwise(QUALITY))
    assert [quality(bound) for bound, _ in QUALITY] == [word for _, word in QUALITY]
    assert quality(9.0) == WORST
