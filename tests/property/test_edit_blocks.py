"""Sloppy SEARCH blocks, made by program from real functions of the standard library, judged by the syntax tree.

What a model gets wrong when it copies lines: indentation, white space, quotes, a letter, a blank line, a line.
Each block makes one change; applied means that the file then has the tree of that change, anything else is wrong.
"""

import ast
import random
import sysconfig
from collections import Counter
from functools import cache
from itertools import islice
from pathlib import Path

import pytest

from aidx.pipeline.edit.blocks import Block, Sides
from aidx.pipeline.edit.change import change

MODULES = (  # of at most 35 kB: each block costs several parses of the whole file
    "bdb", "bz2", "calendar", "cmd", "code", "contextlib", "copy", "csv", "dis", "filecmp", "fileinput", "fractions",
    "ftplib", "getopt", "gettext", "gzip", "heapq", "lzma", "mimetypes", "netrc", "plistlib", "poplib", "pprint",
    "profile", "queue", "random", "runpy", "sched", "selectors", "shelve", "site", "socketserver", "string", "tempfile",
    "textwrap", "tokenize", "trace", "uuid", "webbrowser", "zipapp",
)  # fmt: skip
EACH = 260  # blocks a way of being sloppy


def sources():
    folder = Path(sysconfig.get_path("stdlib"))
    for name in MODULES:
        path = folder / f"{name}.py"
        if path.exists():
            yield path.read_text("utf-8")


def functions(text):
    """Runs of 4 to 12 lines inside functions, as places to edit."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and 5 <= node.end_lineno - node.lineno <= 40:
            yield lines, node


@cache
def edits(seed, count):
    return tuple(islice(made(seed), count))


def made(seed):
    """(file, SEARCH, REPLACE, the file afterwards): one statement inside the block gets a neighbour, or goes."""
    rng = random.Random(seed)
    found = [(text, *each) for text in sources() for each in functions(text)]
    rng.shuffle(found)
    for text, lines, node in found:
        statements = [s for s in node.body[1:] if isinstance(s, (ast.Assign, ast.Expr, ast.Return, ast.AugAssign))]
        plain = [s for s in statements if s.lineno == s.end_lineno]
        if not plain:
            continue
        chosen = rng.choice(plain)
        start = max(node.lineno - 1, chosen.lineno - 1 - rng.randint(2, 5))
        end = min(node.end_lineno, chosen.lineno + rng.randint(2, 5))
        old = lines[start:end]
        at = chosen.lineno - 1 - start
        indent = old[at][: len(old[at]) - len(old[at].lstrip())]
        new = [*old]
        if rng.random() < 0.5:
            new.insert(at, f"{indent}checked_before = True")
        else:
            new[at] = f"{indent}replaced_here(1)"
        after = "\n".join([*lines[:start], *new, *lines[end:]]) + "\n"
        try:
            ast.parse(after)
        except SyntaxError:
            continue
        yield text, old, new, after


def trailing(search, new, rng):
    spaces = [rng.choice(["", " ", "   ", "\t"]) for _ in search]
    return [line + space for line, space in zip(search, spaces, strict=True)], new


def dedented(search, new, rng):
    whole = min((len(line) - len(line.lstrip()) for line in [*search, *new] if line.strip()), default=0)
    return [line[whole:] for line in search], [line[whole:] for line in new]


def one_indented(search, new, rng):
    place = rng.choice([number for number, line in enumerate(search) if line.strip()])
    return [*search[:place], " " + search[place], *search[place + 1 :]], new


def tabs(search, new, rng):
    def tabbed(line):
        body = line.lstrip(" ")
        return "\t" * ((len(line) - len(body)) // 4) + " " * ((len(line) - len(body)) % 4) + body

    return [tabbed(line) for line in search], [tabbed(line) for line in new]


def no_blank_lines(search, new, rng):
    return [line for line in search if line.strip()], [line for line in new if line.strip()]


def quotes(search, new, rng):
    def swap(line):
        return line.translate(str.maketrans("'\"", "\"'"))

    return [swap(line) for line in search], new


def typo(search, new, rng):
    """One letter of one word, in SEARCH and, where the line stays, in REPLACE too."""
    places = [n for n, line in enumerate(search) if any(c.isalpha() for c in line)]
    place = rng.choice(places)
    letters = [n for n, c in enumerate(search[place]) if c.isalpha()]
    at = rng.choice(letters)
    line = search[place]
    slip = rng.choice(["drop", "double", "other"])
    other = {"drop": "", "double": line[at] * 2, "other": rng.choice("abcdefghijklmnopqrstuvwxyz")}[slip]
    wrong = line[:at] + other + line[at + 1 :]
    return [*search[:place], wrong, *search[place + 1 :]], [wrong if text == line else text for text in new]


def blank_around(search, new, rng):
    return ["", *search, ""], ["", *new, ""]


SLOPPY = [trailing, dedented, one_indented, tabs, no_blank_lines, quotes, typo, blank_around]


def judge(text, search, new, after):
    block = Block("file.py", 1, 1, (Sides(tuple(search), tuple(new)),))
    result = change((block,), {"file.py": text.encode()})
    if result.refused:
        return result.refused[0].reason
    got = result.files["file.py"].decode()
    if told(got) == told(after):
        return "right"
    return "right" if ast.dump(ast.parse(got)) == ast.dump(ast.parse(after)) else "wrong"


def told(text):
    """Its lines without blank ones: where they are equal, so are the trees."""
    return [line for line in text.splitlines() if line.strip()]


def tally(mutate, seed=11):
    counts, wrong = Counter(), []
    rng = random.Random(mutate.__name__)
    for text, old, new, after in edits(seed, EACH):
        search, replace = mutate(old, new, rng)
        verdict = judge(text, search, replace, after)
        counts[verdict] += 1
        if verdict == "wrong":
            wrong.append((search, replace))
    return counts, wrong


@pytest.fixture(scope="module")
def table():
    return {mutate.__name__: tally(mutate) for mutate in SLOPPY}


def test_sloppy_blocks_are_applied_right_and_never_wrong(table):
    counts = {name: dict(found) for name, (found, _) in table.items()}
    total = Counter()
    for found, _ in table.values():
        total += found
    ambiguous = total.pop("ambiguous", 0)  # real code repeats itself: the block alone does not say where
    for name, each in counts.items():
        print(f"figure: {name}: {each}")
    share = total["right"] / sum(total.values())
    print(
        f"figure: {sum(total.values()) + ambiguous:,} mutated blocks: {share:.1%} of those with one place applied right"
    )

    assert sum(total.values()) + ambiguous >= 2000
    assert [wrong for _, each in table.values() for wrong in each] == []
    assert total["right"] / sum(total.values()) >= 0.95


def test_a_place_that_occurs_twice_is_refused():
    refused = Counter()
    for text, old, new, _ in edits(11, 200):
        doubled = text + "\n" + "\n".join(["def again():", "    if True:", *old]) + "\n"
        refused[judge(doubled, old, new, text)] += 1

    print(f"figure: {sum(refused.values())} blocks whose place occurs twice: {dict(refused)}")
    assert set(refused) == {"ambiguous"}


def test_a_block_of_another_file_is_refused():
    found = edits(11, EACH)
    verdicts = Counter()
    for number, (text, *_) in enumerate(found):
        _, old, new, _ = found[(number + EACH // 2) % EACH]
        if "\n".join(old) not in text:
            verdicts[judge(text, old, new, text)] += 1

    print(f"figure: {sum(verdicts.values())} blocks of another file: {dict(verdicts)}")
    assert set(verdicts) <= {"not_found", "ambiguous", "conflict"}
    assert sum(verdicts.values()) >= 200
