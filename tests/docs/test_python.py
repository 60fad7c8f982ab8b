"""The examples of the Python API run, and what its table names is there."""

import re
from importlib import import_module
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "python.md").read_text("utf-8")
EXAMPLES = re.findall(r"^## (.+?)$|^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def examples():
    title = ""
    for heading, code in EXAMPLES:
        title = heading or title
        if code:
            yield pytest.param(code, id=title)


@pytest.mark.parametrize("code", list(examples()))
def test_an_example_runs(code, capsys):
    exec(compile(code, "python.md", "exec"), {})

    assert not ("print(" in code and not capsys.readouterr().out)


def test_there_is_an_example_of_each_function():
    from aidx import advise

    assert [name for name in advise.__all__ if f"{name}(" not in "".join(code for _, code in EXAMPLES)] == []


def test_what_the_table_names_is_there_and_takes_what_it_says():
    rows = re.findall(r"^\| `(.+?)` \|", PAGE, re.MULTILINE)
    calls = [call for row in rows for call in re.findall(r"(\w+)\.(\w+)\((.*?)\)", row.replace("`", ""))]
    assert len(calls) >= 12
    for module, name, arguments in calls:
        function = getattr(import_module(f"aidx.{module}"), name)
        names = function.__code__.co_varnames[: function.__code__.co_argcount + function.__code__.co_kwonlyargcount]
        assert [one for one in re.findall(r"(\w+)(?:=|,|$)", arguments) if one not in {*names, "None", "False"}] == []
