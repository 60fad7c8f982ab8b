"""``llama-server --models-preset``: one section a model."""

from aidx.export.given import Exported, File, Given
from aidx.export.llama_server import NOTE, arguments
from aidx.plan.result import RolePlan

FILE = "models.ini"


def export(given: Given) -> Exported:
    """One file; the router that reads it starts a process for each model."""
    sections = "\n".join(_section(given, role) for role in given.local)
    text = f"; aidx plan {given.plan.plan_hash}\nversion = 1\n\n{sections}"
    count = len(given.local)
    run = f"llama-server --models-preset {FILE} --models-max {count}"
    return Exported((File(FILE, text),), (f"run it as: {run}", NOTE))


def _section(given: Given, role: RolePlan) -> str:
    name = given.names(role)[0]
    lines = [f"[{name}]"]
    words = list(arguments(role, name))
    while words:
        flag = words.pop(0)
        value = "1" if not words or words[0].startswith("--") else words.pop(0)
        key = flag.removeprefix("--")
        if key == "alias":  # the section says it
            continue
        if key.startswith("no-"):
            key, value = key.removeprefix("no-"), "0"
        lines.append(f"{key} = {value}")
    return "\n".join(lines) + "\n"
