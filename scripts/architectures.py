"""Write docs/reference/architectures.md: every architecture, what it keeps, whose bytes its golden file holds.

Usage: `python scripts/architectures.py`. The list is the folder of families; the models are those of
tests/golden/arch; what they keep is what their family says of their hyper-parameters.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from aidx.budget.bound import is_replayed
from aidx.model import arch
from aidx.model.gguf.arrays import encode
from aidx.model.gguf.kinds import I32, U64
from aidx.model.spec import Layer, Value

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "architectures.md"
GOLDEN = ROOT / "tests" / "golden" / "arch"
INTRODUCTION = """\
# Architectures

What `general.architecture` of a GGUF file may say so that aidx plans it without an engine (`aidx plan --fast`), and
whose bytes that was held against: for each model named here the pinned engine's weights, KV cache and state are in
`tests/golden/arch`, and a test demands the same of aidx to the byte.
An architecture that only the engine knows is answered by the engine; one that neither knows is an error that lists
these.

- **keeps** is what the first model named here keeps for a conversation, block by block.
- **compute** is the buffer for intermediate results. *Replayed*: aidx walks the engine's graph, on one device or
  on several, and that is the engine's number. *Bounded*: never under it, from the shapes of the tensors alone;
  half of these bounds are within a fifth of what the engine takes for batches of 512 tokens and more
  (`tests/e2e/test_bound.py` prints the figures).
  Without `--fast` the engine itself is asked, and its answer replaces both.
"""


def rows() -> list[tuple[str, str, str, str]]:
    """Architecture, keeps, models, compute; sorted by architecture."""
    found: dict[str, list[dict[str, object]]] = {name: [] for name in arch.known()}
    for path in sorted(GOLDEN.glob("*.json")):
        for record in json.loads(path.read_text("utf-8"))["models"]:
            found[record["metadata"]["general.architecture"]].append(record)
    return [(name, keeps(_layers(records[0])), _sources(records), _compute(name)) for name, records in found.items()]


def keeps(layers: Sequence[Layer]) -> str:
    """What *layers* keep, in words."""
    caches = [layer for layer in layers if layer.kv_heads]
    latent = bool(caches) and not any(layer.value_dim for layer in caches)
    slide = sum(layer.window is not None for layer in caches)
    index = sum(layer.index_key > 0 for layer in layers)
    states = sum(layer.conv_state + layer.recurrent_state > 0 for layer in layers)
    nothing = sum(not layer.kv_heads + layer.conv_state + layer.recurrent_state for layer in layers)
    what = "latents" if latent else "K and V"
    parts = [
        what + _of(len(caches), len(layers)) if caches else "",
        f"a window in {slide} of {len(caches)}" if slide else "",
        f"an indexer's K in {index} of {len(caches)}" if index else "",
        "a state" + _of(states, len(layers)) if states else "",
        f"{nothing} of {len(layers)} blocks keep nothing" if nothing else "",
    ]
    return ", ".join(part for part in parts if part)


def _of(some: int, every: int) -> str:
    return "" if some == every else f" in {some} of {every} blocks"


def _layers(record: dict[str, object]) -> tuple[Layer, ...]:
    listed = record["metadata"]
    assert isinstance(listed, dict)
    metadata = {str(key): _value(value) for key, value in listed.items()}
    family = arch.find(str(metadata["general.architecture"]))
    assert family is not None
    return family.layers(metadata)


def _value(value: object) -> Value:
    if isinstance(value, list):
        return encode(I32 if max(value, default=0) < 1 << 31 else U64, value)
    assert isinstance(value, bool | int | float | str)
    return value


def _sources(records: list[dict[str, object]]) -> str:
    return ", ".join(dict.fromkeys(str(record["source"]) for record in records))


def _compute(name: str) -> str:
    return "replayed" if is_replayed(name) else "bounded"


def page() -> str:
    """The text of the page."""
    table = rows()
    lines = [f"| `{name}` | {kept} | {models} | {compute} |" for name, kept, models, compute in table]
    head = f"{len(table)} architectures:\n\n| architecture | keeps | held against | compute |\n|---|---|---|---|\n"
    return f"{INTRODUCTION}\n{head}" + "\n".join(lines) + "\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
