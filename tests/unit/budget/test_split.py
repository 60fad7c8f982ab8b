import pytest

from aidx.budget.split import check_parts, owners, parts_by_size, parts_text
from aidx.errors import InputError

GIB = 1 << 30


def test_the_first_device_whose_sum_lies_above_the_place_takes_the_layer():
    assert owners((1, 1), 4) == (0, 0, 1, 1)
    assert owners((3, 1), 4) == (0, 0, 0, 1)
    assert owners((1, 0, 1), 4) == (0, 0, 2, 2)
    assert owners((0, 1), 3) == (1, 1, 1)


def test_counts_of_layers_are_kept_as_they_are():
    for counts in ((7, 42), (1, 48), (20, 9, 20), (48, 1)):
        where = owners(counts, sum(counts))
        assert tuple(where.count(number) for number in range(len(counts))) == counts


def test_single_precision_decides_on_an_edge_as_it_does_in_the_engine():
    """In double precision gpu0 would take 8 of 49; `tests/e2e/test_several_gpus.py` asks the engine itself."""
    assert owners((0.1, 0.6), 49).count(0) == 7


def test_nobody_has_layers_where_none_are_on_gpus():
    assert owners((1, 1), 0) == ()


def test_parts_by_size_are_mib():
    assert parts_by_size((12 * GIB, 8 * GIB + 1, 0, -5)) == (12288, 8192, 0, 0)
    assert parts_text((12288, 0.5)) == "12288,0.5"


@pytest.mark.parametrize(
    ("parts", "gpus", "says"),
    [
        ((3, 1), 1, "has 2 parts, and 1 GPU is planned"),
        ((3,), 2, "has 1 part, and 2 GPUs are planned"),
        ((0, 0), 2, "gives no GPU a layer"),
        ((1, -1), 2, "no amount"),
        ((1, float("nan")), 2, "no amount"),
        ((1, float("inf")), 2, "no amount"),
    ],
)
def test_parts_that_divide_nothing_are_refused(parts, gpus, says):
    with pytest.raises(InputError, match=says) as error:
        check_parts(parts, gpus)
    assert error.value.hint
