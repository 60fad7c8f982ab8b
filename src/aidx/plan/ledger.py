"""One placement's ledger: closed forms, overlaid with the engine's answer when it was asked."""

from collections.abc import Callable, Generator

from msgspec import Struct, field

from aidx.budget.allocate import Allocator, Entries
from aidx.budget.ledger import Ledger
from aidx.budget.settings import Settings
from aidx.errors import EngineError, InputError
from aidx.model.arch import known
from aidx.model.spec import ModelSpec
from aidx.plan.beside import NOTHING, Beside
from aidx.plan.devices import Machine
from aidx.plan.probe import Answer, Probe, Probed, Unanswered


class Desk(Struct, eq=False):
    """What one planning run has looked up: entries by settings, and why the engine was silent.

    A cache of pure results; nothing outside the run sees it. *kin* is the desk of the same model, perhaps at
    another quantization, where there is one: work that both need is done once. With *spreads* the split over several
    GPUs is left to the plan.
    """

    model: ModelSpec
    machine: Machine
    fast: bool
    silence: str | None = None
    beside: Beside = NOTHING
    build: str | None = None
    asked: dict[Settings, Ledger] = field(default_factory=dict)
    formed: dict[Settings, Ledger] = field(default_factory=dict)
    arithmetic: Callable[[Settings], Entries] | None = None
    kin: "Desk | None" = None
    spreads: bool = False
    _draft: "Desk | None" = None
    _projected: dict[int, Probed | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kin, self.kin = self.kin, None  # only its work is of use
        if kin is not None and kin.model is self.model and kin.machine == self.machine:
            self.arithmetic, self.formed = kin.arithmetic, kin.formed
        if self.arithmetic is None:
            self.arithmetic = Allocator(self.model, gpus=len(self.machine.gpus), kin=_allocator(kin))
        if self.beside.draft is not None:
            self._draft = Desk(self.beside.draft, self.machine, self.fast, silence=self.silence)

    def allocate(self, settings: Settings) -> Entries:
        """The entries by closed forms; the engine's own, where it has others than llama.cpp."""
        assert self.arithmetic is not None
        return self.arithmetic(settings)

    def reads(self, settings: Settings) -> dict[str, int]:
        """Bytes of weights that one token reads on each device; empty for an engine with an arithmetic of its own."""
        return self.arithmetic.reads(settings) if isinstance(self.arithmetic, Allocator) else {}

    def closed(self, settings: Settings) -> Ledger:
        """The ledger by closed forms alone."""
        if settings not in self.formed:
            self.formed[settings] = self.machine.ledger(self.closed_entries(settings), settings.n_ctx)
        return self.formed[settings]

    def standing(self, settings: Settings) -> Ledger:
        """The ledger without the graph and what is beside the model, cheap to have: how bytes move with layers."""
        if isinstance(self.arithmetic, Allocator):
            return self.machine.ledger(self.arithmetic.standing(settings), settings.n_ctx)
        return self.closed(settings)

    def closed_entries(self, settings: Settings) -> Entries:
        """The entries by closed forms, companions too."""
        if self.model.layers is None:
            raise InputError(
                f"architecture '{self.model.architecture}' is unknown to the closed forms",
                hint=f"Plan without --fast, so that the engine answers (known: {', '.join(known())}).",
            )
        entries = self._with_companions(self.allocate(settings), settings)
        if self._draft is None:
            return entries
        return self._with_draft(entries, self._draft.closed_entries(self._drafted(settings)))

    def ask(self, settings: Settings) -> Generator[Probe, Answer, Ledger]:
        """The ledger with the engine's answer; by closed forms where it is not to be or cannot be asked."""
        if self.fast or self.silence is not None:
            return self.closed(settings)
        if settings not in self.asked:
            entries = yield from self.asked_entries(settings)
            if entries is None:
                return self.closed(settings)
            self.asked[settings] = self.machine.ledger(entries, settings.n_ctx)
        return self.asked[settings]

    def asked_entries(self, settings: Settings) -> Generator[Probe, Answer, Entries | None]:
        """The entries with the engine's answer; ``None`` where it gave none and closed forms must do."""
        answer = yield Probe(self.model, settings, self._sizes)
        if isinstance(answer, Unanswered):
            self._unanswered(answer)
            return None
        self.build = answer.build
        sizes = self._sizes if settings.n_gpu_layers else ()
        if self.beside.projector is not None and len(sizes) not in self._projected:
            found = yield Probe(self.model, settings, sizes, self.beside.projector)
            self._projected[len(sizes)] = found if isinstance(found, Probed) else None
        entries = self._with_companions(self._reconciled(settings, answer), settings)
        if self._draft is None:
            return entries
        drafted = self._drafted(settings)
        its = None if self._draft.whole_on_one(drafted) else (yield from self._draft.asked_entries(drafted))
        return self._with_draft(entries, self._draft.closed_entries(drafted) if its is None else its)

    def _drafted(self, settings: Settings) -> Settings:
        from aidx.plan.companions import draft_settings  # noqa: PLC0415 - see below

        assert self._draft is not None
        return draft_settings(self._draft.model, settings, gpus=len(self.machine.gpus))

    def _with_draft(self, entries: Entries, its: Entries) -> Entries:
        from aidx.plan.companions import with_draft  # noqa: PLC0415 - see below

        assert self._draft is not None
        return with_draft(entries, self._draft.model, its)

    def _with_companions(self, entries: Entries, settings: Settings) -> Entries:
        if not self.beside.loras and self.beside.projector is None:
            return entries
        from aidx.plan.companions import with_loras, with_projector  # noqa: PLC0415 - most plans have none

        gpus = len(self.machine.gpus)
        entries = with_loras(entries, self.beside, self.model, settings, gpus=gpus)
        used = gpus if settings.n_gpu_layers else 0  # where no layer lies on a GPU the projector does not either
        return with_projector(entries, self.beside, self._projected.get(used), gpus=used)

    @property
    def _sizes(self) -> tuple[int, ...]:
        return tuple(device.total for device in self.machine.gpus)

    def best(self, settings: Settings) -> Generator[Probe, Answer, Ledger]:
        """By closed forms where they equal the engine, else as ``ask``.

        With everything on one device they do (``tests/e2e/test_sweep.py``); compute of a split model is a bound.
        """
        if self.whole_on_one(settings):
            return self.closed(settings)
        return (yield from self.ask(settings))

    def whole_on_one(self, settings: Settings) -> bool:
        """Whether everything lies on one device and closed forms equal the engine."""
        whole = not settings.n_cpu_moe and settings.n_gpu_layers in self.whole
        alone = len(self.machine.gpus) < 2 or settings.split_mode == "none"
        return whole and alone and self.model.layers is not None

    @property
    def whole(self) -> tuple[int, int]:
        """The values of ``n_gpu_layers`` that leave no layer on another kind of device."""
        return (self.model.block_count + 1,) * 2 if self.machine.gpus else (0, 0)

    def _unanswered(self, answer: Unanswered) -> None:
        """Remember that the engine is silent; raises where only it could have answered."""
        self.silence = answer.reason
        if self.model.layers is not None:
            return
        if answer.refused:
            raise InputError(
                f"{self.model.name}: neither aidx nor the engine knows architecture "
                f"'{self.model.architecture}': {answer.reason}",
                hint=f"Known to aidx: {', '.join(known())}; the engine knows more, but not this one.",
            )
        raise EngineError(
            f"architecture '{self.model.architecture}' is known to the engine only, and it could not be asked: "
            f"{answer.reason}",
            hint="Install the pinned engine on Linux x86-64, or plan a model of a known architecture.",
        )

    def _reconciled(self, settings: Settings, answer: Probed) -> Entries:
        from aidx.budget.reconcile import from_engine, reconcile  # noqa: PLC0415 - only where the engine answered

        if self.model.layers is None:
            return from_engine(self.model, settings, answer.buffers, build=answer.build)
        return reconcile(self.allocate(settings), answer.buffers, build=answer.build)


def _allocator(desk: Desk | None) -> Allocator | None:
    return desk.arithmetic if desk is not None and isinstance(desk.arithmetic, Allocator) else None
