"""Every command that opens a file of the user's: what is no such file ends it at once, in one line, and with exit 2."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.running import AIDX

from aidx.cli.main import main

F = "FILE"  # stands for the file in question
# Each command that is given a file, and where.
COMMANDS = {
    "plan MODEL": ("plan", F, "--vram", "0"),
    "plan --lora": ("plan", "aidx-tiny", "--lora", F),
    "plan --mmproj": ("plan", "aidx-tiny", "--mmproj", F),
    "plan --model-draft": ("plan", "aidx-tiny", "--model-draft", F),
    "plan --config": ("plan", "aidx-tiny", "--config", F),
    "choose MODEL": ("choose", F),
    "checklist MODEL": ("checklist", F),
    "stress MODEL": ("stress", F),
    "stress --input": ("stress", "aidx-tiny", "--input", F),
    "serve MODEL": ("serve", F, "--port", "0"),
    "loss MODEL": ("loss", F, "--tasks", "1"),
    "loss --reference": ("loss", "aidx-tiny", "--reference", F),
    "loss --text": ("loss", "aidx-tiny", "--reference", "aidx-tiny", "--text", F),
    "quantize IN": ("quantize", F, "out.gguf", "--to", "Q8_0"),
    "quantize --imatrix": ("quantize", "aidx-tiny", "out.gguf", "--to", "Q8_0", "--imatrix", F),
    "export MODEL": ("export", "llama-server", F),
    "init MODEL": ("init", F),
    "ask --model": ("ask", "hello", "--url", "", "--model", F),
    "ask --schema": ("ask", "hello", "--url", "", "--schema", F),
    "apply": ("apply", F),
    "run --plan": ("run", "--plan", F),
    "route eval": ("route", "eval", F),
    "route eval --router": ("route", "eval", "prompts.jsonl", "--router", F),
    "route train": ("route", "train", F),
    "route explain --router": ("route", "explain", "hello", "--router", F),
    "devices --config": ("devices", "--config", F),
}
# What stands where the file should be, and what is said of it.
KINDS = {
    "missing": "no such file",
    "directory": "directory",
    "pipe": "a named pipe",
    "socket": "a socket, not ",
    "/dev/zero": "a device, not ",
    "dangling": "a link to a file that is gone",
    "loop": "Too many levels of symbolic links",
    "bytes": "",
    "huge": "",
}
PROMPTS = '{"prompt": "a", "label": "simple"}\n{"prompt": "b", "label": "complex"}\n'


def made(kind: str, folder: Path) -> str:
    """The path of what *kind* says, below *folder*."""
    path = folder / f"{kind}.gguf"
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))
    elif kind == "dangling":
        path.symlink_to("nowhere")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "bytes":
        path.write_bytes(b"\xff\xfe\x00 no text, no model")
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(1 << 42)
    return kind if kind.startswith("/") else str(path)


@pytest.mark.timeout(60)  # what waits for somebody to write into a pipe waits for ever
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_file_of_that_kind_ends_the_command(command, kind, tmp_path, monkeypatch, capfd) -> None:
    (tmp_path / "prompts.jsonl").write_text(PROMPTS)
    path = made(kind, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["aidx", *(path if word == F else word for word in COMMANDS[command])])
    with pytest.raises(SystemExit) as ended:
        main()
    stdout, stderr = capfd.readouterr()
    lines = stderr.splitlines()
    assert ended.value.code == 2, stderr
    assert stdout == ""
    assert len(lines) == 2, lines
    assert lines[0].startswith("aidx: ")
    assert lines[1].startswith("hint: ")
    assert path in lines[0]
    assert KINDS[kind] in lines[0]


@pytest.mark.parametrize("words", [("apply", "-"), ("route", "eval", "-"), ("ask", "-", "--url", "")])
@pytest.mark.parametrize(("source", "says"), [("/dev/zero", "larger than"), (None, "standard input: not open")])
def test_standard_input_that_is_none(words: tuple[str, ...], source: str | None, says: str, tmp_path: Path) -> None:
    shell = " ".join(f"'{word}'" for word in (*AIDX, *words))
    done = subprocess.run(
        f"exec {shell} <{source or '&-'}",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done
    assert done.stderr.startswith("aidx: ")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
