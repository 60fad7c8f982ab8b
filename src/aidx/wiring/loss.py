"""Builds what ``aidx loss`` needs: models behind the engine, texts, fingerprints, and where results are kept."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from aidx.errors import InputError

if TYPE_CHECKING:
    from aidx.adapters.llama.logits import EngineLogits
    from aidx.budget.divergence import Divergence, Scored
    from aidx.budget.fingerprint import Fingerprint
    from aidx.budget.paired import Pair
    from aidx.model.spec import ModelSpec
    from aidx.stress.loss import Reading, Tell

SEED = 20261128  # of the bootstrap: the same measurement gives the same interval
TASK_TOKENS = 512  # of context: the longest task has about a hundred
MOST_TEXT = 64 << 20
MOST_FINGERPRINT = 1 << 30


class Setup(Struct, frozen=True):
    """What is measured: the model, its cache types, threads (``None``: the cores that this process may use)."""

    model: str
    cache_type_k: str = "f16"
    cache_type_v: str = "f16"
    threads: int | None = None


def file_of(reference: str) -> "ModelSpec":
    """The model that *reference* names, which is a file here; ``EngineError`` where it is not."""
    from msgspec.structs import replace

    from aidx.wiring.models import resolve
    from aidx.wiring.quantize import file_of as path_of

    return replace(resolve(reference).model, path=path_of(reference))


def default_text() -> str:
    """The text that is read when no other is named: code and chat."""
    from aidx.adapters.stores import shipped

    return shipped.loss_text()


def read_text(path: str) -> str:
    """The text at *path*; ``InputError`` where it cannot be read or is none."""
    from aidx.userfile import read_text as read

    return read(path, "a text file", MOST_TEXT)


def read_fingerprint(path: str) -> "Fingerprint | None":
    """The fingerprint at *path*, ``None`` where a model stands there; ``InputError`` for a broken one."""
    import os

    from aidx.budget.fingerprint import MAGIC, parse
    from aidx.userfile import opened, read_bytes

    if not os.path.isfile(path):  # noqa: PTH113 - unlike that of Path, false for a name that no file system takes
        return None
    with opened(path, "a fingerprint") as found:
        if os.read(found.handle, len(MAGIC)) != MAGIC:
            return None
    try:
        return parse(read_bytes(path, "a fingerprint", MOST_FINGERPRINT))
    except InputError as error:
        raise InputError(f"{path}: {error}", hint=error.hint) from None


def check_file(path: str) -> None:
    """``InputError`` where *path* can be no file: said before the work, not after it."""
    from aidx.adapters.write import check_target

    check_target(path)


def write_fingerprint(path: str, of: "Fingerprint") -> int:
    """Write *of*, whole or not at all; how many bytes it has."""
    from aidx.adapters.write import write_bytes
    from aidx.budget.fingerprint import render

    raw = render(of)
    write_bytes(path, raw)
    return len(raw)


def logits(setup: Setup, reference: str | None, n_ctx: int) -> "EngineLogits":
    """The models in a child: that of *setup*, and the file of *reference* with an f16 cache where there is one."""
    import os

    from aidx.adapters.llama.logits import EngineLogits, Side

    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    sides = [Side(setup.model, setup.cache_type_k, setup.cache_type_v)]
    if reference is not None:
        sides.append(Side(reference))
    return EngineLogits(sides, n_ctx, setup.threads or mine)


def measured(setup: Setup, reference: "str | Fingerprint", reading: "Reading", tell: "Tell") -> "list[Scored]":
    """Token by token, the model of *setup* against *reference*: the path of a model, or a fingerprint."""
    from aidx.stress.loss import against_fingerprint, against_model

    if isinstance(reference, str):
        with logits(setup, reference, reading.window) as engine:
            return against_model(engine, reading, tell)
    with logits(setup, None, reference.about.window) as engine:
        if engine.vocabulary() != reference.about.vocabulary:
            raise InputError(
                f"the fingerprint is of a vocabulary of {reference.about.vocabulary:,}, the model has another",
                hint="Take the fingerprint of the same model.",
            )
        return against_fingerprint(engine, reference, tell)


def on_tasks(setup: Setup, reference: str, count: int, seed: int, tell: "Tell") -> "list[Pair]":
    """The model of *setup* and the file at *reference* at *count* tasks made from *seed*."""
    import random

    from aidx.stress.loss import on_tasks as run
    from aidx.stress.tasks import tasks

    made = tasks(count, random.Random(seed).randrange)  # noqa: S311 - tasks, no secret
    with logits(setup, reference, TASK_TOKENS) as engine:
        _, _, same = engine.tokenize(default_text())
        if not same:
            raise InputError("the model and its reference have different vocabularies", hint="Name the same model.")
        return run(engine, made, tell)


def fingerprint(setup: Setup, model: "ModelSpec", reading: "Reading", tell: "Tell") -> "Fingerprint":
    """The fingerprint of *model*."""
    import hashlib
    import random

    from aidx.adapters.losses import digest
    from aidx.budget.fingerprint import About
    from aidx.stress import loss

    with logits(setup, None, reading.window) as engine:
        vocabulary = engine.vocabulary()
        sha256 = digest(parts(model))
        text = hashlib.sha256(reading.text.encode()).hexdigest()

        def about(count: int) -> About:
            return About(model.name, sha256, text, vocabulary, reading.window, count)

        return loss.fingerprint(engine, reading, about, tell, random.Random(SEED).random)  # noqa: S311 - no secret


def chance() -> Callable[[int], int]:
    """The draws of the bootstrap."""
    import random

    return random.Random(SEED).randrange  # noqa: S311 - statistics, no secret


def keep(model: "ModelSpec", found: "Divergence", reference: str) -> bool:
    """Remember what was measured of the file of *model*, so that ``aidx plan`` shows it."""
    from datetime import UTC, datetime

    from aidx.adapters import losses

    assert model.path is not None
    known = losses.Known(
        found.kld_mean,
        *found.kld_ci95,
        found.quality,
        found.tokens,
        reference,
        datetime.now(tz=UTC).date().isoformat(),
        found.at_least,
    )
    return losses.keep(model.path, losses.digest(parts(model)), known)


def same_weights(model: "ModelSpec", other: "ModelSpec") -> bool:
    """Whether both have the same tensors of the same types with the same bytes, whatever else their files say."""
    from aidx.adapters.weights import digests

    assert model.path is not None
    assert other.path is not None
    return digests(model.path) == digests(other.path)


def parts(model: "ModelSpec") -> tuple[str, ...]:
    """The files of *model*."""
    assert model.path is not None
    return model.split_paths or (model.path,)
