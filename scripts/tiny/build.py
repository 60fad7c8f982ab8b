"""Train the model and write it: `python build.py --seed 0 --out DIR` (started by `run.py`).

Corpus, tokenizer, tasks, training, GGUF. A run that was stopped goes on from its
checkpoint when the same command is given again.
"""

import argparse
import json
import math
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import corpus
import numpy as np
import tokens
import torch
from dataset import Maker, Tokens, encode, held_out_tasks
from export import write
from functions import common_names, functions
from model import Model
from tasks import TRAINED, UNTRAINED
from train import Material, Recipe, Run, code_loss, train

SAMPLES, THREADS = 44_000, 2
HELD_OUT, WATCHED = 60, 20
PACKAGES = ("torch", "numpy", "tokenizers", "gguf", "xllamacpp")


def flat(files: list[corpus.SourceFile], codec: tokens.Codec) -> Tokens:
    """All files as one row of tokens."""
    row: list[int] = []
    for file in files:
        row += [codec.end_of_text, *codec.encode(file.text)]
    return np.array(row, np.int16)


def tokenizer(parts: dict[corpus.Part, list[corpus.SourceFile]], out: Path) -> tokens.Codec:
    """Learn the tokenizer from the training files."""
    path = out / "merges.json"
    tokens.save(path, tokens.train_merges(file.text for file in parts["train"]))
    return tokens.load(path)


def prepare(seed: int, samples: int, out: Path) -> tuple[Material, list[corpus.SourceFile]]:
    """Make everything that training and evaluation read; returns it with the held-out files."""
    parts = corpus.split()
    codec = tokenizer(parts, out)
    names = common_names(parts["train"])
    trained = functions(parts["train"])
    known = {item.source for item in trained}
    fresh = {
        part: [item for item in functions(parts[part]) if item.source not in known] for part in ("watch", "held_out")
    }
    watched = held_out_tasks(fresh["watch"], names, codec, dict.fromkeys(TRAINED, WATCHED))
    kinds = dict.fromkeys((*TRAINED, *UNTRAINED), HELD_OUT)
    held_out = held_out_tasks(fresh["held_out"], names, codec, kinds)
    (out / "aidx-tiny-tasks.json").write_text(
        json.dumps([{"file": file, **vars(task)} for file, task in held_out], indent=0) + "\n"
    )
    material = Material(
        Maker(trained, names, codec, seed).samples(samples),
        flat(parts["train"], codec),
        [(task.kind, encode(task, codec)) for _, task in watched],
        codec,
    )
    return material, parts["held_out"]


def rounded(model: Model) -> Model:
    """Round the matrices to F16, as the file holds them."""
    for weight in model.parameters():
        if weight.ndim == 2:
            weight.data = weight.data.half().float()
    return model


def quality(model: Model, files: list[corpus.SourceFile], codec: tokens.Codec) -> dict[str, float]:
    """How well *model* foresees *files*."""
    code = flat(files, codec)
    nats, counted = code_loss(model, code)
    bits = nats * len(code) / math.log(2)
    size = sum(len(file.text) for file in files)
    return {"tokens": counted, "perplexity": math.exp(nats), "bits_per_byte": bits / size}


def facts(run: Run, files: list[corpus.SourceFile]) -> dict[str, Any]:
    """What the model card says about the training.

    The files in encodings/ are generated tables, each much like the next; they would flatter
    the model, so they are counted apart.
    """
    written = [file for file in files if not file.name.startswith("encodings/")]
    return {
        "parameters": sum(weight.numel() for weight in run.model.parameters()),
        "steps": run.step,
        "seed": run.recipe.seed,
        "tokens": run.tokens,
        "seconds": round(run.seconds),
        "samples": len(run.material.samples),
        "code_tokens": len(run.material.code),
        "held_out": quality(run.model, written, run.material.codec),
        "held_out_with_tables": quality(run.model, files, run.material.codec),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in PACKAGES},
    }


def main() -> None:
    """Make everything but the evaluation."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--steps", type=int, default=Recipe.steps)
    options.add_argument("--samples", type=int, default=SAMPLES)
    options.add_argument("--out", type=Path, required=True)
    given = options.parse_args()
    out: Path = given.out
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(THREADS)
    material, held_out = prepare(given.seed, given.samples, out)
    print(f"{len(material.samples)} samples, {len(material.code)} tokens of code", flush=True)
    recipe = Recipe(steps=given.steps, seed=given.seed)
    run = train(recipe, material, out / "checkpoint.pt")
    rounded(run.model)
    write(out / "aidx-tiny.gguf", run.model, material.codec)
    (out / "training.json").write_text(json.dumps(facts(run, held_out), indent=1))


if __name__ == "__main__":
    main()
