"""The ports: what the flow needs of the world, each a small protocol.

Only ``wiring`` builds what stands behind them. Every implementation, fakes too, passes the same contract
tests (``tests/contract``).
"""

from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct

from aidx.budget.ledger import Entry
from aidx.budget.settings import Settings
from aidx.errors import CheckError
from aidx.model.found import Resolved, Wanted
from aidx.patterns import prompt
from aidx.plan.files import NO_FILES, Files
from aidx.plan.probe import Answer, Probe

if TYPE_CHECKING:  # only those who look into stores, or measure, pay for it
    from collections.abc import Sequence

    from aidx.budget.divergence import Scored, Top
    from aidx.model.stored import Damaged, Stored


class Prober(Protocol):
    """Something that can say what the engine would allocate."""

    def ask(self, probe: Probe) -> Answer:
        """Answer *probe*; blocks for about 0.1 s, never raises for an engine that fails or is missing."""
        ...

    def close(self) -> None:
        """End the child process, if one was started; asking again starts another."""
        ...


Kind = prompt.Kind
Precision = prompt.Precision
Counting = prompt.Counting
Enforced = Literal["llguidance", "json_schema", "documented", "none"]
"""How an engine holds an answer to a schema: by a grammar of llguidance's, by its own reading of a JSON Schema, as its
service says of itself and nobody has tried, not."""


class Launch(Struct, frozen=True):
    """What an engine is started with: a model file, the name it answers to, the planned settings.

    *threads* ``None`` takes the physical cores that this process may use; *beside* are files that are loaded along:
    none of them lies on a GPU where none of the model does, and all of a draft model does where some of the model
    does. With *embedding* it turns texts into vectors and answers nothing else. With *urls* the engine runs already,
    there: it is attached to, with *key* where it wants one, and *path* is empty unless the model is a file here as
    well. *under* is a command that the engine's own is appended to: it sets a ceiling and then becomes the engine.
    *trained* is where the model's training ends its sequences; *counting* is how a service's prompts are counted.
    """

    path: str
    name: str
    settings: Settings
    threads: int | None = None
    beside: Files = NO_FILES
    embedding: bool = False
    urls: tuple[str, ...] = ()
    key: str | None = None
    under: tuple[str, ...] = ()
    trained: int | None = None
    counting: Counting = "estimated"

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name != "key")
        return f"Launch({', '.join(shown)})"


class Patience(Struct, frozen=True):
    """How many seconds an engine may be silent before its answer begins, and between two pieces of it.

    *lasts_s* is what an answer in one piece may take altogether, at the speed of the latest ones; 0 where it may come
    in pieces.
    """

    first_s: float = 600.0
    between_s: float = 300.0
    lasts_s: float = 0.0


PATIENCE = Patience()


class Allocated(Struct, frozen=True):
    """What a running engine says that it allocated, by device (``gpu0``, …, ``host``).

    Entries are graded ``measured`` and true to *resolution* bytes each; several of one kind (two buffer
    types, two caches of a sliding-window model) stand beside each other. *resident* is the memory of the
    engine's process when it was asked (0: not ours to see); *build* names the engine. *assumed* are settings that it
    does not tell: they are taken to be as planned.
    """

    devices: Mapping[str, tuple[Entry, ...]]
    n_ctx: int
    build: str
    resolution: int
    resident: int
    assumed: tuple[str, ...] = ()


class Tokenizer(Protocol):
    """Something that counts what a model will read."""

    @property
    def precision(self) -> Precision:
        """What its counts are."""
        ...

    async def count(self, body: bytes, *, kind: Kind = "chat") -> int:
        """Tokens of the prompt that *body*, a request of *kind*, becomes, template and tools included.

        Raises ``InputError`` where the model's template refuses the messages, ``EngineError`` where nobody
        can count.
        """
        ...

    def least(self, size: int) -> int:
        """The fewest tokens that *size* bytes of message text can be; 0 where that is not known."""
        ...


class Chat(Tokenizer, Protocol):
    """One model that answers requests; belongs to the event loop it was first used on."""

    def answer(
        self, body: bytes, *, slot: int, kind: Kind = "chat", patience: Patience = PATIENCE
    ) -> AsyncGenerator[bytes, None]:
        """The answer to *body* as OpenAI's bytes: one JSON object, or server-sent events when it asks for them.

        *slot* (0, 1, …) is the caller's for as long as the generator lives, and ``aclose`` returns only when
        the engine holds nothing of the request any more, or is dead. Raises ``InputError`` for a request that
        the engine refuses (before the first bytes) and ``EngineError`` for an engine that fails at any point;
        its code is ``engine_silent`` for one that tries the caller's *patience*.
        """
        ...

    async def takes_tools(self) -> bool:
        """Whether the model's template says anything of the tools in a request; one that does not drops them."""
        ...

    def enforces(self) -> Enforced:
        """What was seen to hold an answer to a schema when the engine started or was found; never assumed.

        ``llguidance`` takes a field ``grammar`` that begins with ``%llguidance``, ``json_schema`` a
        ``response_format`` as OpenAI's, ``documented`` that too, for narrow schemas.
        """
        ...

    def close(self) -> None:
        """Drop the connections; requests in flight fail."""
        ...


class Deployment(Protocol):
    """A running engine with one model; ``pid`` is its process, ``None`` where it is not ours."""

    @property
    def pid(self) -> int | None:
        """The process to measure."""
        ...

    def chat(self) -> Chat:
        """The way to talk to it, for the running event loop; the caller closes it."""
        ...

    def allocated(self) -> Allocated:
        """Its own account of its buffers."""
        ...

    async def ended(self) -> str:
        """Wait until the engine is gone, for whatever reason, and say why in words."""
        ...

    def stop(self) -> None:
        """End it and wait until it is gone, a few seconds at most; stopping twice is allowed."""
        ...


class RefusedPathError(CheckError):
    """A path that a workspace does not touch; *reason* says which rule it breaks."""

    code = "path_refused"

    def __init__(self, reason: Literal["not_allowed", "outside_root"], detail: str) -> None:
        super().__init__(detail, hint="Name a regular file below the root, by its own path.")
        self.reason: Literal["not_allowed", "outside_root"] = reason
        self.detail = detail


class Grounds(Struct, frozen=True):
    """What was around files: folders above them that were *missing*, the innermost first, and the files' *modes*."""

    missing: tuple[str, ...] = ()
    modes: Mapping[str, int] = {}


class Back(Struct, frozen=True):
    """How files are put back: with their *modes*; what stands in the place of *blocked* ones is moved into *aside*."""

    modes: Mapping[str, int] = {}
    blocked: tuple[str, ...] = ()
    aside: str = ""


class Workspace(Protocol):
    """A tree of files that is changed as a whole or not at all; paths are relative, ``/`` between their parts.

    No link is ever followed. One process at a time holds it.
    """

    def read(self, path: str) -> bytes | None:
        """The bytes of the file at *path*, ``None`` where there is none.

        Raises ``RefusedPathError`` for a path that leaves the tree, goes through a link or names no regular file.
        """
        ...

    def write(
        self, changes: Mapping[str, bytes | None], before: Mapping[str, bytes | None], back: Back | None = None
    ) -> tuple[tuple[str, str], ...]:
        """Give each file of *changes* its new bytes (``None``: delete it), all of them or none.

        *before* holds what was read of each (``None`` for one that is blocked); a file that changed since is a
        ``CheckError``, and nothing is written. A process that dies at any point leaves a tree that the next one
        finishes or finds unchanged. Until ``close`` no other process writes. Returns what was moved aside, and where
        to; it is never followed nor deleted.
        """
        ...

    def grounds(self, paths: Iterable[str]) -> Grounds:
        """What is around *paths* now."""
        ...

    def prune(self, folders: Iterable[str]) -> None:
        """Delete those of *folders* that are empty; the innermost come first."""
        ...

    def close(self) -> None:
        """Let another process have it."""
        ...


class Records(Protocol):
    """What one run leaves on the disk: files that only grow, or are written once, under names without folders."""

    @property
    def name(self) -> str:
        """What the run is called."""
        ...

    def read(self, name: str) -> bytes | None:
        """The bytes of the file *name*, ``None`` where there is none."""
        ...

    def append(self, name: str, data: bytes, *, sync: bool = True) -> None:
        """Put *data* at the end of the file *name*: safe from a kill when this returns, on the disk with *sync*."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Give the file *name* the bytes *data*, whole or not at all."""
        ...

    def close(self) -> None:
        """Let another process go on with the run."""
        ...


class Ran(Struct, frozen=True):
    """What became of a command: its exit *status* (negative: the signal that ended it), ``None`` after the timeout.

    *output* is standard output and error together; of a long one the middle is left out, and says so.
    """

    status: int | None
    output: str


class Errand(Struct, frozen=True):
    """Work for a program that edits: a *message*, the *files* it sees (``None``: to be made), the *path* to change."""

    message: str
    files: Mapping[str, bytes | None]
    path: str


class Worked(Struct, frozen=True):
    """What became of an errand: every file that is not as it was given, and what the program *said*."""

    files: Mapping[str, bytes | None]
    said: str


class Program(Protocol):
    """A program that edits files by itself, in a working tree of its own."""

    def work(self, errand: Errand) -> Worked:
        """Let it do *errand*; blocks until it ends or its time is over, and nothing of it goes on running.

        What it says of its success counts for nothing. Raises ``EngineError`` where it cannot be started.
        """
        ...


class Checker(Protocol):
    """Runs the commands that the user configured, and no others."""

    def run(self, argv: tuple[str, ...]) -> Ran:
        """Run *argv*, without a shell and in a process group of its own, of which nothing is left running.

        Blocks until it ends or its time is over. Raises ``EngineError`` where it cannot be started.
        """
        ...


class Repository(Protocol):
    """The version control that a tree is under."""

    def check(self, paths: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Raise ``InputError`` where *paths* could not be committed; those that have uncommitted edits by now."""
        ...

    def commit(self, message: str, paths: tuple[str, ...]) -> str:
        """Commit *paths* as they are now, and nothing else; the commit's name, the old one if it was made before.

        Raises ``CheckError`` where it is refused, by a hook say.
        """
        ...


class Engine(Protocol):
    """Something that can run a model."""

    def start(self, launch: Launch) -> Deployment:
        """Load the model and wait until it has answered a request of one token; blocks for as long as that takes.

        One that runs already is read back instead, where it says anything of itself. Raises ``EngineError`` when the
        engine is missing, cannot load the model, or sees no GPU where layers were planned on one, ``BudgetError``
        when one that runs already has less context than planned. Nothing of ours is left running then.
        """
        ...


class Source(Protocol):
    """A place where models are found: a folder, the stores on this machine, the catalogue, the hub."""

    def find(self, wanted: Wanted) -> Resolved | None:
        """The model that *wanted* names, ``None`` where it names nothing here; may block on disk or network.

        Raises ``InputError`` for a name that is ours and wrong, ``EngineError`` for one that is known and
        cannot be had.
        """
        ...


class Store(Protocol):
    """The models that another program keeps on this machine, read as they are and never changed."""

    def find(self, reference: str) -> "Stored | Damaged | None":
        """What *reference* names, ``None`` where it names nothing; never raises, whatever the files hold."""
        ...

    def models(self) -> "Iterable[Stored | Damaged]":
        """Everything in it; never raises, whatever the files hold."""
        ...


class Logits(Protocol):
    """What one or two loaded models think of text: side 0 is the one that is measured, side 1 its reference.

    Positions count from 0; a row is for the token that follows position *first*, and so on to the last. Natural
    logarithms. Each call blocks while the engine reads, and raises ``EngineError`` where it fails.
    """

    def tokenize(self, text: str) -> tuple[list[int], int | None, bool]:
        """The tokens of *text*, the one that begins a text (where there is one), and whether both sides agree."""
        ...

    def compare(self, tokens: "Sequence[int]", first: int) -> "list[Scored]":
        """Both sides against each other."""
        ...

    def score(self, tokens: "Sequence[int]", first: int, side: int = 0) -> list[float]:
        """The negative log-likelihood of each token."""
        ...

    def top(self, tokens: "Sequence[int]", first: int, count: int, draws: "Sequence[Sequence[float]]") -> "list[Top]":
        """Of side 0: the *count* likeliest tokens, and of the others one for each of the *draws* of a row (0 to 1)."""
        ...

    def look(
        self, tokens: "Sequence[int]", first: int, ids: "Sequence[Sequence[int]]"
    ) -> list[tuple[float, int, list[float]]]:
        """Of side 0: negative log-likelihood, first choice, and the log-probabilities of the *ids* of each row."""
        ...
