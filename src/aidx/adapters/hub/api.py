"""The hub's API: a repository's commit and files, and where to read them.

``HF_ENDPOINT`` names another hub, ``HF_TOKEN`` (or the token that ``hf auth login`` left) opens private ones;
the token is sent to that hub alone and to no address that it redirects to.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec
from msgspec import Struct

from aidx.adapters.reference import HubModel
from aidx.adapters.web.client import Answer, Deadline, NetworkError, Web, origin_of, peer_of
from aidx.adapters.web.ranges import RemoteFile, refusal
from aidx.errors import AidxError, EngineError, InputError
from aidx.model.pick import RepoFile, is_inside
from aidx.userfile import read_text

HUB: Final = "https://huggingface.co"
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_ANSWER_BYTES: Final = 32 << 20
_SECONDS: Final = 60.0
_TRUE: Final = frozenset({"1", "on", "yes", "true"})


class Repo(Struct, frozen=True):
    """A repository at one *commit*; *files* only with paths that stay inside it."""

    name: str
    commit: str
    files: tuple[RepoFile, ...]


class _Lfs(msgspec.Struct):
    sha256: str | None = None
    size: int | None = None


class _Sibling(msgspec.Struct):
    rfilename: str
    size: int | None = None
    lfs: _Lfs | None = None


class _Info(msgspec.Struct):
    sha: str
    siblings: list[_Sibling]


class Hub:
    """One hub, spoken to through *web*."""

    def __init__(self, web: Web, endpoint: str = HUB, token: str | None = None) -> None:
        self.web = web
        self._endpoint = endpoint.rstrip("/")
        self._secret = {} if token is None else {"Authorization": f"Bearer {token}"}

    def repo(self, wanted: HubModel) -> Repo:
        """What repository *wanted* holds; raises ``InputError`` where there is none, ``EngineError`` otherwise."""
        url = f"{self._endpoint}/api/models/{wanted.repo}/revision/{quote(wanted.revision, safe='')}?blobs=true"
        try:
            found = msgspec.json.decode(self._fetch(url, f"hf.co/{wanted.repo}"), type=_Info)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise EngineError(f"hf.co/{wanted.repo}: the hub's answer is damaged: {error}", hint="Try again.") from None
        if not (len(found.sha) == 40 and found.sha.isascii() and found.sha.isalnum()):
            raise EngineError(f"hf.co/{wanted.repo}: the hub names no commit", hint="Try again.")
        files = [_file(each) for each in found.siblings if is_inside(each.rfilename.split("/"))]
        return Repo(wanted.repo, found.sha, tuple(each for each in files if each is not None))

    def open(self, repo: Repo, file: RepoFile) -> RemoteFile:
        """*file* of *repo*, at its commit."""
        url = f"{self._endpoint}/{repo.name}/resolve/{repo.commit}/{quote(file.path)}"
        name = f"hf.co/{repo.name}/{file.path}"
        return RemoteFile(self.web, url, name=name, size=file.size, secret=self._secret, refused=self._refused)

    def _fetch(self, url: str, name: str) -> bytes:
        """The body of an answer of the API, asked for once more where the connection broke."""
        deadline = self.web.deadline(_SECONDS)
        for wait in (0.5, 1.0, None):
            try:
                return self._asked(url, name, deadline)
            except NetworkError:
                if wait is None:
                    raise
                self.web.pause(wait)
        raise AssertionError(url)

    def _asked(self, url: str, name: str, deadline: Deadline) -> bytes:
        with self.web.get(url, {"Accept": "application/json"}, secret=self._secret) as answer:
            if answer.status >= 500:
                raise NetworkError(f"{name}: the hub answers {answer.status}", hint="Try again later.")
            if answer.status != 200:
                raise self._refused(answer, name)
            return answer.whole(_ANSWER_BYTES, deadline)

    def _refused(self, answer: Answer, name: str) -> AidxError:
        """The hub's own reasons; it answers 401 for what does not exist when nobody is logged in."""
        if origin_of(answer.url) != origin_of(self._endpoint) or answer.status not in (401, 403, 404):
            return refusal(answer, name)
        reason = answer.headers.get("x-error-code", "")
        if answer.status == 404 or reason in ("RepoNotFound", "RevisionNotFound", "EntryNotFound"):
            hint = "Check the name." if self._secret else "Check the name; for a private repository set HF_TOKEN."
            return InputError(f"{name}: the hub has nothing of that name ({answer.status})", hint=hint)
        if self._secret:
            hint = "Accept the terms on the repository's page, and check what your token may read."
        else:
            hint = "Set HF_TOKEN to a token of an account that accepted the terms on the repository's page."
        what = "gated" if reason == "GatedRepo" else "private or gated"
        return EngineError(f"{name}: the repository is {what} ({answer.status})", hint=hint, code="no_access")


def hub_from(environ: Mapping[str, str], home: Path, web: Callable[..., Web] = Web) -> Hub:
    """The hub that the environment names; raises ``EngineError`` where it says to stay offline.

    A hub that the user names may be in a private network; plain http only on this machine.
    """
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if environ.get(name, "").strip().lower() in _TRUE:
            raise EngineError(
                f"{name} is set, and the model is not on this machine", hint=f"Unset {name}.", code="offline"
            )
    endpoint = environ.get("HF_ENDPOINT", "").strip().rstrip("/")
    if not endpoint:
        return Hub(web(), HUB, _token(environ, home))
    peer = peer_of(endpoint)
    if not endpoint.startswith("https://") and not (endpoint.startswith("http://") and peer.host in LOOPBACK):
        raise InputError(f"HF_ENDPOINT is {endpoint[:80]!r}, which is no https address", hint="Correct HF_ENDPOINT.")
    return Hub(web(trusted=(peer,)), endpoint, _token(environ, home))


def _token(environ: Mapping[str, str], home: Path) -> str | None:
    token = environ.get("HF_TOKEN", "").strip()
    if not token:
        place = environ.get("HF_TOKEN_PATH") or f"{_hf_home(environ, home)}/token"
        try:
            token = read_text(place, "a token", 4096).strip()
        except InputError:
            return None
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise InputError("HF_TOKEN is no token: it holds spaces or line ends", hint="Set HF_TOKEN again.")
    return token or None


def _hf_home(environ: Mapping[str, str], home: Path) -> Path:
    if given := environ.get("HF_HOME", "").strip():
        return Path(given)
    return Path(environ.get("XDG_CACHE_HOME", "").strip() or home / ".cache") / "huggingface"


def _file(found: _Sibling) -> RepoFile | None:
    size = found.size if found.lfs is None or found.lfs.size is None else found.lfs.size
    sha256 = None if found.lfs is None else found.lfs.sha256
    if size is None or size < 0:
        return None
    sound = sha256 is not None and len(sha256) == 64 and not set(sha256) - set("0123456789abcdef")
    return RepoFile(found.rfilename, size, sha256 if sound else None)
