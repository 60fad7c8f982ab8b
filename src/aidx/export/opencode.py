"""opencode, pointed at ``aidx serve``."""

import json

from aidx.export.given import Exported, File, Given

ITS_OWN_PROMPT = 10_000  # tokens of instructions and tools that it sends before the user says anything


def export(given: Given) -> Exported:
    """``opencode.json`` with a provider of its own."""
    models = {
        each.name: {"name": f"{each.name} (aidx)", "limit": {"context": each.context, "output": each.output}}
        for each in given.offered
    }
    options = {"baseURL": f"{given.url}/v1", "apiKey": "none" if given.key_env is None else f"{{env:{given.key_env}}}"}
    whole = {
        "$schema": "https://opencode.ai/config.json",
        "provider": {
            "aidx": {"npm": "@ai-sdk/openai-compatible", "name": "aidx", "options": options, "models": models}
        },
        "model": f"aidx/{given.offered[0].name}",
    }
    small = [each for each in given.offered if each.gate < ITS_OWN_PROMPT]
    notes = tuple(
        f"{each.name} takes {each.gate:,} tokens of prompt, and opencode's own instructions are about "
        f"{ITS_OWN_PROMPT:,}: it will be refused; plan a larger --ctx-size"
        for each in small
    )
    return Exported((File("opencode.json", json.dumps(whole, indent=2) + "\n"),), notes)
