"""What runs beside the model in one engine process: LoRA adapters, a projector, a draft model."""

from typing import TYPE_CHECKING

from msgspec import Struct

from aidx.model.spec import ModelSpec
from aidx.plan.files import Files

if TYPE_CHECKING:
    from aidx.model.companion import Lora, Projector

DRAFTED = 3  # --draft-max of llama-server: tokens that are guessed ahead (common_params_speculative_draft)


class Beside(Struct, frozen=True):
    """Nothing, by default."""

    loras: "tuple[Lora, ...]" = ()
    projector: "Projector | None" = None
    draft: ModelSpec | None = None

    @property
    def n_draft(self) -> int:
        """Tokens that are guessed ahead."""
        return 0 if self.draft is None else DRAFTED

    @property
    def files(self) -> Files:
        """Their files; of a draft model that is known and not on this machine there is none."""
        return Files(
            tuple(adapter.path for adapter in self.loras),
            None if self.projector is None else self.projector.path,
            None if self.draft is None else self.draft.path,
        )


NOTHING = Beside()
