"""Definitions in other languages, by hand from small programs; what no grammar knows is said."""

import builtins

import pytest

from aidx.adapters import grammar
from aidx.adapters.grammar import LANGUAGES, Grammars
from aidx.pipeline.research.chunk import chunks

PROGRAMS = {
    "a.js": (
        (
            "import x from 'y'\n\nexport function f(a) {\n  return a\n}\nclass A {\n  m() { return 1 }\n"
            "}\nconst g = (a) => {\n  return a\n}\nconst n = 1\n"
        ),
        ["f function 3-5", "A class 6-8", "A.m function 7-7", "g function 9-11"],
    ),
    "a.ts": (
        ("interface I {\n  a: number\n}\nnamespace N {\n  export function f(): void {}\n}\nenum E { A }\n"),
        ["I class 1-3", "N class 4-6", "N.f function 5-5", "E class 7-7"],
    ),
    "a.tsx": (
        ("export function View() {\n  return <div/>\n}\n"),
        ["View function 1-3"],
    ),
    "a.go": (
        (
            "package a\n\ntype T struct {\n\tx int\n}\n\nfunc (t *T) Get() int {\n\treturn t.x\n}\n\n"
            "func New() *T { return nil }\n"
        ),
        ["T class 3-5", "T.Get function 7-9", "New function 11-11"],
    ),
    "a.rs": (
        (
            "struct S {\n    x: u8,\n}\nimpl S {\n    fn get(&self) -> u8 {\n        self.x\n    }\n}\n"
            "mod m {\n    fn g() {}\n}\n"
        ),
        ["S class 1-3", "S class 4-8", "S.get function 5-7", "m class 9-11", "m.g function 10-10"],
    ),
    "A.java": (
        ("class A {\n  A() {}\n  int get() {\n    return 1;\n  }\n}\n"),
        ["A class 1-6", "A.A function 2-2", "A.get function 3-5"],
    ),
    "a.c": (
        ("struct s { int x; };\nstruct s *mention(struct s *a);\nstatic int *f(int a)\n{\n  return 0;\n}\n"),
        ["s class 1-1", "f function 3-6"],
    ),
    "a.cpp": (
        ("namespace n {\nclass A {\n  int get() { return 1; }\n};\n}\nint n::A::set(int x) {\n  return x;\n}\n"),
        ["n class 1-5", "n.A class 2-4", "n.A.get function 3-3", "n.A.set function 6-8"],
    ),
    "a.rb": (
        ("module M\n  class A\n    def get\n      1\n    end\n    def self.make\n    end\n  end\nend\n"),
        ["M class 1-9", "M.A class 2-8", "M.A.get function 3-5", "M.A.make function 6-7"],
    ),
    "a.cs": (
        ("namespace N {\n  class A {\n    int Get() { return 1; }\n  }\n}\n"),
        ["N class 1-5", "N.A class 2-4", "N.A.Get function 3-3"],
    ),
    "a.php": (
        ("<?php\nclass A {\n  function get() { return 1; }\n}\nfunction f() {}\n"),
        ["A class 2-4", "A.get function 3-3", "f function 5-5"],
    ),
    "a.sh": (
        ("f() {\n  echo 1\n}\n"),
        ["f function 1-3"],
    ),
}


@pytest.mark.parametrize("path", PROGRAMS)
def test_definitions_stand_where_they_stand(path):
    text, found = PROGRAMS[path]

    told = [f"{name} {kind} {first}-{last}" for name, kind, first, last in Grammars().definitions(path, text)]
    assert told == found


def test_there_is_a_program_for_each_language():
    packages = {LANGUAGES[f".{path.split('.')[1]}"][::2] for path in PROGRAMS}

    assert packages == {language[::2] for language in LANGUAGES.values()}


def test_chunks_follow_the_definitions_and_comments_belong_to_them():
    text = "// Adds.\n// Twice.\nfunction add(a) {\n  return a\n}\n\nlet x = 1\n"

    found = [(chunk.symbol, chunk.first, chunk.last) for chunk in chunks("a.js", text, Grammars())]
    assert found == [("add", 1, 5), ("", 6, 7)]


NO_PROGRAMS = ["", "}{)(", "function f( {", "class A { m( {{{{", "(" * 20000, "\0", "function f(){}\r" * 9]


@pytest.mark.parametrize("text", NO_PROGRAMS)
def test_whatever_it_is_fed_it_answers(text):
    for path in PROGRAMS:
        assert chunks(path, text, Grammars())


@pytest.mark.parametrize("path", ["a.py", "a.unknown", "Makefile", ""])
def test_what_it_does_not_know_is_left_to_others(path):
    known = Grammars()

    assert (known.definitions(path, "x"), known.version(path), known.missing) == (None, "", set())


def test_a_grammar_that_is_not_installed_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments):
        if name == "tree_sitter":
            raise ImportError(name)
        return real(name, *arguments)

    grammar._parser.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without)
    known = Grammars()
    assert known.definitions("a.cs", "class A {}") is None
    assert known.missing == {"tree-sitter-c-sharp"}
    monkeypatch.undo()
    grammar._parser.cache_clear()


def test_a_version_tells_grammars_apart():
    assert Grammars().version("x/a.GO").startswith("tree-sitter-go 0.")
