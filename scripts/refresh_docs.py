"""Run the commands in README, tutorial and how-to pages again and write what they print.

Usage: `python scripts/refresh_docs.py`. Plans and checklists only: what others print depends on the machine and is
pasted by hand. A page's last `toml` block is the aidx.toml of the commands after it.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(console|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FIXED = ({"--vram", "--gpu"}, {"--host-ram"})  # one of each makes the machine the same everywhere


def refreshed(block: str, settings: str | None) -> str:
    """The block with the output of its only command, where that is the same on every machine."""
    command = block.splitlines()[0].removeprefix("$ ")
    words = shlex.split(command) if block.count("$ ") == 1 else []
    if words[:2] not in (["aidx", "plan"], ["aidx", "checklist"]):
        return block
    if not all(flags & set(words) for flags in FIXED) and settings is None:
        return block
    with TemporaryDirectory() as folder:
        if settings is not None:
            (Path(folder) / "aidx.toml").write_text(settings, "utf-8")
        done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, check=False, cwd=folder)
    return f"$ {command}\n{done.stdout}{done.stderr}"


def page(text: str) -> str:
    """*text* with its blocks run again."""
    settings: str | None = None

    def block(found: re.Match[str]) -> str:
        nonlocal settings
        if found[1] == "toml":
            settings = found[2]
            return found[0]
        return f"```console\n{refreshed(found[2], settings)}```"

    return BLOCK.sub(block, text)


def main() -> None:
    """Rewrite the pages."""
    for path in (ROOT / "README.md", ROOT / "docs" / "tutorial.md", *(ROOT / "docs" / "how-to").glob("*.md")):
        path.write_text(page(path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
