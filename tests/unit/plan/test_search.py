"""Searches over settings look at few graphs: what stands still says where to look."""

import pytest
from msgspec.structs import replace

from aidx.budget import compute
from aidx.budget.allocate import Allocator
from aidx.budget.settings import CELL_PAD, Settings
from aidx.plan.ledger import Desk
from aidx.plan.search import growth, longest, offload
from aidx.plan.spread import gpu_headroom
from tests.unit.plan.worlds import MIB, drive, engine, machine, model

BLOCKS = 40
DEEP = model(BLOCKS)


@pytest.fixture
def graphs(monkeypatch):
    """The settings whose graph was played through, cut between devices."""
    seen = []
    play = compute.spread_peaks

    def counted(geo, settings, spread):
        seen.append(settings)
        return play(geo, settings, spread)

    monkeypatch.setattr(compute, "spread_peaks", counted)
    return seen


@pytest.mark.parametrize("room", range(300, 1200, 100))
def test_the_best_split_is_found_with_two_graphs(graphs, room):
    desk = Desk(DEEP, machine(room * MIB), fast=True)
    best, _ = drive(offload(desk, Settings(ctx_size=4096), move_experts=True), engine())

    assert 0 < best.n_gpu_layers < BLOCKS
    assert len(graphs) == 2
    assert gpu_headroom(desk.closed(best)) >= 0
    assert gpu_headroom(desk.closed(replace(best, n_gpu_layers=best.n_gpu_layers + 1))) < 0


@pytest.mark.parametrize("layers", [0, 7, 20, BLOCKS, BLOCKS + 1])
@pytest.mark.parametrize("tokens", [8192, 16384])
def test_what_the_context_takes_is_known_without_the_graph_of_a_split(graphs, layers, tokens):
    desk = Desk(DEEP, machine(1 << 30), fast=True)
    here = Settings(ctx_size=tokens, n_gpu_layers=layers)
    told = growth(desk, here)
    assert graphs == []

    now, then = desk.closed(here), desk.closed(replace(here, ctx_size=tokens + CELL_PAD))
    taken = {account.name: then.account(account.name).planned - account.planned for account in now.accounts}
    assert told == pytest.approx(taken, abs=sum(taken.values()) // 20)


def test_the_longest_context_of_a_split_is_found_with_few_graphs(graphs):
    desk = Desk(DEEP, machine(900 * MIB), fast=True)
    here = Settings(ctx_size=4096, n_gpu_layers=30)
    reach, _ = drive(longest(desk, here, 1 << 15), engine())

    assert len(graphs) <= 4
    assert desk.closed(replace(here, ctx_size=reach)).holds
    assert not desk.closed(replace(here, ctx_size=reach + CELL_PAD)).holds


def test_an_engine_with_an_arithmetic_of_its_own_is_asked_whole():
    entries = Allocator(DEEP, gpus=1)
    desk = Desk(DEEP, machine(1 << 30), fast=True, arithmetic=entries.__call__)
    here = Settings(ctx_size=4096, n_gpu_layers=8)

    assert desk.standing(here) == desk.closed(here)
