"""Quantizes a file with the pinned engine's own code, in a child process, into a file that is whole or not there.

The output has no name until its last byte is on the disk (``O_TMPFILE``): a run that is killed at any point leaves
nothing behind. Where a file system cannot do that, it is ``.NAME.incomplete`` beside it, held by a lock, and the next
run to the same place begins it anew.
"""

import errno
import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import prod
from pathlib import Path
from subprocess import PIPE, Popen
from typing import IO, Any

from msgspec import Struct

from aidx.adapters.llama.wheel import find_wheel
from aidx.adapters.process import spawn, stop
from aidx.adapters.stores.file import read_header
from aidx.adapters.stores.found import FileHeader
from aidx.adapters.write import HINT as FOLDER
from aidx.adapters.write import check_target
from aidx.errors import AidxError, EngineError, InputError
from aidx.model.quants.imatrix import Imatrix, parse
from aidx.model.quants.recipe import Recipe, Step, recipe
from aidx.userfile import read_bytes

ROOT = str(Path(__file__).parents[3])
BOOT = (
    "import sys; sys.path.append(sys.argv[1]); from aidx.adapters.llama.quantize_child import main; main(sys.argv[2])"
)
TAIL = 4096
MOST_IMATRIX = 4 << 30
HINT = "Install the pinned engine: it is part of aidx-local on Linux x86-64."
NO_TMPFILE = (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL)

Tell = Callable[[int, int], object]
"""Is handed how many bytes of how many are done."""


class Job(Struct, frozen=True):
    """One quantization: the *found* source, the *recipe*, and the *target* path."""

    found: FileHeader
    recipe: Recipe
    target: Path


def prepare(source: str, target: str, file_type: str, *, imatrix: str | None = None, replace: bool = False) -> Job:
    """Read headers and decide everything; nothing is written.

    Raises ``InputError`` for a source that cannot be quantized so, and for a target that is there already (unless
    *replace*), is the source itself, or can be no file.
    """
    found = read_header(source, keep_tokenizer=True)
    place = check_target(target)
    if place.exists():
        if any(os.path.samefile(place, path) for path in found.paths):  # noqa: PTH121 - paths are text here
            raise InputError(f"{target} is the input itself", hint="Name another output file.")
        if not replace:
            raise InputError(f"{target} is there already", hint="Name another file, or replace it with --force.")
    matrix = None if imatrix is None else read_imatrix(imatrix)
    try:
        return Job(found, recipe(found.header, file_type, matrix), place)
    except InputError as error:
        raise InputError(f"{source}: {error}", hint=error.hint) from None


def read_imatrix(path: str) -> Imatrix:
    """The importance matrix at *path*; ``InputError`` where there is none."""
    raw = read_bytes(path, "an importance matrix", MOST_IMATRIX, hint="Name a file of llama-imatrix.")
    return parse(raw, path)


def quantize(job: Job, *, threads: int, tell: Tell) -> None:
    """Write the file; blocks until it is on the disk under its name, or nowhere.

    Raises ``EngineError`` for an engine that is missing or fails, and for a disk that does.
    """
    library = find_wheel().library
    with _unnamed(job.target) as output:
        _reserve(output, job)
        _write_all(output, job.recipe.header)
        with _importance(job.recipe) as importance:
            _convert(job, str(library), output, importance, threads=threads, tell=tell)
        try:
            os.fsync(output)
        except OSError as error:
            raise _disk(job, error) from None


@contextmanager
def _unnamed(target: Path) -> Iterator[int]:
    """A file that gets its name *target* when the block ends well, and is gone otherwise."""
    hidden = target.with_name(f".{target.name}.incomplete")
    try:
        handle = os.open(target.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o666)
        anonymous = True
    except OSError as error:
        if error.errno not in NO_TMPFILE:
            raise _no_file(target, error) from None
        handle, anonymous = _locked(hidden, target), False
    try:
        yield handle
        if anonymous:
            with suppress(FileNotFoundError):
                hidden.unlink()
            # With a folder (which an absolute path ignores) it is linkat, which follows the link to the open file.
            os.link(f"/proc/self/fd/{handle}", hidden, src_dir_fd=handle)
        hidden.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        raise EngineError(f"cannot write {target}: {error.strerror or error}", hint="Check the disk.") from None
    finally:
        if not anonymous:
            hidden.unlink(missing_ok=True)
        os.close(handle)


def _no_file(target: Path, error: OSError) -> AidxError:
    """A full or broken disk is the disk's failure; anything else says that no file can be made there."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EIO}:
        return EngineError(f"cannot write {target}: {error.strerror}", hint="Check the disk.")
    return InputError(f"cannot write {target}: no file can be made in {target.parent} ({error.strerror})", hint=FOLDER)


def _locked(hidden: Path, target: Path) -> int:
    try:
        handle = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        raise _no_file(target, error) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise EngineError(f"another run is writing {hidden}", hint="Wait for it, or name another output.") from None
    os.truncate(handle, 0)
    return handle


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _reserve(output: int, job: Job) -> None:
    """Take the room on the disk before the work: a disk that is too full is known at once."""
    try:
        os.posix_fallocate(output, 0, job.recipe.size)
    except OSError as error:
        if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL}:
            raise _disk(job, error) from None
        os.truncate(output, job.recipe.size)


def _disk(job: Job, error: OSError) -> EngineError:
    return EngineError(
        f"cannot write {job.target}: {error.strerror or error} ({job.recipe.size:,} bytes are needed)",
        hint="Make room, or name a file on another disk.",
    )


def _write_all(handle: int, data: bytes) -> None:
    view, offset = memoryview(data), 0
    while view:
        written = os.pwrite(handle, view, offset)
        view, offset = view[written:], offset + written


@contextmanager
def _importance(of: Recipe) -> Iterator[int]:
    """A file in memory with all importances one after the other."""
    handle = os.memfd_create("importance")
    try:
        place = 0
        for step in of.steps:
            if step.importance is not None:
                place += os.pwrite(handle, step.importance.tobytes(), place)
        yield handle
    finally:
        os.close(handle)


def _convert(job: Job, library: str, output: int, importance: int, *, threads: int, tell: Tell) -> None:
    errors = os.memfd_create("engine-errors")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GGML_", "LLAMA_"))}
    env["GGML_NO_BACKTRACE"] = "1"
    argv = [sys.executable, "-I", "-S", "-c", BOOT, ROOT, library]
    order = {
        "sources": job.found.paths,
        "output": output,
        "importance": importance,
        "threads": threads,
        "steps": list(_steps(job)),
    }
    try:
        child = spawn(argv, env=env, stdin=PIPE, stdout=PIPE, stderr=errors, pass_fds=(output, importance))
        try:
            _follow(child, job, order, errors, tell)
        finally:
            stop(child, grace_s=0)
            for stream in (child.stdin, child.stdout):
                _close(stream)
    except OSError as error:
        raise EngineError(f"the engine's child process cannot be started: {error}", hint=HINT) from None
    finally:
        os.close(errors)


def _close(stream: IO[bytes] | None) -> None:
    with suppress(BrokenPipeError):
        if stream is not None:
            stream.close()


def _follow(child: "Popen[bytes]", job: Job, order: dict[str, Any], errors: int, tell: Tell) -> None:
    assert child.stdin is not None
    assert child.stdout is not None
    total = sum(step.source.bytes for step in job.recipe.steps)
    with suppress(BrokenPipeError):  # it died: its last words say why
        child.stdin.write(json.dumps(order).encode() + b"\n")
        child.stdin.flush()
    for line in child.stdout:
        reply = json.loads(line)
        if "failed" in reply:
            raise _failure(job, reply["failed"])
        if "finished" in reply:
            return
        tell(reply["done"], total)
    raise EngineError(f"the engine died while it quantized: {_last_words(errors)}", hint="Report it with the model.")


def _failure(job: Job, why: str) -> EngineError | InputError:
    source = job.found.paths[0]
    if why == os.strerror(errno.ENOSPC):
        return _disk(job, OSError(errno.ENOSPC, why))
    return InputError(f"{source} cannot be quantized: {why}", hint="Check the file: convert or download it again.")


def _last_words(errors: int) -> str:
    size = os.fstat(errors).st_size
    lines = os.pread(errors, TAIL, max(0, size - TAIL)).decode("utf-8", "replace").strip().splitlines()
    return lines[-1].rpartition("/llama.cpp/")[2].strip() if lines else "it said nothing"


def _steps(job: Job) -> Iterator[list[int | None]]:
    """Each tensor as the child takes it, with places in the files."""
    place = 0
    where = _sources(job.found)
    for step in job.recipe.steps:
        part, start = where[step.source.name]
        importance = None
        if step.importance is not None:
            importance, place = place, place + len(step.importance) * step.importance.itemsize
        yield [part, start, *_numbers(step, len(job.recipe.header)), importance]


def _numbers(step: Step, begin: int) -> tuple[int, ...]:
    shape = step.source.shape
    rows = shape[1] if len(shape) > 1 else 1
    to_offset = begin + step.target.offset
    return (step.source.type.number, to_offset, step.target.type.number, shape[0], rows, prod(shape[2:]))


def _sources(found: FileHeader) -> dict[str, tuple[int, int]]:
    """For each tensor its part and the byte at which its data begins there."""
    return {
        tensor.name: (number, part.size + tensor.offset)
        for number, part in enumerate(found.parts)
        for tensor in part.tensors
    }
