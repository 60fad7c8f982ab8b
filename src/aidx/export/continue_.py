"""Continue's ``config.yaml``, pointed at ``aidx serve``."""

from aidx.export.given import Exported, File, Given, Offered
from aidx.export.text import Yaml, yaml

_ROLES = {"embedder": ["embed"], "editor": ["chat", "edit", "apply"]}


def export(given: Given) -> Exported:
    """One file, for ``~/.continue/config.yaml`` or a project's ``.continue``."""
    whole: dict[str, Yaml] = {
        "name": "aidx",
        "version": "1.0.0",
        "schema": "v1",
        "models": [_model(given, each) for each in given.offered],
    }
    return Exported((File("config.yaml", f"# aidx plan {given.plan.plan_hash}\n{yaml(whole)}"),))


def _model(given: Given, offered: Offered) -> dict[str, Yaml]:
    return {
        "name": f"aidx {offered.name}",
        "provider": "openai",
        "model": offered.name,
        "apiBase": f"{given.url}/v1",
        "apiKey": "none" if given.key_env is None else f"${{{{ secrets.{given.key_env} }}}}",
        "roles": _ROLES.get(offered.name, ["chat"]),
        "defaultCompletionOptions": {"contextLength": offered.context, "maxTokens": offered.output},
    }
