"""The watched child, with small programs in the place of an engine."""

import os
import sys
import time

import pytest

from aidx.adapters.child import Child
from aidx.errors import EngineError

ECHO = "import sys; print(sys.stdin.readline().strip(), flush=True); sys.stdin.read()"


def never(_):
    """A reader that never has enough."""
    return False


@pytest.fixture
def start():
    children = []

    def run(program, order=b"{}\n", read=never):
        children.append(Child([sys.executable, "-c", program], env=os.environ, order=order, read=read))
        return children[-1]

    yield run
    for child in children:
        child.stop()


def test_it_is_told_and_answers_in_a_line_of_json(start):
    child = start(ECHO, order=b'{"a": "b"}\n')

    assert child.answer() == {"a": "b"}
    assert child.end == ""


def test_closing_its_standard_input_ends_it(start):
    child = start(ECHO)
    child.answer()
    child.stop()

    assert child.end == "the engine ended with status 0" or "signal 15" in child.end
    assert child.ending().result(0) == child.end


def test_one_that_ignores_everything_is_killed(start):
    child = start("import signal, time; signal.signal(15, signal.SIG_IGN); print('{}', flush=True); time.sleep(60)")
    child.answer()
    began = time.monotonic()

    child.stop()

    assert "signal 9" in child.end
    assert time.monotonic() - began < 3


def test_its_log_is_read_until_the_reader_has_enough(start):
    lines = []

    def read(line):
        lines.append(line)
        return "two" in line

    child = start("import sys\nfor word in ('one', 'two', 'three'): print(word, file=sys.stderr)", read=read)
    child.ending().result(10)

    assert [line.strip() for line in lines] == ["one", "two"]
    assert child.settled.is_set()


@pytest.mark.parametrize(
    ("log", "complaint"),
    [
        ("0.1 I fine\n0.2 E the cause\n0.3 E a consequence\n", "the cause"),
        ("0.1 I fine\n", "the engine ended with status 3"),
        ("", "the engine ended with status 3"),
    ],
)
def test_it_complains_of_the_cause(start, log, complaint):
    child = start(f"import sys; sys.stderr.write({log!r}); sys.exit(3)")
    child.ending().result(10)

    assert child.answer() == {}
    assert child.complaint() == complaint


def test_many_may_wait_for_its_end(start):
    child = start(ECHO)
    waiting = [child.ending() for _ in range(3)]
    waiting[1].cancel()
    child.stop()

    assert waiting[0].result(1) == waiting[2].result(1) == child.end


def test_a_program_that_is_not_there_is_an_engine_error(tmp_path):
    with pytest.raises(EngineError, match="cannot be started"):
        Child([str(tmp_path / "none")], env={}, order=b"", read=never)
