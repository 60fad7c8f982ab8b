"""What ``aidx pull`` fetches for a name, and what it says where it cannot."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from aidx.adapters.hub.api import Hub, hub_from
from aidx.adapters.hub.pull import HubCache, Tell
from aidx.adapters.reference import HubModel, WebFile, parse, tagged
from aidx.adapters.sources.catalogue import look_up
from aidx.adapters.sources.hub import files_of
from aidx.adapters.sources.web import fetch_line as web_line
from aidx.adapters.stores import shipped
from aidx.adapters.stores.huggingface import cache_folder
from aidx.errors import EngineError, InputError
from aidx.model.catalogue import SHOWN
from aidx.model.found import Wanted
from aidx.model.published import elsewhere, fetch_line, repository
from aidx.model.stored import Pulled

_OLLAMA = re.compile(r"[A-Za-z0-9][\w.-]*(:[\w.-]+)?")


def pull(wanted: Wanted, environ: Mapping[str, str], home: Path, tell: Tell) -> Pulled:
    """Fetch the files of the model that *wanted* names into the hub's cache."""
    meant = target(wanted)
    hub = hub_from(environ, home)
    try:
        return _pull(hub, meant, wanted.quant, HubCache(cache_folder(environ, home)), tell)
    except EngineError as failed:
        if failed.code != "network_failed":
            raise
        hint = f"{failed.hint} Another program fetches it so: {_other_line(wanted, meant)}"
        raise EngineError(str(failed), hint=hint, code=failed.code) from None
    finally:
        hub.web.close()


def _other_line(wanted: Wanted, meant: HubModel) -> str:
    """The line by which another program fetches the model: Ollama where it has a name there."""
    try:
        return elsewhere(look_up(wanted)[0], wanted.reference)
    except InputError:
        return f"hf download {meant.repo}" + (f" --include '*{meant.quant}*'" if meant.quant else "")


def _pull(hub: Hub, meant: HubModel, quant: str | None, cache: HubCache, tell: Tell) -> Pulled:
    repo = hub.repo(meant)
    if not any(file.path.lower().endswith(".gguf") for file in repo.files):
        raise InputError(
            f"hf.co/{meant.repo} holds no GGUF file", hint=f"To fetch its checkpoint: hf download {meant.repo}"
        )
    files = files_of(repo, meant, quant)
    found = cache.pull(hub, repo, files, meant.revision, tell)
    return Pulled(meant.name, repo.name, repo.commit, tuple(found))


def target(wanted: Wanted) -> HubModel:
    """The files on the hub that *wanted* means; raises with the line that fetches it otherwise."""
    reference = wanted.reference
    if reference == shipped.NAME:
        raise InputError(f"{reference} comes with aidx", hint=f"Plan it: aidx plan {reference}")
    if reference.endswith(".gguf") and parse(reference) is None:
        raise InputError(f"{reference} is a path, not a model to fetch", hint="Give hf.co/ORG/REPO:QUANT.")
    meant = parse(reference)
    if isinstance(meant, WebFile):
        raise InputError(
            f"{meant.name} is not on the hub: no checksum is known",
            hint=f"Fetch it unchecked: {web_line(meant)} && aidx plan ./{shlex.quote(meant.name)}",
        )
    if meant is not None:
        return meant
    try:
        entry, quant = look_up(wanted)
    except InputError as unknown:
        if unknown.code == "cloud_model":
            said = str(unknown).removesuffix("to plan")
            raise InputError(f"{said}to fetch", hint=unknown.hint, code=unknown.code) from None
        plain = tagged(reference)
        if plain is not None:
            return plain
        if not _OLLAMA.fullmatch(reference) or len(reference) > SHOWN:
            raise
        line = f"{unknown.hint} Where Ollama knows it: ollama pull {reference}"
        raise type(unknown)(str(unknown), hint=line, code=unknown.code) from None
    repo = repository(entry, quant)
    if repo is None:
        raise EngineError(
            f"no file of {reference} on the hub is known to the catalogue",
            hint=f"Fetch it: {fetch_line(entry, quant, reference)}",
            code="model_not_here",
        )
    return HubModel(repo, quant=quant)
