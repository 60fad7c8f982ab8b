"""The command line of a llama-server of ours: the planned settings, and how we talk to it."""

import re
from collections.abc import Collection, Iterator

from aidx.errors import EngineError
from aidx.export.llamaflags import Flag, may, memory, must
from aidx.ports.engine import Launch

VERBOSITY = 4  # from which it says what it allocates
HTTP_THREADS = 8  # beside two a slot: counting, health, connections kept alive
_FLAG = re.compile(r"(?<![\w-])--?[a-z][a-z0-9-]*")


def known(help_text: str) -> frozenset[str]:
    """The flags that a build lists in its ``--help``."""
    return frozenset(_FLAG.findall(help_text))


def arguments(launch: Launch, knows: Collection[str], *, threads: int) -> list[str]:
    """The command line after the program's name, without the key; raises ``EngineError`` for a build too old."""
    argv: list[str] = []
    for flag in (*memory(launch.path, launch.settings, launch.beside), *_surface(launch, threads)):
        taken = next((words for words in flag.spellings if words[0] in knows), None)
        if taken is not None:
            argv += taken
        elif flag.needed:
            raise EngineError(
                f"llama-server does not know {flag.spellings[0][0]}, which the plan needs",
                hint="Update llama.cpp, or use --engine embedded.",
            )
    return argv


def _surface(launch: Launch, threads: int) -> Iterator[Flag]:
    """What the server offers and how it works: no page, no files, no tools, no settings by request."""
    yield must("--alias", launch.name)
    yield must("--host", "127.0.0.1")
    yield must("--port", "0")
    yield must("--threads", str(threads))
    yield may(("--threads-batch", str(threads)))
    yield may(("--threads-http", str(HTTP_THREADS + 2 * launch.settings.parallel)))
    yield may(("--verbosity", str(VERBOSITY)), ("--log-verbosity", str(VERBOSITY)))
    yield may(("--log-colors", "off"))
    yield may(("--slots",))
    yield may(("--no-ui",), ("--no-webui",))
    yield may(("--no-models-autoload",))
    yield may(("--offline",))
    if launch.embedding:
        yield must("--embeddings")
