"""A sweep is what single plans say, for many settings at once."""

import pytest
from msgspec.structs import replace

from aidx.budget.allocate import allocate
from aidx.budget.settings import Settings
from aidx.errors import InputError
from aidx.plan.sweep import sweep
from tests.unit.plan.worlds import BLOCKS, MIB, machine, model

KINDS = ("f16", "q8_0", "q4_0")
SETTINGS = [
    Settings(ctx_size=ctx, cache_type_k=kind, cache_type_v=kind, n_gpu_layers=layers, parallel=slots)
    for ctx in (256, 4096, 9000)
    for kind in ("f16", "q8_0")
    for layers in (0, 3, BLOCKS + 1)
    for slots in (1, 4)
]


@pytest.mark.parametrize("gpu", [None, 200 * MIB])
def test_each_ledger_is_the_one_of_its_model_and_settings_alone(gpu):
    here = machine(gpu)
    asked = SETTINGS if gpu else [replace(one, n_gpu_layers=0) for one in SETTINGS]
    found = list(sweep([model(kind=kind) for kind in KINDS], asked, here))

    assert [(one.model.quantization, one.settings) for one in found] == [
        (kind.upper(), settings) for kind in KINDS for settings in asked
    ]
    for one in found:
        alone = allocate(one.model, one.settings, gpus=len(here.gpus))
        for account in one.ledger.accounts:
            planned = [entry for entry in account.entries if entry.what not in {"driver", "engine_process"}]
            assert tuple(planned) == alone.get(account.name, ())


def test_settings_that_no_engine_takes_are_refused():
    with pytest.raises(InputError, match="--ctx-size 0"):
        list(sweep([model()], [Settings(ctx_size=0)], machine()))
