"""Line edits: the code is shown with line numbers, the answer holds only what changes.

`NN|text` replaces line NN, `NN+|text` adds a line after it, `NN-|` deletes it.
"""

import difflib
import re

EDIT = re.compile(r"(\d\d)([+-]?)\|(.*)")


def number(source: str) -> str:
    """Show *source* with line numbers."""
    return "\n".join(f"{place:02d}|{line}" for place, line in enumerate(source.split("\n"), 1))


def message(instruction: str, source: str) -> str:
    """Ask for an edit of *source*."""
    return f"{instruction}\n\n{number(source)}"


def edits(source: str, edited: str) -> str:
    """Say what turns *source* into *edited*."""
    before, after = source.split("\n"), edited.split("\n")
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    script: list[str] = []
    for what, start, stop, first, last in matcher.get_opcodes():
        if what == "equal":
            continue
        common = min(stop - start, last - first)
        script += [f"{start + k + 1:02d}|{after[first + k]}" for k in range(common)]
        script += [f"{place + 1:02d}-|" for place in range(start + common, stop)]
        anchor = start + common
        script += [f"{anchor:02d}+|{line}" for line in after[first + common : last]]
    return "\n".join(script)


def apply(source: str, script: str) -> str:
    """Apply line edits; ValueError refuses what is none, and a second change of one line."""
    kept = [[line] for line in source.split("\n")]
    added: list[list[str]] = [[] for _ in kept]
    changed: set[int] = set()
    for line in script.split("\n"):
        found = EDIT.fullmatch(line)
        if not found or not 1 <= int(found[1]) <= len(kept):
            raise ValueError(f"not a line edit: {line[:40]!r}")
        place = int(found[1]) - 1
        if found[2] == "+":
            added[place].append(found[3])
        elif place in changed:
            raise ValueError(f"line {place + 1} is changed twice")
        else:
            changed.add(place)
            kept[place] = [] if found[2] else [found[3]]
    pairs = zip(kept, added, strict=True)
    return "\n".join(line for old, new in pairs for line in (*old, *new))
