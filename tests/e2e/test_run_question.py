"""The question at a terminal: whoever leaves it without an answer is told how to go on."""

import os
import pty
import select
import sys

import pytest
from tests.fakes.paid import BLOCK, FILE, only_run, paid
from tests.running import AIDX

TYPED = {"Ctrl-C": b"\x03", "Ctrl-D": b"\x04", "no": b"n\n", "yes": b"y\n"}


def typed(root, keys):
    """Exit code of a run at a terminal where *keys* are typed at the question, and all that the terminal shows."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(root)
        os.execv(sys.executable, [*AIDX, "run", "--plan", "plan.md"])
    shown = b""
    while True:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                piece = os.read(terminal, 1 << 16)
            except OSError:  # the other end is closed
                piece = b""
            if not piece:
                os.close(terminal)
                return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode().replace("\r\n", "\n")
            shown += piece
        elif shown.rpartition(b"[y/N]: ")[2] in {b"", b"^C", b"^C^C"} and b"[y/N]" in shown:
            os.write(terminal, keys)  # once more where it came between the question and the reading


@pytest.mark.parametrize("key", ["Ctrl-C", "Ctrl-D"])
def test_a_question_that_is_left_says_how_to_go_on(tmp_path, key):
    with paid(tmp_path, editor=BLOCK) as service:
        code, shown = typed(tmp_path, TYPED[key])
        name = only_run(tmp_path).name

        assert (code, service.asked()) == (130, [])
        said = f"aidx: run {name} was interrupted\nhint: Go on with it: aidx run --resume {name}"
        assert shown.rstrip("\n").endswith(f"\n{said}"), shown
        assert "[y/N]: aidx" not in shown
    assert (tmp_path / "a.py").read_text() == FILE


@pytest.mark.parametrize(("key", "code"), [("no", 5), ("yes", 0)])
def test_a_question_that_is_answered_is_no_interruption(tmp_path, key, code):
    with paid(tmp_path, editor=BLOCK):
        found, shown = typed(tmp_path, TYPED[key])
    assert (found, "interrupted" in shown) == (code, False)
