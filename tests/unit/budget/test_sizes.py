"""Sizes that people type."""

import pytest

from aidx.budget.sizes import GIB, MIB, gib, parse_size
from aidx.errors import InputError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("12GiB", 12 * GIB),
        ("12GB", 12 * GIB),
        ("12G", 12 * GIB),
        ("12g", 12 * GIB),
        (" 12 GiB ", 12 * GIB),
        ("512M", 512 * MIB),
        ("11.5G", 11 * GIB + GIB // 2),
        ("0.1K", 102),
        ("1T", 1024 * GIB),
        ("4096", 4096),
        ("4096B", 4096),
        ("0", 0),
    ],
)
def test_sizes_are_powers_of_two_and_fractions_round_down(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["12Q", "", " ", "-1G", "+1G", "NaN", "inf", "1e9", "G", "1.G", ".5G", "12 GiB B", "٣G", "1G2", "9" * 99]
)
def test_anything_else_is_refused_with_examples(text):
    with pytest.raises(InputError, match="is not a size") as refused:
        parse_size(text)

    assert "12GiB" in refused.value.hint


def test_a_long_text_is_not_repeated_in_full():
    with pytest.raises(InputError) as refused:
        parse_size("9" * 10_000)

    assert len(str(refused.value)) < 80


def test_people_read_gib_with_two_decimals():
    assert gib(8_988_110_272) == "8.37 GiB"
    assert gib(0) == "0.00 GiB"
