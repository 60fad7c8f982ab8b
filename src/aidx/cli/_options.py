"""The options that several commands share, and what they become."""

from collections.abc import Callable, Container
from functools import wraps
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import fields, replace

from aidx import wiring
from aidx.budget.sizes import MOST, gib
from aidx.budget.split import parts_text
from aidx.cli._types import Parts, Size, Switch, Whole, WordOrNumber, size_text
from aidx.errors import InputError
from aidx.plan import engines
from aidx.plan.files import Files
from aidx.plan.need import Need
from aidx.plan.wish import Wish

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
    click.option("-v", "--verbose", is_flag=True, help="A traceback with an internal error; serve logs each request."),
)
_SETTINGS = (
    click.option(
        "-c",
        "--ctx-size",
        type=WordOrNumber("max"),
        help="Context size over all slots [default: the longest that holds].",
    ),
    click.option("-np", "--parallel", type=Whole(), default=1, show_default=True, help="Slots."),
    click.option("-ctk", "--cache-type-k", default="f16", show_default=True, help="KV cache type of K."),
    click.option("-ctv", "--cache-type-v", default="f16", show_default=True, help="KV cache type of V."),
    click.option("-ub", "--ubatch-size", type=Whole(), default=512, show_default=True, help="Physical batch size."),
    click.option("-b", "--batch-size", type=Whole(), default=2048, show_default=True, help="Logical batch size."),
    click.option(
        "-ngl",
        "--n-gpu-layers",
        type=WordOrNumber("all", "auto"),
        default="auto",
        show_default=True,
        help="Layers on the GPU, the output layer counted as one more.",
    ),
    click.option(
        "-ncmoe",
        "--n-cpu-moe",
        type=WordOrNumber("auto"),
        default="auto",
        show_default=True,
        help="Blocks whose experts stay on the host.",
    ),
    click.option("-cmoe", "--cpu-moe", is_flag=True, help="The experts of all blocks stay on the host."),
    click.option(
        "-sm",
        "--split-mode",
        type=click.Choice(["layer", "none"]),
        default="layer",
        show_default=True,
        help="Several GPUs: split by layers, or use one alone.",
    ),
    click.option(
        "-ts",
        "--tensor-split",
        type=Parts(),
        help="Several GPUs: parts of the layers, such as 3,1 [default: by free memory, or what holds].",
    ),
    click.option(
        "-mg", "--main-gpu", type=Whole(), default=0, show_default=True, help="The GPU to use with --split-mode none."
    ),
    click.option("-fa", "--flash-attn", type=Switch(), default="on", show_default=True, help="Flash attention."),
    click.option(
        "-kvu/-no-kvu",
        "--kv-unified/--no-kv-unified",
        default=True,
        show_default=True,
        help="One KV pool for all slots.",
    ),
    click.option(
        "--swa-full/--no-swa-full", default=False, show_default=True, help="Sliding windows keep the full context."
    ),
    click.option(
        "-cram",
        "--cache-ram",
        type=click.IntRange(0, MOST >> 20),
        default=0,
        show_default=True,
        help="Prompt cache in host RAM, MiB.",
    ),
    click.option(
        "-ctxcp",
        "--ctx-checkpoints",
        type=Whole(),
        default=0,
        show_default=True,
        help="Context checkpoints a slot in host RAM.",
    ),
    click.option(
        "--engine",
        type=click.Choice(engines.names()),
        default="auto",
        show_default=True,
        help="Engine to plan for, with its own settings as defaults; auto: the first that can use the devices.",
    ),
    click.option("--fast", is_flag=True, help="Closed forms only: the engine is not asked."),
    click.option(
        "--start-tokens", type=Whole(), default=0, show_default=True, help="Growth: tokens before the first turn."
    ),
    click.option("--turn-tokens", type=Whole(), default=600, show_default=True, help="Growth: tokens a turn adds."),
)
_MACHINE = (
    click.option(
        "--vram",
        type=Size(),
        multiple=True,
        help="Plan for a GPU of this size; once for each GPU; 0: CPU only [default: this machine].",
    ),
    click.option(
        "--gpu", multiple=True, metavar="NAME", help="Plan for this card, such as rtx-3060-12gb; once for each GPU."
    ),
    click.option("--host-ram", type=Size(), help="Plan for this much host RAM [default: this machine]."),
    click.option("--driver", type=Size(), help="Driver context on each GPU [default: the card table's, else 512M]."),
    click.option("--total", is_flag=True, help="Plan against the whole device: ignore what others use now."),
)
_BESIDE = (
    click.option("--lora", multiple=True, metavar="FILE", help="A LoRA adapter beside the model; may be repeated."),
    click.option("-mm", "--mmproj", metavar="FILE", help="A projector for images or sound beside the model."),
    click.option(
        "-md", "--model-draft", metavar="FILE", help="A draft model that guesses tokens ahead, of the same family."
    ),
)
_MODEL = (
    click.option("--quant", help="Quantization of a model that is no file yet, such as Q4_K_M."),
    click.option("--imatrix", is_flag=True, help="Sizes of --quant as with an importance matrix."),
)


_WISHES = ("vram", "gpu", "host_ram", "driver", "total")
_FILES = ("lora", "mmproj", "model_draft")
_PLANNED = {field.name for field in fields(Need)} | {*_WISHES, *_FILES, "cpu_moe", "quant", "imatrix"}


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
        every = given.pop("cpu_moe")
        asked["n_cpu_moe"] = _experts(asked["n_cpu_moe"], every=every)
        chosen = frozenset(name for name in names if typed_in(name))
        chosen |= {"n_cpu_moe"} if every else frozenset()
        need = Need(**asked, given=chosen, environment=wiring.engine_environment(), notes=_machine_notes()).checked()
        need = replace(need, cache_ram=need.cache_ram * MIB)
        machine = wiring.machine(_wish(given))
        files = Files(*(given.pop(name) for name in _FILES))
        model = {"quant": given.pop("quant"), "imatrix": given.pop("imatrix"), "files": files}
        return function(need=need, machine=machine, model_options=model, **given)

    return _stack((*_MODEL, *_BESIDE, *_SETTINGS, *_MACHINE), wrapped)


def on_machine(function: Command) -> Command:
    """The options that describe a machine; the command receives ``machine`` instead."""

    @wraps(function)
    def wrapped(**given: Any) -> Any:  # noqa: ANN401 - click hands over what the options parsed
        machine = wiring.machine(_wish(given))
        return function(machine=replace(machine, notes=(*machine.notes, *_machine_notes())), **given)

    return _stack(_MACHINE, wrapped)


def on_this_machine(function: Command) -> Command:
    """The same for a command that shows what is here: what is configured is a note, not a wish."""

    @wraps(function)
    def wrapped(**given: Any) -> Any:  # noqa: ANN401 - click hands over what the options parsed
        nothing = {"vram": (), "gpu": (), "host_ram": None, "driver": None, "total": False}
        configured = {name: given[name] for name in _WISHES if _configured(name)}
        machine = wiring.machine(_wish(given | {name: nothing[name] for name in configured}))
        typed_ones = [name for name in _WISHES if typed_in(name)]
        notes = () if typed_ones or not configured else (_elsewhere(configured),)
        others = {name: value for name, value in given.items() if name not in _WISHES}
        return function(machine=replace(machine, notes=(*machine.notes, *notes)), **others)

    return _stack(_MACHINE, wrapped)


def _elsewhere(configured: dict[str, Any]) -> str:
    """What plans are made for, where that is not this machine."""
    said = []
    for name, value in configured.items():
        values = value if isinstance(value, tuple) else (value,)
        shown = ", ".join(str(each) if isinstance(each, bool | str) else gib(each) for each in values)
        said.append(f"{name} {shown} from {settings().origin('device', name).where}")
    return f"this is what is here; plans are made for [device]: {'; '.join(said)}"


def _wish(given: dict[str, Any]) -> Wish:
    """The wishes among the options *given*, which lose them; what was typed goes before what is configured."""
    wish = Wish(*(given.pop(name) for name in _WISHES))
    if wish.cards and _configured("vram"):
        wish = replace(wish, vram=())
    if wish.vram and _configured("gpu"):
        wish = replace(wish, cards=())
    if wish.vram == (0,) and _configured("driver"):
        wish = replace(wish, driver=None)
    return wish


def _experts(blocks: int | str, *, every: bool) -> int | str:
    """Blocks whose experts stay on the host, from the two options that say it."""
    if every and blocks != "auto":
        raise InputError(f"--cpu-moe keeps all experts on the host, and --n-cpu-moe {blocks} some", hint="Give one.")
    return "all" if every else blocks


def settings() -> "Settled":
    """The settings that hold for the command that runs now."""
    found: Settled | None = click.get_current_context().meta.get(SETTINGS)
    return found if found is not None else wiring.settings()


def _read_settings(context: click.Context, file: str | None) -> None:
    """Read the settings before other options are, and let them be the defaults of those options."""
    if context.resilient_parsing or not (file or wiring.any_settings()):
        return
    found = wiring.settings(file)
    if found.unread:
        click.echo(f"aidx: {found.unread} may not be read, and is left out", err=True)
    context.meta[SETTINGS], context.meta[FILE] = found, file
    tables = [("device",), *([("serve",)] if context.info_name == "serve" else [])]
    context.default_map = {key: value for path in tables for key, value in found.given(*path).items()}


def _configured(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is click.core.ParameterSource.DEFAULT_MAP


def _machine_notes() -> tuple[str, ...]:
    """Where the machine came from, if not from the command line."""
    given = click.get_current_context().params
    taken = [name for name in _WISHES if _configured(name)]
    beaten = {name for name, other in (("vram", "gpu"), ("gpu", "vram")) if given.get(other) and not _configured(other)}
    taken = [name for name in taken if name not in beaten]
    if not taken:
        return ()
    origins = ", ".join(f"{name} from {settings().origin('device', name).where}" for name in taken)
    return (f"planned for [device]: {origins}",)


def typed(model: str | None) -> str:
    """*model* and the planning options of this command line, as a shell would take them."""
    import shlex

    return shlex.join([*([] if model is None else [model]), *_typed(_PLANNED)])


def machine_typed() -> str:
    """The options of this command line that describe a machine, as a shell would take them."""
    import shlex

    return shlex.join(_typed(_WISHES))


def _typed(names: Container[str]) -> list[str]:
    context = click.get_current_context()
    words = ["--config", context.meta[FILE]] if context.meta.get(FILE) else []
    for option in context.command.params:
        if isinstance(option, click.Option) and option.name in names and typed_in(option.name or ""):
            words += _words(option, context.params[option.name or ""])
    return words


def plan_typed() -> tuple[str, ...]:
    """The options of this command line that make a plan."""
    return tuple(_typed(_PLANNED - {"config"}))


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
    if isinstance(option.type, Parts) and isinstance(value, tuple):
        return [flag, parts_text(value)]
    values = value if isinstance(value, tuple) else (value,)
    written = size_text if isinstance(option.type, Size) else str
    return [word for each in values for word in (flag, written(each))]


__all__ = [
    "common",
    "machine_typed",
    "on_machine",
    "on_this_machine",
    "plan_typed",
    "planning",
    "settings",
    "typed",
    "typed_in",
]
