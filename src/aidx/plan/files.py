"""The files that are to run beside a model, as they are named."""

from msgspec import Struct


class Files(Struct, frozen=True):
    """Files that are to run beside a model: adapters, a projector, a draft model (which may be a name)."""

    lora: tuple[str, ...] = ()
    mmproj: str | None = None
    model_draft: str | None = None

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return self != Files()


NO_FILES = Files()
