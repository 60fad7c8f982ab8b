"""Every ``Prober`` behaves the same, the fake too; implementations are found, not listed."""

from collections.abc import Callable, Iterator
from importlib import import_module
from inspect import getmembers, isclass
from pkgutil import walk_packages

import pytest
from msgspec.structs import replace
from tests import fakes
from tests.fakes.models import qwen2

import aidx.adapters
from aidx.budget.settings import Settings
from aidx.plan.probe import Probe, Probed, Unanswered
from aidx.ports.prober import Prober

GPU = (12 << 30,)
MODEL = qwen2(blocks=4)
SETTINGS = Settings(ctx_size=4096, n_gpu_layers=5)


def implementations() -> list[Callable[[], Prober]]:
    """Every class named …Prober of a module named prober, among the adapters and the fakes."""
    modules = [
        import_module(module.name)
        for package in (aidx.adapters, fakes)
        for module in walk_packages(package.__path__, f"{package.__name__}.")
        if module.name.endswith(".prober")
    ]
    return [
        kind
        for module in modules
        for name, kind in getmembers(module, isclass)
        if name.endswith("Prober") and kind.__module__ == module.__name__
    ]


def test_the_engine_and_the_fake_are_found():
    assert len(implementations()) >= 2


@pytest.fixture(scope="module", params=implementations(), ids=lambda kind: kind.__name__)
def prober(request: pytest.FixtureRequest) -> Iterator[Prober]:
    one = request.param()
    yield one
    one.close()


def ask(prober: Prober, settings: Settings = SETTINGS, gpus: tuple[int, ...] = GPU) -> Probed:
    answer = prober.ask(Probe(MODEL, settings, gpus))
    assert isinstance(answer, Probed), answer
    return answer


def total(answer: Probed, device: str | None = None) -> int:
    return sum(b.model + b.context + b.compute for b in answer.buffers if device in {None, b.device})


def test_answers_name_the_build_the_context_and_known_devices(prober):
    answer = ask(prober)

    assert answer.build
    assert answer.n_ctx == SETTINGS.n_ctx
    assert {buffer.device for buffer in answer.buffers} == {"gpu0", "host"}
    assert all(min(buffer.model, buffer.context, buffer.compute) >= 0 for buffer in answer.buffers)
    assert all(buffer.name for buffer in answer.buffers)


def test_the_same_question_has_the_same_answer(prober):
    first = ask(prober)
    ask(prober, replace(SETTINGS, ctx_size=8192))

    assert ask(prober) == first


def test_without_gpus_everything_is_on_the_host(prober):
    answer = ask(prober, replace(SETTINGS, n_gpu_layers=0), gpus=())

    assert {buffer.device for buffer in answer.buffers} == {"host"}


def test_a_longer_context_takes_more(prober):
    assert total(ask(prober, replace(SETTINGS, ctx_size=8192))) > total(ask(prober))


def test_more_layers_on_the_gpu_take_more_of_it(prober):
    fewer = ask(prober, replace(SETTINGS, n_gpu_layers=2))

    assert total(ask(prober), "gpu0") > total(fewer, "gpu0")


@pytest.mark.parametrize(
    "settings",
    [
        replace(SETTINGS, cache_type_v="q8_0", flash_attn=False),
        replace(SETTINGS, ctx_size=-1),
        replace(SETTINGS, ctx_size=1 << 31),
    ],
    ids=["quantized V without flash attention", "negative context", "too long"],
)
def test_impossible_settings_are_refused_in_one_line_and_the_next_question_is_answered(prober, settings):
    answer = prober.ask(Probe(MODEL, settings, GPU))

    assert isinstance(answer, Unanswered)
    assert answer.refused
    assert answer.reason
    assert "\n" not in answer.reason
    ask(prober)


def test_an_impossible_model_is_refused_and_the_next_one_is_answered(prober):
    answer = prober.ask(Probe(qwen2(blocks=4, block_count=100_000), SETTINGS, GPU))

    assert isinstance(answer, Unanswered)
    assert answer.refused
    ask(prober)


def test_it_can_be_closed_twice_and_asked_again(prober):
    prober.close()
    prober.close()

    ask(prober)
