"""llama.cpp's ``llama-server``, with every setting that allocates written out."""

from aidx.errors import EngineError
from aidx.export.given import Argv, Exported, File, Given
from aidx.export.text import shell
from aidx.plan.result import RolePlan

PORT = 8080
MIB = 1 << 20


def export(given: Given) -> Exported:
    """One script for each process; the first listens on 8080."""
    roles = given.local
    files = tuple(
        File(f"llama-server-{given.names(role)[0]}.sh" if len(roles) > 1 else "llama-server.sh", text, program=True)
        for role, text in ((role, _script(given, role, PORT + number)) for number, role in enumerate(roles))
    )
    return Exported(files, ("--fit off: llama-server starts with exactly these settings, or not at all",))


def _script(given: Given, role: RolePlan, port: int) -> str:
    words = ("llama-server", *arguments(role, given.names(role)[0]), "--host", "127.0.0.1", "--port", str(port))
    return f"#!/bin/sh\n# aidx plan {given.plan.plan_hash}\nexec {shell(words)}\n"


def arguments(role: RolePlan, alias: str) -> Argv:
    """What llama-server is started with so that it takes what is planned; raises ``EngineError`` without a file."""
    return ("--model", file_of(role), "--alias", alias, *settings(role), "--fit", "off")


def file_of(role: RolePlan) -> str:
    """The model's file on this machine."""
    if role.model.path is None:
        raise EngineError(
            f"{role.model.name} is known and not on this machine, and llama-server is started with a file",
            hint=f"Fetch it with aidx pull {role.model.name}.",
            code="model_not_here",
        )
    return role.model.path


def settings(role: RolePlan) -> Argv:
    """The settings of *role*, none left to a default."""
    chosen = role.settings
    words = [
        *("--ctx-size", str(chosen.n_ctx), "--parallel", str(chosen.parallel)),
        *("--cache-type-k", chosen.cache_type_k, "--cache-type-v", chosen.cache_type_v),
        *("--batch-size", str(chosen.batch_size), "--ubatch-size", str(chosen.ubatch_size)),
        *("--n-gpu-layers", str(chosen.n_gpu_layers), "--n-cpu-moe", str(chosen.n_cpu_moe)),
        *("--flash-attn", "on" if chosen.flash_attn else "off"),
        "--kv-unified" if chosen.kv_unified else "--no-kv-unified",
        *("--cache-ram", str(chosen.cache_ram // MIB), "--ctx-checkpoints", str(chosen.ctx_checkpoints)),
    ]
    if chosen.swa_full:
        words.append("--swa-full")
    if chosen.tensor_split or chosen.split_mode != "layer":
        words += ["--split-mode", chosen.split_mode, "--main-gpu", str(chosen.main_gpu)]
    if chosen.tensor_split:
        words += ["--tensor-split", ",".join(f"{part:g}" for part in chosen.tensor_split)]
    return (*words, *_beside(role))


def _beside(role: RolePlan) -> Argv:
    beside = role.beside
    words = [word for adapter in beside.loras for word in ("--lora", adapter.path)]
    if beside.projector is not None:
        words += ["--mmproj", beside.projector.path]
    if beside.draft is not None and beside.draft.path is not None:
        words += ["--model-draft", beside.draft.path]
    return tuple(words)
