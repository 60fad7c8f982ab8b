"""What the compute graph is told of a model."""

from random import Random

import pytest

from aidx.budget.geometry import geometry
from aidx.errors import InputError
from tests.fakes.published import made, typed
from tests.fakes.random_states import metadata


def puzzle(used):
    """A Nemotron with experts that gives each block a number of them to use."""
    keys = metadata("nemotron_h_moe", Random(0))
    blocks = keys["nemotron_h_moe.block_count"]
    return made({**keys, **typed({"nemotron_h_moe.expert_used_count": used(blocks)})})


def test_blocks_may_use_different_numbers_of_experts_and_the_most_counts():
    assert geometry(puzzle(lambda blocks: [1, 2] + [1] * (blocks - 2))).used == 2


def test_an_endless_number_of_experts_is_refused():
    with pytest.raises(InputError, match="expert_used_count is 5000, above 1024"):
        geometry(puzzle(lambda blocks: [1] * (blocks - 1) + [5000]))


def test_blocks_that_predict_ahead_are_no_part_of_the_graph():
    keys = metadata("qwen35", Random(0))
    blocks = keys["qwen35.block_count"]
    ahead = made({**keys, "qwen35.nextn_predict_layers": 1, "qwen35.block_count": blocks + 1})

    assert [block.number for block in geometry(ahead).blocks] == [
        block.number for block in geometry(made({**keys, "qwen35.nextn_predict_layers": 0})).blocks
    ]
