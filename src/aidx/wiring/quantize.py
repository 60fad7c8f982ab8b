"""Builds what ``aidx quantize`` needs: the source's files, the recipe, the engine's child."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aidx.errors import EngineError, InputError

if TYPE_CHECKING:
    from aidx.adapters.llama.quantize import Job, Tell
    from aidx.model.spec import ModelSpec


def file_of(reference: str) -> str:
    """The path of the model that *reference* names; ``EngineError`` for one that is known and not here."""
    from aidx.wiring.models import resolve

    model = resolve(reference).model
    if model.path is None:
        raise EngineError(
            f"{model.name} is known and not on this machine",
            hint=f"Fetch it: {model.fetch}; or name a .gguf file.",
            code="model_not_here",
        )
    return model.path


def quantization(
    reference: str, target: str, file_type: str, *, imatrix: str | None = None, replace: bool = False
) -> "Job":
    """The quantization of the model that *reference* names, decided and not begun; raises as its parts do."""
    from aidx.adapters.llama.quantize import prepare

    return prepare(file_of(reference), target, file_type, imatrix=imatrix, replace=replace)


def quantize(job: "Job", tell: "Tell", *, threads: int | None = None) -> None:
    """Write the file of *job*, whole or not at all; blocks until it is on the disk."""
    import os

    from aidx.adapters.llama.quantize import quantize as run

    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    run(job, threads=threads or mine, tell=tell)


def predicted(source: str, file_type: str) -> "ModelSpec":
    """The model that quantizing the file at *source* to *file_type* would make, without making it."""
    from pathlib import Path

    from aidx.adapters.stores.file import read_header
    from aidx.model.build import from_header
    from aidx.model.gguf.reader import NEED_DATA, Reader, keeps_every_array
    from aidx.model.quants.recipe import recipe

    try:
        made = recipe(read_header(source, keep_tokenizer=True).header, file_type)
    except InputError as error:
        raise InputError(f"{source}: {error}", hint=error.hint) from None
    reader = Reader(made.size, keep=keeps_every_array)
    reader.feed(made.header)
    header = reader.next()
    assert header is not NEED_DATA
    return from_header(header, name=f"{Path(source).stem}-{made.file_type}", source="file", file_bytes=made.size)


def stem(source: str) -> str:
    """The name of the file at *source* without what says its type."""
    import re
    from pathlib import Path

    return re.sub(r"[-_.](bf16|f16|f32)$", "", Path(source).stem, flags=re.IGNORECASE)


def check_free(folder: str, names: Iterable[str]) -> None:
    """``InputError`` where something in *folder* has one of *names* already: said before the work, not after it."""
    from pathlib import Path

    taken = next((name for name in names if (Path(folder) / name).exists()), None)
    if taken is not None:
        raise InputError(f"{Path(folder) / taken} is there already", hint="Name another folder with --keep.")


@contextmanager
def scratch(folder: str) -> Iterator[str]:
    """A folder inside *folder* that is gone at the end; ``InputError`` where none can be made."""
    from shutil import rmtree
    from tempfile import TemporaryDirectory

    try:
        place = TemporaryDirectory(prefix=".aidx-measure-", dir=folder)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}", hint="Name a folder that you may write to.") from None
    try:
        with place as path:
            yield path
    finally:
        rmtree(place.name, ignore_errors=True)  # an interrupt may have come while it was taken away


def settled(path: str, folder: str, name: str) -> str:
    """Give the file at *path* its place *name* in *folder*, unless something is there; where it is now."""
    import os
    from pathlib import Path

    target = Path(folder) / name
    try:
        os.link(path, target)
    except FileExistsError:
        raise InputError(f"{target} is there already", hint="Name another folder with --keep.") from None
    except OSError:  # a file system without hard links
        Path(path).rename(target)
    return str(target)


@contextmanager
def keeping(folder: str) -> Iterator[Callable[[str, str], str]]:
    """``settled`` into *folder*, taken back where what is done meanwhile does not end: it would bar the next try."""
    from pathlib import Path

    mine: list[tuple[Path, int]] = []

    def keep(path: str, name: str) -> str:
        mine.append((Path(folder) / name, Path(path).stat().st_ino))
        return settled(path, folder, name)

    done = False
    try:
        yield keep
        done = True
    finally:  # an interrupt may come at any moment
        for target, number in () if done else mine:
            if target.exists() and target.stat().st_ino == number:
                target.unlink()
