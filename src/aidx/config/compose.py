"""A first ``aidx.toml``, written for a person to go on with."""

import json
from collections.abc import Mapping

from msgspec import Struct, field


class Draft(Struct, frozen=True):
    """What stands in it: the Editor's *model* and settings, the machine where one was named, and the project's checks.

    *vram* and *host_ram* are sizes as typed; *why* says in a few words why it is this model. *history* is
    ``max_chat_history_tokens``, where another program's settings had one; *origin* says whose.
    """

    model: str
    ctx_size: int
    max_tokens: int
    why: str = ""
    quant: str | None = None
    cache_type_k: str = "f16"
    cache_type_v: str = "f16"
    edit_format: str = "blocks"
    history: int | None = None
    origin: str = ""
    vram: tuple[str, ...] = ()
    gpu: tuple[str, ...] = ()
    host_ram: str | None = None
    checks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def compose(draft: Draft) -> str:
    """The text of the file."""
    parts = [
        ["# Settings of this project for aidx; every key: docs/reference/config.md"],
        _device(draft),
        _editor(draft),
        _architect(),
        _checks(draft),
        ["# [serve]", "# port = 8411"],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _device(draft: Draft) -> list[str]:
    pairs: dict[str, object] = {"vram": draft.vram, "gpu": draft.gpu, "host_ram": draft.host_ram}
    lines = [_line(key, value) for key, value in pairs.items() if value]
    return ["[device]", *lines] if lines else []


def _editor(draft: Draft) -> list[str]:
    lines = ["[roles.editor]" + (f"  # {draft.why}" if draft.why else ""), _line("model", draft.model)]
    if draft.quant is not None:
        lines.append(_line("quant", draft.quant))
    lines += [
        _line("ctx_size", draft.ctx_size),
        _line("max_tokens", draft.max_tokens) + f"  # so that a prompt has at most {draft.ctx_size - draft.max_tokens}",
    ]
    if draft.history is not None:
        lines.append(_line("max_chat_history_tokens", draft.history) + f"  # from {draft.origin}")
    if (draft.cache_type_k, draft.cache_type_v) != ("f16", "f16"):
        lines += [_line("cache_type_k", draft.cache_type_k), _line("cache_type_v", draft.cache_type_v)]
    if draft.edit_format != "blocks":
        lines.append(_line("edit_format", draft.edit_format))
    return lines


def _architect() -> list[str]:
    return [
        "# [roles.architect]  # writes the plan; without it, bring your own: aidx run --plan plan.md",
        '# model = "claude-sonnet-4"',
        '# engine = "anthropic"',
        '# api_key_env = "ANTHROPIC_API_KEY"',
    ]


def _checks(draft: Draft) -> list[str]:
    if not draft.checks:
        return ["# [checks]  # what must pass after an edit", '# tests = ["pytest", "-q"]']
    return ["[checks]", *(_line(name, argv) for name, argv in draft.checks.items())]


def _line(key: str, value: object) -> str:
    """Texts, whole numbers and lists of texts read the same in TOML as in JSON."""
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"
