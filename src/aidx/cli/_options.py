"""The options that several commands share, and what they become."""

import shlex
from collections.abc import Callable
from dataclasses import fields, replace
from functools import wraps
from typing import Any

import click

from aidx import wiring
from aidx.cli._types import Size, Switch, WordOrNumber, size_text
from aidx.errors import InputError
from aidx.plan.need import Need

Command = Callable[..., Any]
MIB = 1 << 20

_COMMON = (
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
    click.option("-q", "--quiet", is_flag=True, help="No progress on stderr."),
    click.option("-v", "--verbose", is_flag=True, help="A traceback with an internal error."),
)
_SETTINGS = (
    click.option(
        "-c",
        "--ctx-size",
        type=WordOrNumber("max"),
        help="Context size over all slots [default: the longest that holds].",
    ),
    click.option("-np", "--parallel", type=int, default=1, show_default=True, help="Slots."),
    click.option("-ctk", "--cache-type-k", default="f16", show_default=True, help="KV cache type of K."),
    click.option("-ctv", "--cache-type-v", default="f16", show_default=True, help="KV cache type of V."),
    click.option("-ub", "--ubatch-size", type=int, default=512, show_default=True, help="Physical batch size."),
    click.option("-b", "--batch-size", type=int, default=2048, show_default=True, help="Logical batch size."),
    click.option(
        "-ngl",
        "--n-gpu-layers",
        type=WordOrNumber("all", "auto"),
        default="auto",
        show_default=True,
        help="Layers on the GPU, the output layer counted as one more.",
    ),
    click.option(
        "--n-cpu-moe",
        type=WordOrNumber("auto"),
        default="auto",
        show_default=True,
        help="Blocks whose experts stay on the host.",
    ),
    click.option("--flash-attn", type=Switch(), default="on", show_default=True, help="Flash attention."),
    click.option("--kv-unified/--no-kv-unified", default=True, show_default=True, help="One KV pool for all slots."),
    click.option(
        "--swa-full/--no-swa-full", default=False, show_default=True, help="Sliding windows keep the full context."
    ),
    click.option("--cache-ram", type=int, default=0, show_default=True, help="Prompt cache in host RAM, MiB."),
    click.option(
        "--ctx-checkpoints", type=int, default=0, show_default=True, help="Context checkpoints a slot in host RAM."
    ),
    click.option(
        "--engine", type=click.Choice(["embedded"]), default="embedded", show_default=True, help="Engine to plan for."
    ),
    click.option("--fast", is_flag=True, help="Closed forms only: the engine is not asked."),
    click.option(
        "--start-tokens", type=int, default=0, show_default=True, help="Growth: tokens before the first turn."
    ),
    click.option("--turn-tokens", type=int, default=600, show_default=True, help="Growth: tokens a turn adds."),
)
_MACHINE = (
    click.option(
        "--vram", type=Size(), multiple=True, help="Plan for a GPU of this size; 0: CPU only [default: this machine]."
    ),
    click.option("--host-ram", type=Size(), help="Plan for this much host RAM [default: this machine]."),
    click.option("--driver", type=Size(), help="Driver context on the GPU [default: 512M, assumed]."),
    click.option("--total", is_flag=True, help="Plan against the whole device: ignore what others use now."),
)
_MODEL = (
    click.option("--quant", help="Quantization of a model that is no file yet, such as Q4_K_M."),
    click.option("--imatrix", is_flag=True, help="Sizes of --quant as with an importance matrix."),
)


_PLANNED = {field.name for field in fields(Need)} | {
    "vram",
    "host_ram",
    "driver",
    "total",
    "quant",
    "imatrix",
}


def _stack(options: tuple[Command, ...], function: Command) -> Command:
    for option in reversed(options):
        function = option(function)
    return function


def common(function: Command) -> Command:
    """``--json``, ``-q`` and ``-v``."""
    return _stack(_COMMON, function)


def planning(function: Command) -> Command:
    """The options of a plan; the command receives ``need``, ``machine`` and ``model_options`` instead."""
    names = {field.name for field in fields(Need)}

    @wraps(function)
    def wrapped(**given: Any) -> Any:  # noqa: ANN401 - click hands over what the options parsed
        asked = {name: given.pop(name) for name in list(given) if name in names}
        need = Need(**asked).checked()
        need = replace(need, cache_ram=need.cache_ram * MIB)
        machine = wiring.machine(
            vram=_one_gpu(given.pop("vram")),
            host_ram=given.pop("host_ram"),
            driver=given.pop("driver"),
            total=given.pop("total"),
        )
        model = {"quant": given.pop("quant"), "imatrix": given.pop("imatrix")}
        return function(need=need, machine=machine, model_options=model, **given)

    return _stack((*_MODEL, *_SETTINGS, *_MACHINE), wrapped)


def _one_gpu(sizes: tuple[int, ...]) -> int | None:
    if len(sizes) > 1:
        raise InputError(
            f"--vram is given {len(sizes)} times: plans for several GPUs are not made yet",
            hint="Give --vram once, for the GPU that is to hold the model.",
        )
    return sizes[0] if sizes else None


def typed(model: str) -> str:
    """*model* and the planning options of this command line, as a shell would take them."""
    context = click.get_current_context()
    words = [model]
    for option in context.command.params:
        name = option.name or ""
        if isinstance(option, click.Option) and name in _PLANNED and _given(context, name):
            words += _words(option, context.params[name])
    return shlex.join(words)


def _given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _words(option: click.Option, value: object) -> list[str]:
    flag = max(option.opts, key=len)
    if option.is_flag:
        return [flag if value else option.secondary_opts[0]]
    if isinstance(option.type, Switch):
        return [flag, "on" if value else "off"]
    values = value if isinstance(value, tuple) else (value,)
    written = size_text if isinstance(option.type, Size) else str
    return [word for each in values for word in (flag, written(each))]


__all__ = ["common", "planning", "typed"]
