"""What keeps a request on this machine: secrets that are known by how they begin, and a user's own expressions."""

import json
import re
from collections.abc import Callable, Sequence

from aidx.errors import InputError
from aidx.patterns.schema.shape import UnenforceableError

Private = Callable[[str], str | None]
"""The name of the private thing in a text; ``None`` where there is none."""

# What no prompt should carry to another machine, whatever the settings; each is matched in linear time.
_SECRETS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----"),
    "an API key": re.compile(
        r"\b(?:sk-|sk_|gsk_|hf_|gh[opsu]_|github_pat_|glpat-|xox[abps]-|npm_|AIza|AKIA|nvapi-)[A-Za-z0-9_-]{16}"
    ),
    "a password in an address": re.compile(r"\b[a-z][a-z0-9+]{1,15}://[^\s/:@]{1,64}:[^\s/:@]{1,64}@"),
}


def secret(text: str) -> str | None:
    """The name of the first secret in *text*."""
    return next((name for name, pattern in _SECRETS.items() if pattern.search(text)), None)


def private(expressions: Sequence[str]) -> Private:
    """Secrets, and what one of *expressions* finds; they are Rust's: linear in time, without look-around.

    Which one found something is told by its number: an expression may itself say what nobody should read. Raises
    ``InputError`` for one that is no such expression.
    """
    if not expressions:
        return secret
    found = [(f"expression {number}", _finds(number, each)) for number, each in enumerate(expressions, 1)]

    def first(text: str) -> str | None:
        return secret(text) or next((name for name, finds in found if finds(text)), None)

    return first


def _finds(number: int, expression: str) -> Callable[[str], bool]:
    from aidx.patterns.schema.valid import validator

    try:
        checker = validator(json.dumps({"type": "string", "pattern": expression}))
    except UnenforceableError:
        raise InputError(
            f"route.private: entry {number} is no regular expression, or one that does not take linear time",
            hint="Write it without look-around and back references; (?i) at its beginning ignores case.",
        ) from None
    return checker.is_valid
