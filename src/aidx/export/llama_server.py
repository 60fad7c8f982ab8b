"""llama.cpp's ``llama-server``, with every setting that allocates written out."""

from aidx.errors import EngineError
from aidx.export.given import Argv, Exported, File, Given
from aidx.export.llamaflags import memory
from aidx.export.text import shell
from aidx.model.spec import ModelSpec
from aidx.plan.result import RolePlan

PORT = 8080
NOTE = "the flags are those of llama.cpp's build 11549; an older one that does not know some of them says so and ends"


def export(given: Given) -> Exported:
    """One script for each process; the first listens on 8080."""
    roles = given.local
    files = tuple(
        File(f"llama-server-{given.names(role)[0]}.sh" if len(roles) > 1 else "llama-server.sh", text, program=True)
        for role, text in ((role, _script(given, role, PORT + number)) for number, role in enumerate(roles))
    )
    return Exported(files, (NOTE,))


def _script(given: Given, role: RolePlan, port: int) -> str:
    words = ("llama-server", *arguments(role, given.names(role)[0]), "--host", "127.0.0.1", "--port", str(port))
    return f"#!/bin/sh\n# aidx plan {given.plan.plan_hash}\nexec {shell(words)}\n"


def arguments(role: RolePlan, alias: str) -> Argv:
    """What llama-server is started with so that it takes what is planned; raises ``EngineError`` without a file."""
    draft = role.beside.draft
    if draft is not None and draft.path is None:
        raise _not_here(draft)
    flags = memory(file_of(role), role.settings, role.beside.files)
    return (*(word for flag in flags for word in flag.spellings[0]), "--alias", alias)


def file_of(role: RolePlan) -> str:
    """The model's file on this machine: a name might mean another file to another program."""
    if role.model.path is None:
        raise _not_here(role.model)
    return role.model.path


def _not_here(model: ModelSpec) -> EngineError:
    return EngineError(
        f"{model.name} is known and not on this machine, and what is exported names a file",
        hint=f"Fetch it: {model.fetch}",
        code="model_not_here",
    )
