"""Looks at the engines of this machine, one after the other, until one can run a plan."""

from collections.abc import Iterator

from aidx.plan.auto import Candidate, first, lists_gpu
from aidx.plan.result import RolePlan


def choose(role: RolePlan) -> str:
    """The engine for *role*; raises ``EngineError`` where a GPU is planned and none here sees one.

    A plan for the CPU is the embedded engine's: its build is the one that was asked.
    """
    if not role.settings.n_gpu_layers:
        return "embedded"
    return first(_candidates(role), role.settings.n_gpu_layers)


def _candidates(role: RolePlan) -> Iterator[Candidate]:
    from aidx.adapters.llama.sight import look

    sight = look()
    blind = sight.reason or ("" if sight.gpus else "is a build for the CPU")
    if not blind and role.settings.n_cpu_moe:
        blind = "keeps no experts on the host beside a GPU"
    yield Candidate("embedded", blind)
    yield Candidate("llama-server", _llama_server())
    yield Candidate("ollama", _ollama(role))


def _llama_server() -> str:
    import shutil

    from aidx.adapters.host import program_output
    from aidx.errors import EngineError

    program = shutil.which("llama-server")
    if program is None:
        return "is not on PATH"
    try:
        return "" if lists_gpu(program_output([program, "--list-devices"])) else "lists no GPU"
    except EngineError as error:
        return f"cannot be asked ({error})"


def _ollama(role: RolePlan) -> str:
    from aidx.adapters.engines.ollama import runs

    if role.model.source != "ollama":
        return f"does not have {role.model.name}: it is not a model of its store"
    return "" if runs() else "does not run"
