"""llama-swap's ``config.yaml``: models that fit together stay together."""

import shlex

from aidx.export.given import Exported, File, Given
from aidx.export.llama_server import NOTE, arguments
from aidx.export.text import Yaml, yaml


def export(given: Given) -> Exported:
    """One file; ``${PORT}`` is llama-swap's."""
    models: dict[str, Yaml] = {}
    for role in given.local:
        first, *others = given.names(role)
        command = f"llama-server --port ${{PORT}} {shlex.join(arguments(role, first))}"
        models[first] = {"cmd": command, "aliases": [*others, role.model.name], "ttl": 0}
    whole: dict[str, Yaml] = {"healthCheckTimeout": 600, "models": models}
    if len(models) > 1:
        # All of them were planned together: none has to leave for another.
        whole["groups"] = {"aidx": {"swap": False, "exclusive": True, "members": list(models)}}
    return Exported((File("config.yaml", f"# aidx plan {given.plan.plan_hash}\n{yaml(whole)}"),), (NOTE,))
