"""aider as a program: started afresh for each errand, in a working tree that holds the errand's files only.

It is answered "no" whatever it asks, so that it makes and changes no file but the one it was given (with
``--yes-always``, or an input that ends, it agrees to every path that a model names). What it says, and its exit
status, which is 0 when nothing was edited and when its model could not be reached, count for nothing.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from aidx.adapters import command
from aidx.adapters.worktree import Worktree
from aidx.errors import EngineError
from aidx.ports.programs import Errand, Worked

TIMEOUT_S = 900.0
NO = b"n\n" * (32 << 10)
# What reaches it of our environment; its settings and the user's keys do not.
PASSED = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR", "SSL_CERT_FILE")
FLAGS = (
    "--no-check-update",
    "--no-analytics",
    "--no-show-release-notes",
    "--no-show-model-warnings",
    "--no-gitignore",
    "--no-auto-commits",
    "--no-dirty-commits",
    "--no-auto-lint",
    "--no-auto-test",
    "--no-suggest-shell-commands",
    "--no-detect-urls",
    "--no-fancy-input",
    "--no-pretty",
    "--no-stream",
    "--no-restore-chat-history",
    "--map-tokens=0",
    "--encoding=utf-8",
)


class Model(Struct, frozen=True):
    """Where its model is reached, and what it may use: tokens of context and of output."""

    name: str
    address: str
    key: str
    n_ctx: int
    max_tokens: int


def program() -> str:
    """Where aider is; ``EngineError`` where it is not installed."""
    found = shutil.which("aider")
    if found is None:
        raise EngineError(
            "aider is configured as the Editor and is not installed",
            hint="Install it into an environment of its own: uv tool install --python 3.12 aider-chat",
            code="engine_missing",
        )
    return found


class Aider:
    """Edits files of the tree at *root* with *model*."""

    def __init__(self, root: str, model: Model, timeout_s: float = TIMEOUT_S) -> None:
        self._program = program()
        self._root = root
        self._model = model
        self._timeout_s = timeout_s

    def work(self, errand: Errand) -> Worked:
        """See ``ports.Program``."""
        with tempfile.TemporaryDirectory(prefix="aidx-aider-") as folder:
            home = Path(folder) / "home"
            home.mkdir()
            with Worktree(self._root, Path(folder) / "tree", errand.files) as tree:
                argv = (self._program, *FLAGS, *self._settings(home), *self._named(errand), *tree.flags)
                said = self._run(argv, str(tree.folder), home)
                return Worked(tree.changed(), said)

    def _named(self, errand: Errand) -> tuple[str, ...]:
        read = (path for path, data in errand.files.items() if path != errand.path and data is not None)
        return (*(f"--read={path}" for path in read), f"--message={errand.message}", f"--file={errand.path}")

    def _settings(self, home: Path) -> tuple[str, ...]:
        """Its own files, in *home*: a context of one size for every request, nothing that it would add up itself."""
        name = f"openai/{self._model.name}"
        settings = {
            "name": name,
            "edit_format": "diff",
            "weak_model_name": name,
            "use_repo_map": False,
            "use_temperature": 0,
            "streaming": False,
            "extra_params": {"max_tokens": self._model.max_tokens, "extra_body": {"num_ctx": self._model.n_ctx}},
        }
        (home / "settings.yml").write_text(json.dumps([settings]), encoding="utf-8")  # JSON is YAML
        (home / "none.yml").write_text("{}", encoding="utf-8")
        prices = home / ".aider" / "caches" / "model_prices_and_context_window.json"
        prices.parent.mkdir(parents=True)
        prices.write_text('{"none": {}}', encoding="utf-8")  # what is cached is not downloaded
        return (
            f"--model={name}",
            f"--weak-model={name}",
            f"--model-settings-file={home / 'settings.yml'}",
            f"--model-metadata-file={home / 'metadata.json'}",
            f"--config={home / 'none.yml'}",
            f"--env-file={home / 'none.env'}",
            f"--chat-history-file={home / 'chat.md'}",
            f"--input-history-file={home / 'input'}",
            f"--max-chat-history-tokens={self._model.n_ctx}",
        )

    def _run(self, argv: tuple[str, ...], folder: str, home: Path) -> str:
        (home / "answers").write_bytes(NO)
        try:
            with (home / "answers").open("rb") as answers:
                ran = command.run(argv, folder, self._environment(home), self._timeout_s, answers)
        except OSError as error:
            raise EngineError(
                f"aider cannot be started: {error.strerror}", hint="Run aider --version.", code="engine_missing"
            ) from None
        return ran.output + ("\nit ran out of time" if ran.status is None else "")

    def _environment(self, home: Path) -> Mapping[str, str]:
        return {
            **{name: os.environ[name] for name in PASSED if name in os.environ},
            "HOME": str(home),
            "USERPROFILE": str(home),
            "OPENAI_API_BASE": f"{self._model.address}/v1",
            "OPENAI_API_KEY": self._model.key,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it is downloaded
            "NO_PROXY": "*",
        }
