"""Builds what ``aidx quantize`` needs: the source's files, the recipe, the engine's child."""

from typing import TYPE_CHECKING

from aidx.errors import EngineError

if TYPE_CHECKING:
    from aidx.adapters.llama.quantize import Job, Tell


def file_of(reference: str) -> str:
    """The path of the model that *reference* names; ``EngineError`` for one that is known and not here."""
    from aidx.wiring.models import resolve

    model = resolve(reference).model
    if model.path is None:
        raise EngineError(
            f"{model.name} is known and not on this machine",
            hint=f"Fetch it with aidx pull {reference}, or name a .gguf file.",
            code="model_not_here",
        )
    return model.path


def quantization(
    reference: str, target: str, file_type: str, *, imatrix: str | None = None, replace: bool = False
) -> "Job":
    """The quantization of the model that *reference* names, decided and not begun; raises as its parts do."""
    from aidx.adapters.llama.quantize import prepare

    return prepare(file_of(reference), target, file_type, imatrix=imatrix, replace=replace)


def quantize(job: "Job", tell: "Tell", *, threads: int | None = None) -> None:
    """Write the file of *job*, whole or not at all; blocks until it is on the disk."""
    import os

    from aidx.adapters.llama.quantize import quantize as run

    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    run(job, threads=threads or mine, tell=tell)
