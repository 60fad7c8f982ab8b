"""A service that is paid by the request and fills the roles of a run, for ``aidx`` as it is typed."""

import json
from contextlib import contextmanager

from tests.fakes.upstream import events, say, upstream

FILE = "def f():\n    return 1\n"
PLAN = """# Plan: two

## Files
- `a.py` (edit)

## Steps
1. `a.py`: Return two.

## Checks
- tests
"""
BLOCK = "a.py\n<<<<<<< SEARCH\n    return 1\n=======\n    return 2\n>>>>>>> REPLACE\n"
GO = '{"verdict": "go", "objections": []}'
ROLE = '[roles.{0}]\nmodel = "{0}"\nengine = "openai"\nurl = "{1}"\nctx_size = 8192\n'


class Paid:
    """What it was asked, by role, and the tree's settings, which name it."""

    def __init__(self, root, service, roles):
        self.root, self._service, self._roles = root, service, roles
        self.checks(tests=["true"])

    def checks(self, **checks):
        """Write the settings anew, with *checks*."""
        lines = (f"{name} = {json.dumps(argv)}" for name, argv in checks.items())
        roles = "".join(ROLE.format(role, self._service.url) for role in self._roles)
        (self.root / "aidx.toml").write_text(f"{roles}[checks]\n" + "\n".join(lines) + "\n")

    def asked(self, role=None):
        """The last message of each request to *role*, or to anyone."""
        every = [request.json for request in self._service.asked("/v1/chat/completions")]
        return [each["messages"][-1]["content"] for each in every if role in (None, each["model"])]


@contextmanager
def paid(root, **roles):
    """*roles* and their answers: a text, or what makes one of the request's last message; ``(text, why)`` ends so."""

    def answer(request):
        found = roles[request.json["model"]]
        said = found(request.json["messages"][-1]["content"]) if callable(found) else found
        text, why = said if isinstance(said, tuple) else (said, "stop")
        piece = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": why}]}
        return events(b"data: " + json.dumps(piece).encode() + b"\n\n", b"data: [DONE]\n\n")

    (root / "a.py").write_text(FILE)
    (root / "plan.md").write_text(PLAN)
    models = [{"id": role} for role in roles]
    routes = {("GET", "/v1/models"): lambda _: say({"data": models}), ("POST", "/v1/chat/completions"): answer}
    with upstream(routes) as service:
        yield Paid(root, service, roles)


def only_run(root):
    """The folder of the one run that was begun."""
    (found,) = (root / ".aidx" / "runs").iterdir()
    return found
