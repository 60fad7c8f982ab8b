"""What a choice is made of, and what comes out: values."""

from collections.abc import Callable

from msgspec import Struct

from aidx.budget.loss import Loss
from aidx.budget.settings import Settings
from aidx.model.catalogue import Cloud, Standing
from aidx.model.spec import ModelSpec
from aidx.plan.need import Need
from aidx.plan.rank import Nearest
from aidx.plan.roles import Role, Suits
from aidx.plan.speed import Speed

QUANTS = ("F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q3_K_M")
CACHES = (("f16", "f16"), ("q8_0", "q8_0"))


class Candidate(Struct, frozen=True):
    """A model that may be chosen, at each of *quants*; *build* makes it at one of them, *path* is its file."""

    name: str
    standing: Standing
    parameters: int
    quants: tuple[str, ...]
    build: Callable[[str], ModelSpec]
    path: str | None = None


class Terms(Struct, frozen=True):
    """What is wanted: *need* with a context, *caches* to try, for a *role* or none in particular.

    *max_loss* bounds the worst published divergence, *min_tps* the tokens a second. *every* lists all that no
    other choice of the same model betters, not only the best of each of the first dozen models. *clouds* are models
    that take no memory here. *trained* leaves out what was not trained for the context; it is always so among many.
    """

    need: Need
    caches: tuple[tuple[str, str], ...] = CACHES
    role: Role | None = None
    max_loss: float | None = None
    min_tps: float | None = None
    every: bool = False
    clouds: tuple[Cloud, ...] = ()
    trained: bool = True


class Tightest(Struct, frozen=True):
    """Of several GPUs the one with the least headroom: its *name*, and what is planned on it."""

    name: str
    planned: int


class Choice(Struct, frozen=True):
    """One way that holds. Bytes are those of the devices that the weights lie on: the GPUs, or the host without one.

    *planned_bytes* is their sum, *headroom_bytes* what is left on the *tightest* of them, which is named where there
    are several.

    For a model of the cloud *quantization* is ``cloud``, and cache types, speed and perhaps the longest context are
    ``None``. *suits* is ``None`` where no role was named. *fetch* is the command that brings its file here.
    """

    model: str
    standing: Standing
    parameters: int | None
    quantization: str
    cache_type_k: str | None
    cache_type_v: str | None
    ctx_size: int
    max_ctx_size: int | None
    planned_bytes: int
    headroom_bytes: int
    loss: Loss
    speed: Speed | None
    settings: Settings | None
    suits: Suits | None
    placement: str
    tightest: Tightest | None = None
    path: str | None = None
    fetch: str = ""

    @property
    def standing_said(self) -> str:
        """Why it is right or wrong for the role; without one, what it is."""
        if self.suits is not None:
            return self.suits.why
        return f"{self.standing.adherence}: {self.standing.adherence_source.removeprefix('model card: ')}"

    @property
    def why(self) -> str:
        """The same, where it lies, and how sure its speed is, in one line."""
        said = f"{self.standing_said}; {self.placement}"
        return said if self.speed is None else f"{said}; speed {self.speed.grade}: {self.speed.why}"


class Chosen(Struct, frozen=True):
    """The *choices*, best first, out of *held* that hold and pass; *better* of those are bettered by no other.

    *models* is how many different ones hold, *unsuited* those that were not looked at, because they are not right
    for the role. *nearest* says what comes nearest where nothing is left; *notes* what a person must read first.
    """

    choices: tuple[Choice, ...]
    held: int
    better: int
    models: int
    unsuited: tuple[tuple[str, Suits], ...] = ()
    nearest: Nearest | None = None
    notes: tuple[str, ...] = ()
