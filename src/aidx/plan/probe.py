"""What a plan asks of the engine, and what it is sent back."""

from typing import TYPE_CHECKING

from msgspec import Struct

from aidx.budget.settings import Settings
from aidx.model.spec import ModelSpec

if TYPE_CHECKING:
    from aidx.model.companion import Projector


class Probe(Struct, frozen=True):
    """Ask the engine what *model* takes with *settings* on GPUs of *gpus* bytes (none: CPU only).

    With a *projector* the question is what that takes instead, on the first GPU: one buffer a device, its weights and
    compute together in ``compute``.
    """

    model: ModelSpec
    settings: Settings
    gpus: tuple[int, ...] = ()
    projector: "Projector | None" = None


class Buffer(Struct, frozen=True):
    """One backend buffer type as the engine reports it; *device* is ``gpu0``, ``gpu1``, … or ``host``.

    *name* is the engine's own (``CUDA0``, ``CPU``, ``CPU_REPACK``); bytes of weights, of KV cache plus
    recurrent state, and of compute buffers.
    """

    device: str
    name: str
    model: int
    context: int
    compute: int


class Probed(Struct, frozen=True):
    """The engine's own answer; *build* names it, because compute differs between builds."""

    buffers: tuple[Buffer, ...]
    n_ctx: int
    build: str


class Unanswered(Struct, frozen=True):
    """Why the engine could not be asked; the plan then falls back on ``modelled`` and says so.

    *refused* is true when the engine was asked and would not have this model or these settings.
    """

    reason: str
    refused: bool = False


Answer = Probed | Unanswered
