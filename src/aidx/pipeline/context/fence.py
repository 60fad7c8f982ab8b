"""The code fence that models like to put around JSON: one around the whole answer, and nothing beside it."""

import re

_FENCE = re.compile(r"\s*(`{3,}|~{3,})(?:json)?[ \t]*\r?\n(.*)\n[ \t]*\1\s*", re.DOTALL | re.IGNORECASE)


def unfenced(answer: str) -> str:
    """*answer* without the fence around it, if there is one."""
    found = _FENCE.fullmatch(answer)
    return answer if found is None else found[2]


__all__ = ["unfenced"]
