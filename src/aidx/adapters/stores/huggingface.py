"""The cache of the Hugging Face hub, which llama.cpp shares.

``models--ORG--REPO/refs/main`` names a commit, ``snapshots/COMMIT/`` holds links into ``blobs/``
(``huggingface_hub``: ``constants.py``, ``file_download.py``; llama.cpp: ``common/hf-cache.cpp``).
"""

import re
from collections.abc import Iterator, Mapping
from os.path import expanduser, expandvars
from pathlib import Path
from typing import Final

from aidx.adapters.reference import HubModel, parse, tagged
from aidx.adapters.stores.disk import files, folders, read_json, read_line, same_name, size_of
from aidx.errors import InputError
from aidx.model.pick import RepoFile, label, models, pick
from aidx.model.spec import SourceName
from aidx.model.stored import Damaged, Stored

CONFIG: Final = "config.json"
INDEX: Final = "model.safetensors.index.json"
WHOLE: Final = "model.safetensors"
_PREFIX: Final = "models--"
_COMMIT: Final = re.compile(r"[0-9a-f]{40}\Z", re.ASCII)


def cache_folder(environ: Mapping[str, str], home: Path) -> Path:
    """Where the hub's files are kept, and where ``aidx pull`` puts them."""
    for name, below in (
        ("HF_HUB_CACHE", ""),
        ("HUGGINGFACE_HUB_CACHE", ""),
        ("HF_HOME", "hub"),
        ("XDG_CACHE_HOME", "huggingface/hub"),
    ):
        if given := environ.get(name, "").strip():
            return Path(expandvars(expanduser(given))) / below  # noqa: PTH111 - as huggingface_hub reads it
    return home / ".cache" / "huggingface" / "hub"


def repo_folder(repo: str) -> str:
    """The folder of repository *repo*."""
    return _PREFIX + repo.replace("/", "--")


class HuggingFace:
    """GGUF files and checkpoints that were fetched from the hub."""

    store: SourceName = "hf"

    def __init__(self, environ: Mapping[str, str], home: Path) -> None:
        shared = environ.get("LLAMA_CACHE", "").strip()  # llama.cpp keeps the same layout there
        roots = (cache_folder(environ, home), *((Path(shared),) if shared else ()))
        self._roots = tuple(dict.fromkeys(roots))

    def find(self, reference: str) -> Stored | Damaged | None:
        """*reference* as an address of the hub, or ``ORG/REPO[:QUANT]``."""
        try:
            wanted = parse(reference)
        except InputError:  # whoever asks the network says what is wrong with it
            return None
        wanted = tagged(reference) if wanted is None else wanted
        return self.find_model(wanted) if isinstance(wanted, HubModel) else None

    def find_model(self, wanted: HubModel) -> Stored | Damaged | None:
        """The files of *wanted*, where they are here."""
        for root in self._roots:
            folder = same_name(root, repo_folder(wanted.repo))
            snapshot = None if folder is None else _snapshot(root / folder, wanted.revision)
            if snapshot is not None and (found := self._in(snapshot, wanted)) is not None:
                return found
        return None

    def models(self) -> Iterator[Stored | Damaged]:
        """Every whole model of the current snapshots."""
        for root in self._roots:
            for folder in folders(root):
                snapshot = _snapshot(root / folder, "main") if folder.startswith(_PREFIX) else None
                if snapshot is not None:
                    yield from self._all(snapshot, folder.removeprefix(_PREFIX).replace("--", "/"))

    def _in(self, snapshot: Path, wanted: HubModel) -> Stored | Damaged | None:
        listed = [RepoFile(path, 0) for path in files(snapshot)]
        if wanted.path is not None:
            found = [parts for parts in models(listed) if wanted.path in {part.path for part in parts}]
            return self._stored(snapshot, wanted.name, found[0]) if found else None
        if not models(listed):
            return self._checkpoint(snapshot, wanted.name)
        try:
            return self._stored(snapshot, wanted.name, pick(listed, wanted.quant, wanted.name))
        except InputError:  # not the one that is wanted, or not clear which: the hub knows more
            return None

    def _all(self, snapshot: Path, repo: str) -> Iterator[Stored | Damaged]:
        whole = models(RepoFile(path, 0) for path in files(snapshot))
        for parts in whole:
            quant = label(parts[0].path)
            alone = quant and sum(label(each[0].path) == quant for each in whole) == 1
            name = f"hf.co/{repo}:{quant}" if alone else f"hf.co/{repo}/{parts[0].path}"
            yield self._stored(snapshot, name, parts)
        if not whole and (found := self._checkpoint(snapshot, f"hf.co/{repo}")) is not None:
            yield found

    def _checkpoint(self, snapshot: Path, name: str) -> Stored | None:
        """A checkpoint with all of its files; a part of one is none."""
        index = read_json(snapshot / INDEX)
        listed = (index or {}).get("weight_map")
        needed = set(listed.values()) if isinstance(listed, dict) else {WHOLE}
        whole = all(isinstance(each, str) and size_of(snapshot / each) is not None for each in needed)
        return Stored(name, self.store, str(snapshot)) if whole and size_of(snapshot / CONFIG) is not None else None

    def _stored(self, snapshot: Path, name: str, parts: tuple[RepoFile, ...]) -> Stored | Damaged:
        for part in parts:
            if size_of(snapshot / part.path) is None:
                why = f"{part.path} is a link to a blob that is gone"
                return Damaged(name, self.store, why, f"Fetch it again: aidx pull {name}")
        return Stored(name, self.store, str(snapshot / parts[0].path))


def _snapshot(folder: Path, revision: str) -> Path | None:
    """The files of *revision*; of the newest snapshot where the branch has no reference here."""
    commit = revision if _COMMIT.match(revision) else read_line(folder / "refs" / revision)
    if _COMMIT.match(commit) and (folder / "snapshots" / commit).is_dir():
        return folder / "snapshots" / commit
    if revision != "main":
        return None
    found = [folder / "snapshots" / name for name in folders(folder / "snapshots")]
    return max(found, key=_changed, default=None)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


STORE = HuggingFace
