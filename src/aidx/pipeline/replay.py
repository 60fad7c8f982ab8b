"""Answers of the world as JSON lines, found again by the hash of what was asked.

A run that was cut off is driven from its beginning; what it was answered before is not asked again.
"""

import hashlib
import json
from base64 import b64decode, b64encode
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import asdict

from aidx.patterns.vocabulary import Said
from aidx.pipeline.effects import Ask, Commit, Confirm, Consult, Effect, Find, Hand, Read, Ready, Tree, Try
from aidx.pipeline.research.choose import Candidate
from aidx.ports.programs import Ran, Worked

Json = dict[str, Any]


def key(effect: Effect) -> str | None:
    """The hash of *effect*, ``None`` for one that is carried out each time."""
    asked = _asked(effect)
    if asked is None:
        return None
    return hashlib.sha256(json.dumps([type(effect).__name__, asked], sort_keys=True).encode()).hexdigest()


def _asked(effect: Effect) -> object:
    match effect:
        case Read(paths) | Ready(paths):
            return paths
        case Ask(phase, role, prompt, attempt, schema):
            return [phase, role, prompt.messages, attempt, schema]
        case Consult(asked, max_tokens):
            return [_asked(asked), max_tokens]
        case Hand(phase, errand, attempt):
            return [phase, errand.message, _files(errand.files), errand.path, attempt]
        case Confirm(plan_hash):
            return plan_hash
        case Try(changes, before, checks):
            return [_files(changes), _files(before), checks]
        case Find(first, second) | Commit(first, second):
            return [first, second]
        case _:
            return None


def line(effect: Effect, answer: Any, requests: Sequence[Json] = ()) -> bytes | None:  # noqa: ANN401 - as Flow
    """*answer* to *effect* as a line, with the *requests* that it took; ``None`` for a no, which may become a yes."""
    asked = key(effect)
    if asked is None or answer is False:
        return None
    what = type(effect).__name__.lower()
    record = {"asked": asked, "what": what, "answer": _plain(effect, answer), "requests": list(requests)}
    return json.dumps(record).encode() + b"\n"


def _plain(effect: Effect, answer: Any) -> object:  # noqa: ANN401
    if isinstance(effect, Read):
        return _files(answer)
    if isinstance(effect, Find):
        return [asdict(each) for each in answer]
    if isinstance(effect, Consult):
        return [answer.text, answer.finish, answer.prompt_tokens, answer.completion_tokens]
    if isinstance(effect, Hand):
        return [_files(answer.files), answer.said]
    if isinstance(effect, Try):
        return [[ran.status, ran.output] for ran in answer]
    plain: object = answer
    return plain


def _files(tree: Tree) -> Json:
    return {path: None if data is None else b64encode(data).decode() for path, data in tree.items()}


class Replay:
    """What was answered before, handed out once each, in the order in which it came; *requests* it took."""

    def __init__(self, lines: Iterable[bytes] = ()) -> None:
        self._answers: dict[str, deque[Any]] = defaultdict(deque)
        self.requests: list[Json] = []
        for text in lines:
            if (found := record(text)) is not None and {"asked", "answer"} <= found.keys():
                self._answers[found["asked"]].append(found["answer"])
                self.requests += found.get("requests", [])

    def find(self, effect: Effect) -> tuple[Any] | None:
        """The answer to *effect*, in a tuple; ``None`` where there is none."""
        asked = key(effect)
        if asked is None or not self._answers[asked]:
            return None
        return (_value(effect, self._answers[asked].popleft()),)


def _bytes(files: Json) -> dict[str, bytes | None]:
    return {path: None if data is None else b64decode(data) for path, data in files.items()}


def record(text: bytes) -> Json | None:
    """The object in the line *text*; ``None`` for one that was cut off while it was written."""
    try:
        found: Json = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _value(effect: Effect, found: Any) -> Any:  # noqa: ANN401
    if isinstance(effect, Read):
        return _bytes(found)
    if isinstance(effect, Find):
        return tuple(Candidate(**{**each, "why": tuple(each["why"])}) for each in found)
    if isinstance(effect, Consult):
        return Said(*found)
    if isinstance(effect, Hand):
        return Worked(_bytes(found[0]), found[1])
    if isinstance(effect, Try):
        return tuple(Ran(status, output) for status, output in found)
    return found
