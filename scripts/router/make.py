"""Write the labelled set from its templates: `python scripts/router/make.py` makes train.jsonl and held-out.jsonl.

A family is one thing to ask, in several languages; all of a family is on the same side, so that a prompt of the
held-out file shares no template with the training file, in no language. Nothing is random: a choice is the CRC of
what it is made for.
"""

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

HERE = Path(__file__).parent
COPIES = 2  # of a template that has slots
HELD_OUT = 0.35  # of the families of each label
SLOT = re.compile(r"\{([a-z_0-9]+)\}")
FILES = {"train": "train.jsonl", "held-out": "held-out.jsonl"}


def filled(template: str, slots: dict[str, list[str]], seed: str) -> str:
    """The template with a value in each slot; one that occurs twice has two different values."""
    used: dict[str, int] = {}

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in slots:  # braces of JSON
            return match[0]
        start = crc32(f"{seed} {name}".encode())
        number = used[name] = used.get(name, -1) + 1
        return slots[name][(start + number) % len(slots[name])]

    return SLOT.sub(value, template)


def held_out(families: dict[str, object], label: str) -> set[str]:
    """The families that no training sees."""
    order = sorted(families, key=lambda name: crc32(f"held-out {label} {name}".encode()))
    return set(order[: round(len(order) * HELD_OUT)])


def rows(label: str, slots: dict[str, list[str]]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each prompt with the side it is on."""
    families = tomllib.loads((HERE / f"{label}.toml").read_text("utf-8"))
    aside = held_out(families, label)
    for family, languages in families.items():
        for language, templates in languages.items():
            for number, template in enumerate(templates):
                copies = COPIES if any(name in slots for name in SLOT.findall(template)) else 1
                texts = {
                    filled(template, slots, f"{family} {language} {number} {copy}"): None for copy in range(copies)
                }
                for text in texts:
                    row = {"prompt": text, "label": label, "group": f"{label}/{family}", "language": language}
                    yield "held-out" if family in aside else "train", row


def main() -> None:
    """Write both files into the folder given, else beside this script."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    slots = tomllib.loads((HERE / "slots.toml").read_text("utf-8"))
    lines: dict[str, list[str]] = {side: [] for side in FILES}
    for label in ("simple", "complex"):
        for side, row in rows(label, slots):
            lines[side].append(json.dumps(row, ensure_ascii=False))
    for side, name in FILES.items():
        (folder / name).write_text("\n".join(lines[side]) + "\n", "utf-8")
        print(f"{name}: {len(lines[side])} prompts")


if __name__ == "__main__":
    main()
