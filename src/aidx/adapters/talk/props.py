"""What llama.cpp's server says of itself, held against the plan: its context, its slots, whether it has a projector."""

from typing import Any

from aidx.adapters.http import Pool
from aidx.adapters.talk.readback import enough, told
from aidx.errors import BudgetError, EngineError
from aidx.ports.engine import Allocated, Launch

NOT_TOLD = ("cache_type_k", "cache_type_v", "ubatch_size", "kv_unified")


async def read_back(connections: Pool, launch: Launch, *, who: str) -> Allocated:
    """Ask ``/props`` and ``/slots``.

    Raises ``BudgetError`` where it has less than planned, ``EngineError`` where it lacks a planned file.
    """
    props = await told(connections, "/props", who=who)
    return held(launch, props, await _slots(connections), who)


async def _slots(connections: Pool) -> list[dict[str, Any]]:
    """Its slots; none where it was started with ``--no-slots``."""
    try:
        found = await told(connections, "/slots", who="llama-server")
    except EngineError as error:
        if error.code in {"key_refused", "engine_silent"}:
            raise
        return []
    return found if isinstance(found, list) else []


def held(launch: Launch, props: Any, slots: list[dict[str, Any]], who: str) -> Allocated:  # noqa: ANN401 - JSON
    """Hold what it says of itself against the plan; raises as ``read_back`` does."""
    try:
        count = int(props["total_slots"])
        each = int(props["default_generation_settings"]["n_ctx"])
        build = str(props.get("build_info") or "a build that it does not name")
        sees = props.get("modalities")
    except (KeyError, TypeError, ValueError, AttributeError):
        raise EngineError(f"{who} does not say what it runs with", hint="Check the url.") from None
    if build.startswith("aidx "):
        raise EngineError(f"{who} is {build}, and no llama.cpp's server", hint='Write engine = "aidx".')
    each = min([each, *(int(slot["n_ctx"]) for slot in slots if isinstance(slot.get("n_ctx"), int))])
    settings = launch.settings
    planned = min(settings.ctx_size, settings.n_ctx_seq)
    if launch.trained is not None:
        planned = min(planned, launch.trained)
    enough(planned, each, who=who, what="a context in each slot")
    if count < settings.parallel:
        raise BudgetError(
            f"{who} has {count} slots, and {settings.parallel} are planned",
            hint=f"Start it with -np {settings.parallel}, or plan with -np {count}.",
            code="too_few_slots",
        )
    if launch.beside.mmproj is not None and isinstance(sees, dict) and not any(sees.values()):
        raise EngineError(
            f"{who} has no projector, and one is planned",
            hint=f"Start it with --mmproj {launch.beside.mmproj}, or plan without.",
            code="no_projector",
        )
    return Allocated({}, each, f"llama-server {build}", 1, 0, assumed=(*NOT_TOLD, *_not_told(launch, sees)))


def _not_told(launch: Launch, sees: object) -> tuple[str, ...]:
    """Files that are planned, of which it says nothing."""
    beside = launch.beside
    planned = {
        "lora": bool(beside.lora),
        "mmproj": beside.mmproj is not None and not isinstance(sees, dict),
        "model_draft": beside.model_draft is not None,
    }
    return tuple(name for name, silent in planned.items() if silent)
