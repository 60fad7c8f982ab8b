"""Which part a file has in an engine: the model, or what stands beside one."""

from aidx.errors import InputError
from aidx.model.spec import Header


def role_of(header: Header) -> str:
    """``model``, ``lora`` or ``projector``, by what the header says of itself."""
    metadata = header.metadata
    if metadata.get("general.type") == "adapter" or "adapter.type" in metadata:
        return "lora"
    if metadata.get("general.architecture") == "clip":
        return "projector"
    return "model"


def refuse_as_model(header: Header, name: str) -> None:
    """Refuse a companion that was given as the model; raises ``InputError``."""
    if role_of(header) == "lora":
        raise InputError(f"{name} is a LoRA adapter, not a model", hint="Give its base model, and this file as --lora.")
    if role_of(header) == "projector":
        raise InputError(f"{name} is a projector, not a model", hint="Give its model, and this file as --mmproj.")
