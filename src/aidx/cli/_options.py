"""The options that several commands share, and what they become."""

import shlex
from collections.abc import Callable, Container
from dataclasses import fields, replace
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from aidx import wiring
from aidx.cli._types import Size, Switch, WordOrNumber, size_text
from aidx.errors import InputError
from aidx.plan import engines
from aidx.plan.devices import Machine
from aidx.plan.need import Need

if TYPE_CHECKING:
    from aidx.config.merge import Settled

Command = Callable[..., Any]
MIB = 1 << 20
SETTINGS, FILE = "aidx.settings", "aidx.settings.file"  # where a command's context keeps them

_COMMON = (
    click.option(
        "--config",
        metavar="FILE",
        is_eager=True,
        expose_value=False,
        callback=lambda context, _, file: _read_settings(context, file),
        help="Settings file instead of ./aidx.toml.",
    ),
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
        "--engine",
        type=click.Choice(engines.names()),
        default="embedded",
        show_default=True,
        help="Engine to plan for, with its own settings as defaults.",
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


_OF_MACHINE = {"vram", "host_ram", "driver", "total"}
_PLANNED = {field.name for field in fields(Need)} | _OF_MACHINE | {"quant", "imatrix"}


def _stack(options: tuple[Command, ...], function: Command) -> Command:
    for option in reversed(options):
        function = option(function)
    return function


def common(function: Command) -> Command:
    """``--config``, ``--json``, ``-q`` and ``-v``."""
    return _stack(_COMMON, function)


def planning(function: Command) -> Command:
    """The options of a plan; the command receives ``need``, ``machine`` and ``model_options`` instead."""
    names = {field.name for field in fields(Need)}

    @wraps(function)
    def wrapped(**given: Any) -> Any:  # noqa: ANN401 - click hands over what the options parsed
        asked = {name: given.pop(name) for name in list(given) if name in names}
        chosen = frozenset(name for name in names if typed_in(name))
        need = Need(**asked, given=chosen, environment=wiring.engine_environment(), notes=_machine_notes()).checked()
        need = replace(need, cache_ram=need.cache_ram * MIB)
        machine = _machine(given)
        model = {"quant": given.pop("quant"), "imatrix": given.pop("imatrix")}
        return function(need=need, machine=machine, model_options=model, **given)

    return _stack((*_MODEL, *_SETTINGS, *_MACHINE), wrapped)


def on_machine(function: Command) -> Command:
    """The options that describe a machine; the command receives ``machine`` instead."""

    @wraps(function)
    def wrapped(**given: Any) -> Any:  # noqa: ANN401 - click hands over what the options parsed
        machine = _machine(given)
        return function(machine=machine, **given)

    return _stack(_MACHINE, wrapped)


def _machine(given: dict[str, Any]) -> Machine:
    """The machine that *given* options describe, which are taken out of it."""
    return wiring.machine(
        vram=_one_gpu(given.pop("vram")),
        host_ram=given.pop("host_ram"),
        driver=given.pop("driver"),
        total=given.pop("total"),
    )


def _one_gpu(sizes: tuple[int, ...]) -> int | None:
    if len(sizes) > 1:
        raise InputError(
            f"--vram is given {len(sizes)} times: plans for several GPUs are not made yet",
            hint="Give --vram once, for the GPU that is to hold the model.",
        )
    return sizes[0] if sizes else None


def settings() -> "Settled":
    """The settings that hold for the command that runs now."""
    found: Settled | None = click.get_current_context().meta.get(SETTINGS)
    return found if found is not None else wiring.settings()


def _read_settings(context: click.Context, file: str | None) -> None:
    """Read the settings before other options are, and let them be the defaults of those options."""
    if context.resilient_parsing or not (file or wiring.any_settings()):
        return
    found = wiring.settings(file)
    context.meta[SETTINGS], context.meta[FILE] = found, file
    tables = [("device",), *([("serve",)] if context.info_name == "serve" else [])]
    context.default_map = {key: value for path in tables for key, value in found.given(*path).items()}


def _machine_notes() -> tuple[str, ...]:
    """Where the machine came from, if not from the command line."""
    context = click.get_current_context()
    of_settings = click.core.ParameterSource.DEFAULT_MAP
    taken = [
        name for name in ("vram", "host_ram", "driver", "total") if context.get_parameter_source(name) is of_settings
    ]
    if not taken:
        return ()
    origins = ", ".join(f"{name} from {settings().origin('device', name).where}" for name in taken)
    return (f"planned for [device]: {origins}",)


def typed(model: str | None) -> str:
    """*model* and the planning options of this command line, as a shell would take them."""
    return shlex.join([*([] if model is None else [model]), *_typed(_PLANNED)])


def machine_typed() -> str:
    """The options of this command line that describe a machine, as a shell would take them."""
    return shlex.join(_typed(_OF_MACHINE))


def _typed(names: Container[str]) -> list[str]:
    context = click.get_current_context()
    words = ["--config", context.meta[FILE]] if context.meta.get(FILE) else []
    for option in context.command.params:
        if isinstance(option, click.Option) and option.name in names and typed_in(option.name or ""):
            words += _words(option, context.params[option.name or ""])
    return words


def typed_in(name: str) -> bool:
    """Whether the user typed the option called *name*."""
    context = click.get_current_context()
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


__all__ = ["common", "machine_typed", "on_machine", "planning", "settings", "typed", "typed_in"]
