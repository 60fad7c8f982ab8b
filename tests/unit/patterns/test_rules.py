"""Each rule says what is wrong with an answer, in words that a model can act on."""

import time

import pytest

from aidx.errors import InputError
from aidx.patterns.rules import held_against, names, rules
from aidx.patterns.vocabulary import Command
from tests.fakes.patterns import feed, ran

BLOCK = "{}\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n"
SCHEMA = 'json-schema {"type":"object","required":["a"]}'


def judged(line, text, *effects):
    """What the rule in *line* has against *text*, and what it asked for."""
    return feed(held_against(rules([line]), text), effects)


@pytest.mark.parametrize(
    ("line", "good", "bad", "why"),
    [
        ("max-length 5", "12345", "123456", "the answer has 6 characters; at most 5 are allowed"),
        ("matches ^feat", "feat: a", "a feat", "does not match ^feat"),
        (r"matches \d{3}", "a 123", "12", "does not match"),
        ("parses python", "def f():\n    pass\n", "def f(:", "line 1"),
        ("parses python", "Here:\n```python\nx = 1\n```\nand so on", "```python\nx = \n```", "not valid python"),
        ("parses json", '{"a": 1}', "{a: 1}", "not valid json: line 1"),
        ("parses toml", "a = 1", "a = ", "not valid toml"),
        ("conventional-commit", "fix(gate): count once\n\nBody.\n", "Fixed it", "type(scope)"),
        ("conventional-commit", "feat!: x", "feet: x", "'feet' is no type"),
        (SCHEMA, '{"a": 1}', "{}", '"a" is a required property'),
        ("forbidden-paths .github/ *.lock", BLOCK.format("src/a.py"), BLOCK.format(".github/x.yml"), ".github/"),
        ("forbidden-paths .github/ *.lock", "+++ b/src/a.py", "--- a/uv.lock\n+++ b/uv.lock", "*.lock"),
        ("forbidden-paths x", BLOCK.format("a/git.py"), BLOCK.format("a/.GIT/config"), "belongs to git"),
        ("forbidden-paths x", BLOCK.format("a..b/c"), BLOCK.format("../etc/passwd"), "leaves the tree"),
        ("forbidden-paths x", BLOCK.format("a/b"), BLOCK.format("`/etc/passwd`"), "leaves the tree"),
        ("forbidden-paths x", BLOCK.format("ab/b"), BLOCK.format("C:\\x"), "leaves the tree"),
    ],
)
def test_a_rule_lets_the_good_pass_and_says_what_is_bad(line, good, bad, why):
    assert judged(line, good) == ((), [])
    (reason,), asked = judged(line, bad)
    assert why in reason
    assert reason.startswith(line.partition(" ")[0])
    assert asked == []


def test_a_check_is_run_by_whoever_drives_the_pattern():
    assert judged("check tests", "text", ran(0))[0] == ()
    (reason,), asked = judged("check tests", "text", ran(1, "x" * 5000 + "\n2 failed\n"))
    assert reason.endswith("2 failed")
    assert len(reason) < 700
    assert asked == [Command("tests", "text")]
    (reason,), _ = judged("check tests", "text", ran(2))
    assert reason == "check tests: the check ended with status 2"


def test_a_patch_is_tried_by_whoever_has_the_tree():
    assert judged("patch", "text", ran(0))[0] == ()
    assert judged("patch", "text", ran(1, "block 1: not found"))[0] == ("patch: block 1: not found",)


def test_all_rules_are_found_and_say_what_they_take():
    assert {"check", "conventional-commit", "forbidden-paths", "json-schema", "matches", "max-length"} <= set(names())
    assert all(names().values())


@pytest.mark.parametrize("name", names())
def test_every_rule_refuses_nonsense_in_a_clear_line(name):
    told = "" if name not in {"conventional-commit", "patch"} else "x"
    with pytest.raises(InputError) as refused:
        rules([f"{name} {told}"])
    assert str(refused.value).startswith(f"rule '{name}': ")
    assert refused.value.hint


@pytest.mark.parametrize(
    "line",
    [
        *("max-length -1", "max-length 0", "max-length ten", "parses cobol", "check a b"),
        *("matches (?=a)", r"matches (a)\1", "matches (", "matches (a{1,999}){1,999}"),
        *("json-schema [1]", "json-schema {", 'json-schema {"type": "strnig"}'),
    ],
)
def test_what_a_rule_cannot_be_told_is_refused_before_anything_is_asked(line):
    with pytest.raises(InputError):
        rules([line])


def test_a_rule_that_nobody_knows_has_a_near_one():
    with pytest.raises(InputError, match="no rule 'max-lenght'") as refused:
        rules(["max-lenght 4"])
    assert refused.value.hint == "Did you mean max-length?"


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "^(.*a){20}$", "(x+x+)+y"])
def test_an_expression_that_explodes_elsewhere_is_harmless(pattern):
    began = time.process_time()
    judged(f"matches {pattern}", "a" * 20_000 + "!" + "x" * 20_000)
    assert time.process_time() - began < 2
