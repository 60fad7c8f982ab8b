"""Training: copying first, then short edits, then all of them; plain code beside each step.

What happens in a step depends on the seed and the number of the step alone, so a run that
was stopped goes on from its last checkpoint as if nothing had happened.
"""

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from copyheads import install
from dataset import Sample, Tokens, copy_sample, padded, schedule
from model import Model, Shape
from muon import Muon
from tokens import Codec
from torch import Tensor

WARM_UP, REPORT, WATCH, SAVE = 30, 25, 250, 100


@dataclass(frozen=True)
class Recipe:
    """What a run consists of; *steps* and *seed* are the only things one would change."""

    steps: int = 2000
    seed: int = 0
    copy_share: float = 0.05  # of the steps: only copying
    short_share: float = 0.20  # of the steps: edits of at most *short* tokens, until here
    decay_share: float = 0.40  # of the steps: the rates fall to nothing
    short: int = 150
    longest: int = 320
    batch_tokens: int = 3072
    code_windows: int = 4
    code_window: int = 256
    long_window: int = 1024  # one such window instead, every *long_every* steps
    long_every: int = 8
    code_weight: float = 0.3
    copy_every: int = 33
    matrix_rate: float = 0.02
    other_rate: float = 3e-3
    embedding_rate: float = 1e-2

    def rate(self, step: int) -> float:
        """The share of the full rates at *step*."""
        left = (self.steps - step) / (self.decay_share * self.steps)
        return min(1.0, (step + 1) / WARM_UP, max(0.02, left))


@dataclass(frozen=True)
class Material:
    """What is learnt from, and what is watched meanwhile."""

    samples: Sequence[Sample]
    code: Tokens
    watched: Sequence[tuple[str, Sample]]
    codec: Codec


class Run:
    """A model on its way; `advance` makes one step."""

    def __init__(self, recipe: Recipe, material: Material) -> None:
        """Draw the initial weights and the order of the batches."""
        torch.manual_seed(recipe.seed)
        self.recipe, self.material = recipe, material
        self.model = Model(Shape())
        install(self.model, recipe.seed + 1)
        self.step, self.seconds, self.tokens = 0, 0.0, 0
        self.smooth: dict[str, float] = {}
        matrices = [weight for weight in self.model.blocks.parameters() if weight.ndim == 2]
        known = {id(weight) for weight in [*matrices, self.model.embedding]}
        self.others = [weight for weight in self.model.parameters() if id(weight) not in known]
        adam: dict[str, Any] = {"betas": (0.9, 0.95), "weight_decay": 0.0}
        self.muon = Muon(matrices, recipe.matrix_rate)
        self.adam = torch.optim.AdamW(self.others, recipe.other_rate, **adam)
        self.adam_in = torch.optim.AdamW([self.model.embedding], recipe.embedding_rate, **adam)
        sizes = (recipe.short, recipe.longest)
        self.plans = [schedule(material.samples, recipe.batch_tokens, longest, recipe.seed) for longest in sizes]

    def advance(self) -> None:
        """Make one step."""
        recipe, started = self.recipe, time.perf_counter()
        self._set_rates(recipe.rate(self.step))
        rng = np.random.default_rng([recipe.seed, self.step])
        tokens, counted = self._edits(rng)
        code = self._code(rng)
        edit_loss = self.model.loss(tokens, counted)
        code_loss = self.model.loss(code, torch.ones_like(code[:, 1:], dtype=torch.bool))
        (edit_loss + recipe.code_weight * code_loss).backward()
        torch.nn.utils.clip_grad_norm_([*self.others, self.model.embedding], 1.0)
        for optimizer in (self.muon, self.adam, self.adam_in):
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        for name, loss in (("edit", edit_loss.item()), ("code", code_loss.item())):
            self.smooth[name] = 0.95 * self.smooth.get(name, loss) + 0.05 * loss
        self.step += 1
        self.tokens += tokens.numel() + code.numel()
        self.seconds += time.perf_counter() - started

    def _set_rates(self, share: float) -> None:
        recipe = self.recipe
        for optimizer, full in (
            (self.muon, recipe.matrix_rate),
            (self.adam, recipe.other_rate),
            (self.adam_in, recipe.embedding_rate),
        ):
            optimizer.param_groups[0]["lr"] = full * share

    def _edits(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        recipe, codec, text = self.recipe, self.material.codec, self.material.code
        done = self.step / recipe.steps
        if done < recipe.copy_share:
            longest = 12 + int(72 * done / recipe.copy_share)
            count = max(8, recipe.batch_tokens // (2 * longest + 24))
            return padded([copy_sample(text, longest, codec, rng) for _ in range(count)])
        if self.step % recipe.copy_every == 0:
            count = recipe.batch_tokens // 180
            return padded([copy_sample(text, 150, codec, rng) for _ in range(count)])
        plan = self.plans[done >= recipe.short_share]
        return padded([self.material.samples[place] for place in plan[self.step % len(plan)]])

    def _code(self, rng: np.random.Generator) -> Tensor:
        recipe, code = self.recipe, self.material.code
        long = self.step % recipe.long_every == 0
        count, width = (1, recipe.long_window) if long else (recipe.code_windows, recipe.code_window)
        starts = rng.integers(0, len(code) - width - 1, count)
        windows = np.stack([code[start : start + width + 1] for start in starts])
        return torch.from_numpy(windows.astype(np.int64))

    def report(self) -> str:
        """Say how far the run is."""
        return (
            f"step {self.step} of {self.recipe.steps}: edits {self.smooth['edit']:.4f}, "
            f"code {self.smooth['code']:.3f} nats a token; {self.tokens / 1e6:.2f}M tokens in "
            f"{self.seconds:.0f} s"
        )

    def save(self, path: Path) -> None:
        """Write a checkpoint; the old one stays until the new one is complete."""
        optimizers = [self.adam.state_dict(), self.adam_in.state_dict(), self.muon.momenta]
        state: dict[str, Any] = {"model": self.model.state_dict(), "optimizers": optimizers}
        state |= {"step": self.step, "seconds": self.seconds, "tokens": self.tokens}
        state |= {"smooth": self.smooth}
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def restore(self, path: Path) -> None:
        """Go on where the checkpoint was written."""
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        first, second, momenta = state["optimizers"]
        self.adam.load_state_dict(first)
        self.adam_in.load_state_dict(second)
        self.muon.momenta = momenta
        self.step, self.seconds, self.tokens = state["step"], state["seconds"], state["tokens"]
        self.smooth = state["smooth"]


@torch.no_grad()
def exact(model: Model, watched: Sequence[tuple[str, Sample]]) -> dict[str, float]:
    """The share of answers each token of which is the most likely one, by kind."""
    right: Counter[str] = Counter()
    order = sorted(watched, key=lambda pair: len(pair[1].tokens))
    for start in range(0, len(order), 16):
        part = order[start : start + 16]
        tokens, counted = padded([sample for _, sample in part])
        hits = torch.ones_like(counted)
        hits[counted] = model.guesses(tokens, counted)
        for (kind, _), row in zip(part, hits.all(1).tolist(), strict=True):
            right[kind] += row
    total = Counter(kind for kind, _ in watched)
    return {kind: right[kind] / count for kind, count in total.items()}


@torch.no_grad()
def code_loss(model: Model, code: Tokens) -> tuple[float, int]:
    """Mean nats a token over *code* in windows of the full context, and how many tokens."""
    width, total = model.shape.context, 0.0
    count = (len(code) - 1) // width
    for place in range(count):
        window = code[place * width : (place + 1) * width + 1].astype(np.int64)
        tokens = torch.from_numpy(window)[None]
        total += model.loss(tokens, torch.ones(1, width, dtype=torch.bool)).item()
    return (total / count if count else math.nan), count * width


def train(recipe: Recipe, material: Material, checkpoint: Path) -> Run:
    """Train to the end, from the checkpoint where there is one."""
    run = Run(recipe, material)
    if checkpoint.exists():
        run.restore(checkpoint)
    while run.step < recipe.steps:
        run.advance()
        if run.step % REPORT == 0:
            print(run.report(), flush=True)
        if run.step % WATCH == 0:
            shares = exact(run.model, material.watched).items()
            print("  watched:", *(f"{kind} {share:.0%}" for kind, share in shares), flush=True)
        if run.step % SAVE == 0 or run.step == recipe.steps:
            run.save(checkpoint)
    return run
