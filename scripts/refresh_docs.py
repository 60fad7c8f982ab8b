"""Run the commands in README and tutorial again and write what they print: `python scripts/refresh_docs.py`.

Plans and checklists only: what others print depends on the machine and is pasted by hand.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FIXED = ("--vram", "--host-ram")


def refreshed(block: str) -> str:
    """The block with the output of its only command, where that is the same on every machine."""
    command = block.splitlines()[0].removeprefix("$ ")
    words = shlex.split(command) if block.count("$ ") == 1 else []
    if words[:2] not in (["aidx", "plan"], ["aidx", "checklist"]) or not set(FIXED) <= set(words):
        return block
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, check=False)
    return f"$ {command}\n{done.stdout}{done.stderr}"


def main() -> None:
    """Rewrite the pages."""
    for page in (ROOT / "README.md", ROOT / "docs" / "tutorial.md"):
        text = page.read_text("utf-8")
        page.write_text(BLOCK.sub(lambda found: f"```console\n{refreshed(found[1])}```", text), "utf-8")


if __name__ == "__main__":
    main()
