"""A reader that has seen enough ends a command as it ends other programs: without a word, and with 141."""

import subprocess

import pytest
from tests.running import AIDX

COMMANDS = (
    ("--help",),
    ("plan", "--help"),
    ("plan", "aidx-tiny", "--fast"),
    ("plan", "aidx-tiny", "--fast", "--json"),
    ("choose", "aidx-tiny", "--fast", "--json"),
    ("roles",),
    ("models", "--json"),
    ("devices",),
    ("export", "llama-server", "aidx-tiny"),
)


def run(stream: str, *arguments: str) -> tuple[int, str]:
    """The exit code with *stream* a pipe that nobody reads, and what came out of the other one."""
    other = "stderr" if stream == "stdout" else "stdout"
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as reader:
        reader.kill()
        reader.wait()
        streams = {stream: reader.stdin, other: subprocess.PIPE}
        done = subprocess.run([*AIDX, *arguments], **streams, text=True, timeout=120, check=False)
        return done.returncode, getattr(done, other)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_nobody_reads_the_output(arguments: tuple[str, ...]) -> None:
    code, said = run("stdout", *arguments)
    assert code == 141
    assert [line for line in said.splitlines() if not line.startswith("aidx: weighing")] == []


def test_an_error_keeps_its_code_when_nobody_reads_it() -> None:
    assert run("stderr", "plan", "no-such-model") == (2, "")
    code, said = run("stdout", "plan", "no-such-model", "--json")
    assert code == 2
    assert said.startswith("aidx: unknown model")


def test_nobody_reads_the_progress() -> None:
    assert run("stderr", "choose", "--vram", "4G", "--fast")[0] in {0, 141}
