"""Ollama: a Modelfile for each model, and the server's settings, which are variables."""

from aidx.errors import InputError
from aidx.export.given import Exported, File, Given
from aidx.export.llama_server import file_of
from aidx.plan.result import RolePlan


def export(given: Given) -> Exported:
    """A Modelfile a model; the notes say what the server must be started with."""
    roles = given.local
    files = tuple(
        File("Modelfile" if len(roles) == 1 else f"Modelfile.{given.names(role)[0]}", _modelfile(given, role))
        for role in roles
    )
    created = (f"ollama create {given.names(role)[0]} -f {file.name}" for role, file in zip(roles, files, strict=True))
    return Exported(files, (_variables(roles), *created))


def _modelfile(given: Given, role: RolePlan) -> str:
    chosen = role.settings
    source = file_of(role)
    share = chosen.n_ctx // chosen.parallel  # Ollama multiplies it by the slots again
    return (
        f"# aidx plan {given.plan.plan_hash}\n"
        f"FROM {source}\n"
        f"PARAMETER num_ctx {share}\n"
        f"PARAMETER num_batch {chosen.ubatch_size}\n"
        f"PARAMETER num_gpu {chosen.n_gpu_layers}\n"
    )


def _variables(roles: tuple[RolePlan, ...]) -> str:
    """One server has one cache type, one number of slots, and flash attention or not."""
    said = {
        (role.settings.cache_type_k, role.settings.cache_type_v, role.settings.parallel, role.settings.flash_attn)
        for role in roles
    }
    key, value, parallel, flash = next(iter(said))
    if len(said) > 1 or key != value:
        raise InputError(
            "Ollama has one KV cache type and one number of slots for all models, and this plan has several",
            hint="Plan every role with the same --cache-type-k, --cache-type-v and --parallel.",
        )
    if any(role.settings.n_cpu_moe for role in roles):
        raise InputError(
            "Ollama places whole layers, and this plan keeps experts on the host",
            hint="Plan it with --n-cpu-moe 0, or export to llama-server.",
        )
    return (
        f"start the server with OLLAMA_FLASH_ATTENTION={int(flash)} OLLAMA_KV_CACHE_TYPE={key} "
        f"OLLAMA_NUM_PARALLEL={parallel} OLLAMA_MAX_LOADED_MODELS={len(roles)}"
    )
