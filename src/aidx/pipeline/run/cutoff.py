"""An answer that ended for want of tokens: what would have let it go on."""

from aidx.gate.admit import Limits
from aidx.pipeline.contract import OTHERWISE, Request


def way_out(request: Request, limits: Limits) -> str:
    """The hint for *request*, answered within *limits*: a larger ``max_tokens`` only where it makes a difference."""
    role = request.role
    less = "make the step smaller" if role == "editor" else "ask for less in TASK"
    prompt = request.prompt_tokens - sum(tokens for item, tokens in request.context if item == OTHERWISE)
    granted, written = request.reserved_tokens - prompt, request.completion_tokens
    if 0 < written < granted:
        return (
            f"{granted} tokens were allowed: {request.model} itself writes no more, and a larger max_tokens does not "
            f"help. {less[0].upper()}{less[1:]}, or use another model."
        )
    if prompt + granted < limits.n_ctx_seq:
        room = f"it was {granted}, {limits.n_ctx_seq - prompt} have room beside the prompt"
        return f"Give [roles.{role}] a larger max_tokens ({room}), or {less}."
    if 0 < limits.trained <= limits.n_ctx_seq:
        return f"The context is full, and the model was trained for no longer one: {less}, or use another model."
    return f"The context is full: give [roles.{role}] a larger ctx_size (a larger max_tokens does not help), or {less}."


__all__ = ["way_out"]
