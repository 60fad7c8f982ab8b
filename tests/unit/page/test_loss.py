"""The page of a loss: what was measured and what was published, alone and beside another file."""

import pytest

from aidx.page.loss import compared, render

PUBLISHED = {
    "schema": "aidx.loss/1",
    "model": "m<b>",
    "quantization": "Q4_K_M",
    "tokens": None,
    "kld_mean": None,
    "kld_ci95": [0.02, 0.05],
    "kld_p999": None,
    "top1_agreement": None,
    "top1_ci95": None,
    "ppl": None,
    "ppl_reference": None,
    "ppl_ratio_ci95": None,
    "quality": "good",
    "reference": "published",
    "source": "published",
    "lower_bound": False,
    "kld_bound": None,
}
MEASURED = PUBLISHED | {
    "tokens": 5865,
    "kld_mean": 0.5,
    "kld_ci95": [0.4, 0.6],
    "kld_p999": 2.5,
    "top1_agreement": 0.9,
    "top1_ci95": [0.89, 0.91],
    "ppl": 17.0,
    "ppl_reference": 16.0,
    "ppl_ratio_ci95": [1.05, 1.07],
    "quality": "broken",
    "source": "measured here against r",
}
OTHER = {
    "model": "o",
    "quantization": "Q8_0",
    "kld_mean": 0.1,
    "kld_ci95": [0.09, 0.11],
    "more": -0.4,
    "more_ci95": [-0.5, -0.3],
    "told_apart": True,
    "identical": False,
    "same_weights": False,
}


def test_what_is_published_is_a_range_without_a_mean():
    page = render(PUBLISHED)

    assert 'data-quality="good"' in page
    assert "m&lt;b&gt;" in page
    assert "<b>" not in page
    assert "<circle" not in page
    assert "0.02 to 0.05 nats, as published" in page


def test_what_was_measured_has_its_mean_and_all_figures():
    page = render(MEASURED)

    assert 'class="verdict over" data-quality="broken"' in page
    assert page.count("<circle") == 1
    for words in ("0.500000", "0.400000 to 0.600000", "90.00%", "17.000", "1.0625", "1.0500 to 1.0700", "2.500"):
        assert words in page


def test_another_file_is_drawn_and_said_beside_it():
    page = render(MEASURED | {"against": OTHER})

    assert page.count("<circle") == 2
    assert "o loses less than m&lt;b&gt;: -0.400000 (-0.500000 to -0.300000)" in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"more_ci95": [0.1, 0.2]}, "o loses more than"),
        ({"told_apart": False}, "o and m<b> are not told apart by this text"),
        ({"identical": True}, "o thinks exactly the same of every token"),
        ({"same_weights": True, "identical": True}, "o has the same weights, byte for byte"),
    ],
)
def test_whether_two_are_told_apart_is_one_line(changes, words):
    assert words in compared(MEASURED | {"against": OTHER | changes})


def test_a_divergence_off_the_scale_stays_on_the_page():
    page = render(MEASURED | {"kld_mean": 0.0, "kld_ci95": [0.0, 50.0]})

    assert 'cx="0.0"' in page
    assert 'x2="960.0"' in page
