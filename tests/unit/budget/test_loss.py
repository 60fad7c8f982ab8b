"""Published losses and the words for them."""

from itertools import pairwise

import pytest
from msgspec.structs import replace

from aidx.budget.loss import QUALITY, REMARK, UNKNOWN, WORST, generation, model_loss, published_loss, quality
from tests.fakes.models import qwen2


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


@pytest.mark.parametrize(
    ("quantization", "of", "imatrix", "measured"),
    [
        ("Q4_K_M", "early", None, 0.0127),  # Llama-2-7B
        ("Q4_K_M", "middle", True, 0.028152),  # Llama-3-8B, with WikiText's importance matrix
        ("Q4_K_M", "middle", False, 0.031273),  # and without one
        ("Q4_K_S", "middle", True, 0.031951),
        ("Q4_K_S", "middle", False, 0.043136),
        ("Q4_K_M", "late", True, 0.0087),  # Qwen3.5-9B, bartowski
        ("Q4_K_M", "late", None, 0.0685),  # Qwen3-Coder-Next
        ("MXFP4_MOE", "late", None, 0.0746),
        ("IQ4_XS", "late", True, 0.0247),  # Qwen3.6-27B, unsloth
    ],
)
def test_the_range_of_a_generation_holds_what_was_measured_on_it(quantization, of, imatrix, measured):
    loss = published_loss(quantization, of=of, imatrix=imatrix)

    assert loss.kld_low <= measured <= loss.kld_high
    assert loss.source.endswith(REMARK)
    assert loss.kld_high >= 3.8 * loss.kld_low  # of two digits each


def test_older_models_lose_less_and_newer_ones_may_lose_more():
    for name in ("Q6_K", "Q5_0", "Q4_0", "Q3_K_M"):
        early, middle, late = (published_loss(name, of=of).kld_high for of in ("early", "middle", "late"))
        assert early < middle < late or name == "Q3_K_M"  # measured on a late model, with a good matrix


def test_a_value_of_another_generation_says_so():
    assert "another generation" in published_loss("Q4_0", of="late").source
    assert "another generation" in published_loss("MXFP4_MOE", of="early").source
    assert "another generation" not in published_loss("Q4_0", of="middle").source


@pytest.mark.parametrize(
    ("architecture", "vocabulary", "of"),
    [("llama", 32000, "early"), ("llama", 128256, "middle"), ("qwen2", 152064, "middle"), ("qwen35", 248320, "late")],
)
def test_the_generation_is_told_by_family_and_vocabulary(architecture, vocabulary, of):
    assert generation(architecture, vocabulary) == of
    assert generation("nonesuch", 1000) is None


def named(quantization, architecture="qwen2", **metadata):
    made = qwen2(blocks=1)
    header = replace(made.header, metadata={**made.header.metadata, **metadata})
    return replace(made, quantization=quantization, architecture=architecture, header=header)


def test_the_type_a_model_was_trained_in_costs_nothing_and_the_same_type_elsewhere_does():
    assert model_loss(named("MXFP4_MOE", "gpt-oss")).kld_high == 0.0
    assert model_loss(named("MXFP4_MOE", "qwen3next")).kld_high > 0.07


def test_a_model_that_was_trained_for_four_bits_is_told_from_one_that_was_not():
    plain, trained = model_loss(named("Q4_0")), model_loss(named("Q4_0", **{"general.name": "Gemma 3 12B QAT"}))

    assert trained.kld_high < plain.kld_low
    assert "QAT" in trained.source
    assert model_loss(named("Q4_K_M", **{"general.name": "Gemma-3-12B-qat"})) == model_loss(named("Q4_K_M"))
    assert model_loss(replace(named("Q4_0"), name="aquatic-7b")) == plain


def test_an_importance_matrix_is_read_from_the_file():
    chunks = {"quantize.imatrix.file": "imatrix.dat", "quantize.imatrix.chunks_count": 125}
    plain, made = model_loss(named("Q4_K_S")), model_loss(named("Q4_K_S", **chunks))

    assert made.kld_high < plain.kld_high
    assert made.source.endswith("made with an importance matrix of 125 chunks")
