"""aider, pointed at ``aidx serve``: it never sends more than the gate lets through."""

import json

from aidx.export.given import Exported, File, Given, Offered
from aidx.export.text import Yaml, yaml

SETTINGS, METADATA = ".aider.model.settings.yml", ".aider.model.metadata.json"
MAP_SHARE, MOST_MAP = 8, 1024  # of the gate that aider's map of the repository may take, and its own default
NO_KEY = "none"  # aider wants one


def export(given: Given) -> Exported:
    """The configuration of aider, and what it must know of models that it has never heard of."""
    by_name = {each.name: each for each in given.offered}
    editor = by_name.get("editor", given.offered[0])
    conf: dict[str, Yaml] = {
        "model": f"openai/{editor.name}",
        "weak-model": f"openai/{editor.name}",
        "openai-api-base": f"{given.url}/v1",
        "model-settings-file": SETTINGS,
        "model-metadata-file": METADATA,
        "max-chat-history-tokens": editor.history if editor.history is not None else editor.gate // 2,
        "map-tokens": min(MOST_MAP, editor.gate // MAP_SHARE),
        "show-model-warnings": False,
    }
    if "architect" in by_name:
        conf |= {"model": "openai/architect", "editor-model": f"openai/{editor.name}", "architect": True}
    if given.key_env is None:
        conf["openai-api-key"] = NO_KEY
    known = [each for each in given.offered if each.name in {editor.name, "architect"}]
    files = (
        File(".aider.conf.yml", f"# aidx plan {given.plan.plan_hash}\n{yaml(conf)}"),
        File(SETTINGS, "".join(f"- {_indented(yaml(_settings(each)))}" for each in known)),
        File(METADATA, json.dumps({f"openai/{each.name}": _metadata(each) for each in known}, indent=2) + "\n"),
    )
    key = () if given.key_env is None else (f"give aider the key: OPENAI_API_KEY=${given.key_env}",)
    return Exported(files, key)


def _indented(text: str) -> str:
    return text.rstrip("\n").replace("\n", "\n  ") + "\n"


def _settings(offered: Offered) -> dict[str, Yaml]:
    return {
        "name": f"openai/{offered.name}",
        "edit_format": "diff",
        "use_repo_map": True,
        "extra_params": {"max_tokens": offered.output},
    }


def _metadata(offered: Offered) -> dict[str, object]:
    return {
        "max_tokens": offered.output,
        "max_input_tokens": offered.gate,
        "max_output_tokens": offered.output,
        "input_cost_per_token": 0,
        "output_cost_per_token": 0,
        "litellm_provider": "openai",
        "mode": "chat",
    }
