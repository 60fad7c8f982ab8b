"""A gatekeeper that was trained for it, asked through the engine, calibrated, and held against prompts it never saw."""

import json
from pathlib import Path

import pytest
from tests.running import aidx

ROUTER = Path(__file__).parents[2] / "scripts" / "router"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gatekeeper")
    model = ROUTER / "gatekeeper.gguf"
    (folder / "aidx.toml").write_text(
        f'[device]\nvram = ["0"]\n[roles.gatekeeper]\nmodel = "{model}"\nctx_size = 2048\n'
    )
    return folder


def route(folder, *words):
    return json.loads(aidx("route", *words, "--gatekeeper", "--json", folder=folder).stdout)


def test_it_is_better_than_prompt_length_on_prompts_of_templates_that_it_never_saw(folder):
    trained = route(folder, "train", str(ROUTER / "gatekeeper-calibrate.jsonl"))
    assert trained["gatekeeper"]["prompts"] == trained["prompts"] == 138

    found = route(folder, "eval", str(ROUTER / "held-out.jsonl"))

    assert found["prompts"] == 322
    assert found["auc_ci95"][0] > found["auc_prompt_length"]
    assert found["brier"] < 0.25  # what always saying one half has
