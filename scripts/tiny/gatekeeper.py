"""Train a gatekeeper for Hybrid Routing: `python scripts/tiny/gatekeeper.py --out DIR [--seed 0]`.

A decoder of one layer learns from the router's own training prompts to say `0` (simple) or `1` (complex) as its one
token. Its attention stays uniform: what it knows is which tokens come up. Four of five families of templates are learnt
and the prompts of the fifth written to DIR/calibrate.jsonl, for `aidx route train --gatekeeper`: odds of prompts that
were learnt would promise too much. The held-out prompts are not read here.

The chat template leaves a long system text out, because the model knows one question and needs no instruction. A short
one it keeps: where a template keeps none, llama.cpp writes the system text into the user's message.
"""

import argparse
import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import torch
from export import TEMPLATE, About, write
from model import Model, Shape
from tokens import Codec, train_merges
from torch import Tensor
from torch.nn import functional

TRAIN = Path(__file__).parents[1] / "router" / "train.jsonl"
PIECES = r"\n+ *| {2,}| ?[A-Za-z_\u00c0-\u024f]+|[0-9]| ?[^A-Za-z0-9_\u00c0-\u024f\s]+|\s"
VOCABULARY = 1024
KEPT_ASIDE = 5  # one family of so many
BATCH, POOL, WARM_UP = 16, 8, 50
ABOUT = About(
    "aidx-gatekeeper",
    "Answers a request to a coding assistant with 1 where it needs a plan and with 0 where it does not; trained from "
    "scratch on prompts that were written for it.",
    "0.5M",
    "MIT; trained on prompts of aidx",
    ("en", "de", "es", "fr", "it", "pt", "ja", "zh", "ru"),
    ("classification", "routing"),
    TEMPLATE.replace(
        "%}{{ '<|im_start|>' +",
        "%}{% if message['role'] != 'system' or message['content'] | length < 64 %}{{ '<|im_start|>' +",
        1,
    ).replace("{% endfor %}", "{% endif %}{% endfor %}"),
)


@dataclass(frozen=True)
class Recipe:
    """How it is trained; chosen on folds of the training prompts."""

    epochs: int = 8
    rate: float = 2e-3
    decay: float = 0.1
    dropped: float = 0.3  # of the tokens of a prompt, at most twice that
    unmerged: float = 0.1  # of the merges
    smooth: float = 0.1


@dataclass(frozen=True)
class Row:
    """A labelled prompt."""

    prompt: str
    complex: bool
    group: str


def rows() -> list[Row]:
    """The training prompts of the router."""
    found = [json.loads(line) for line in TRAIN.read_text("utf-8").splitlines()]
    return [Row(each["prompt"], each["label"] == "complex", each["group"]) for each in found]


def aside(groups: Sequence[str], seed: int) -> set[str]:
    """The families that are calibrated on: a fifth of each label."""
    chosen: set[str] = set()
    for label in ("simple", "complex"):
        of_label = sorted(
            {group for group in groups if group.startswith(label)}, key=lambda group: crc32(f"{seed} {group}".encode())
        )
        chosen |= set(of_label[::KEPT_ASIDE])
    return chosen


class Trainer:
    """A model on its way."""

    def __init__(self, recipe: Recipe, learnt: Sequence[Row], seed: int) -> None:
        """Learn the tokenizer and draw the weights."""
        torch.manual_seed(seed)
        self.recipe, self.rows, self.rng = recipe, learnt, random.Random(seed)
        merges = train_merges((row.prompt for row in learnt), PIECES, VOCABULARY)
        self.codec, self.rough = Codec(merges), Codec(merges, recipe.unmerged)
        self.model = Model(Shape(width=128, layers=1, heads=2, hidden=384, vocabulary=VOCABULARY, context=2048))
        self.model.embedding.data *= 0.02
        for name, weight in self.model.named_parameters():
            if name.endswith("query"):
                weight.data.zero_()  # every token counts the same, and goes on to
            weight.requires_grad = not name.endswith(("query", "key"))
        self.verdicts = [self.codec.encode(verdict)[0] for verdict in "01"]
        matrices = [weight for weight in self.model.blocks.parameters() if weight.ndim == 2]
        known = {id(weight) for weight in matrices}
        others = [weight for weight in self.model.parameters() if id(weight) not in known]
        self.rates = (recipe.rate, 2 * recipe.rate)
        groups = [{"params": matrices, "lr": self.rates[0]}, {"params": others, "lr": self.rates[1]}]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=recipe.decay)
        self.steps = recipe.epochs * -(-len(learnt) // BATCH)

    def tokens(self, prompt: str, *, rough: bool = False) -> list[int]:
        """*prompt* as it is laid out by the template; *rough*: some merges are not made, some tokens left out."""
        codec = self.rough if rough else self.codec
        body = codec.encode(f"user\n{prompt}")
        if rough:
            head, share = len(codec.encode("user\n")), 2 * self.recipe.dropped * self.rng.random()
            body = body[:head] + [token for token in body[head:] if self.rng.random() >= share]
        between = [codec.turn_end, *self.codec.encode("\n"), codec.turn_start]
        return [codec.turn_start, *body, *between, *self.codec.encode("assistant\n")]

    def batches(self) -> Iterator[list[Row]]:
        """The rows once, in batches of prompts that are alike in length."""
        order = self.rng.sample(list(self.rows), len(self.rows))
        for start in range(0, len(order), BATCH * POOL):
            pool = sorted(order[start : start + BATCH * POOL], key=lambda row: len(row.prompt))
            cut = [pool[place : place + BATCH] for place in range(0, len(pool), BATCH)]
            yield from self.rng.sample(cut, len(cut))

    def loss(self, batch: Sequence[Row]) -> Tensor:
        """Of the verdicts, and a little of saying nothing else."""
        sequences = [self.tokens(row.prompt, rough=True) for row in batch]
        longest = max(map(len, sequences))
        tokens = torch.tensor([each + [0] * (longest - len(each)) for each in sequences])
        lengths = torch.tensor([len(each) for each in sequences])
        hidden = self.model.hidden(tokens)
        last = functional.dropout(hidden[torch.arange(len(batch)), lengths - 1], 0.1)
        logits = functional.linear(last, self.model.unembedding)
        truth = torch.tensor([int(row.complex) for row in batch])
        verdict = functional.cross_entropy(logits[:, self.verdicts], truth, label_smoothing=self.recipe.smooth)
        token = functional.cross_entropy(logits, torch.tensor(self.verdicts)[truth])
        return verdict + 0.1 * token

    def train(self) -> None:
        """Go through all rows as often as the recipe says."""
        step = 0
        for epoch in range(self.recipe.epochs):
            for batch in self.batches():
                share = min(1.0, (step + 1) / WARM_UP, max(0.02, (self.steps - step) / (0.6 * self.steps)))
                for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
                    group["lr"] = rate * share
                loss = self.loss(batch)
                self.optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
                self.optimizer.step()
                step += 1
            print(f"epoch {epoch + 1} of {self.recipe.epochs}: loss {loss.item():.3f}", flush=True)

    @torch.no_grad()
    def odds(self, prompt: str) -> float:
        """How much more likely `1` is than `0`, as a logarithm."""
        hidden = self.model.hidden(torch.tensor([self.tokens(prompt)]))[0, -1]
        zero, one = functional.linear(hidden, self.model.unembedding)[self.verdicts].tolist()
        return one - zero


def main() -> None:
    """Train, and write the model with the prompts that it is calibrated on."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path, required=True)
    given = options.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    every = rows()
    kept = aside([row.group for row in every], given.seed)
    learnt = [row for row in every if row.group not in kept]
    began = time.process_time()
    trainer = Trainer(Recipe(), learnt, given.seed)
    trainer.train()
    for weight in trainer.model.parameters():
        if weight.ndim == 2:
            weight.data = weight.data.half().float()  # as the file holds them
    write(given.out / "gatekeeper.gguf", trainer.model, trainer.codec, ABOUT)
    lines = [line for line in TRAIN.read_text("utf-8").splitlines() if json.loads(line)["group"] in kept]
    (given.out / "calibrate.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    odds = {row.prompt: trainer.odds(row.prompt) for row in every if row.group in kept}
    (given.out / "odds.json").write_text(json.dumps(odds, ensure_ascii=False, indent=0), "utf-8")
    size = sum(weight.numel() for weight in trainer.model.parameters())
    print(f"{size:,} parameters, {len(learnt)} prompts, {len(lines)} aside, {time.process_time() - began:.0f} s of CPU")


if __name__ == "__main__":
    main()
