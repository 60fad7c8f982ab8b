"""One placement's ledger: closed forms, overlaid with the engine's answer when it was asked."""

from collections.abc import Callable, Generator
from dataclasses import InitVar, dataclass, field

from aidx.budget.allocate import Allocator, Entries
from aidx.budget.ledger import Ledger
from aidx.budget.reconcile import from_engine, reconcile
from aidx.budget.settings import Settings
from aidx.errors import EngineError, InputError
from aidx.model.arch import known
from aidx.model.spec import ModelSpec
from aidx.plan.devices import Machine
from aidx.plan.probe import Answer, Probe, Probed, Unanswered


@dataclass(slots=True)
class Desk:
    """What one planning run has looked up: ledgers by settings, and why the engine was silent.

    A cache of pure results; nothing outside the run sees it. *kin* is the desk of the same model, perhaps at
    another quantization, where there is one: work that both need is done once.
    """

    model: ModelSpec
    machine: Machine
    fast: bool
    silence: str | None = None
    build: str | None = None
    asked: dict[Settings, Ledger] = field(default_factory=dict)
    formed: dict[Settings, Ledger] = field(default_factory=dict)
    arithmetic: Callable[[Settings], Entries] | None = None
    kin: InitVar["Desk | None"] = None

    def __post_init__(self, kin: "Desk | None") -> None:
        if kin is not None and kin.model is self.model and kin.machine == self.machine:
            self.arithmetic, self.formed = kin.arithmetic, kin.formed
        if self.arithmetic is None:
            self.arithmetic = Allocator(self.model, gpus=len(self.machine.gpus), kin=_allocator(kin))

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
            if self.model.layers is None:
                raise InputError(
                    f"architecture '{self.model.architecture}' is unknown to the closed forms",
                    hint=f"Plan without --fast, so that the engine answers (known: {', '.join(known())}).",
                )
            self.formed[settings] = self._ledger(self.allocate(settings))
        return self.formed[settings]

    def ask(self, settings: Settings) -> Generator[Probe, Answer, Ledger]:
        """The ledger with the engine's answer; by closed forms where it is not to be or cannot be asked."""
        if self.fast or self.silence is not None:
            return self.closed(settings)
        if settings not in self.asked:
            probe = Probe(self.model, settings, tuple(device.total for device in self.machine.gpus))
            answer = yield probe
            if isinstance(answer, Unanswered):
                return self._unanswered(answer, settings)
            self.build = answer.build
            self.asked[settings] = self._ledger(self._reconciled(settings, answer))
        return self.asked[settings]

    def best(self, settings: Settings) -> Generator[Probe, Answer, Ledger]:
        """By closed forms where they equal the engine, else as ``ask``.

        With everything on one device they do (``tests/e2e/test_sweep.py``); compute of a split model is a bound.
        """
        whole = not settings.n_cpu_moe and settings.n_gpu_layers in self.whole
        if whole and self.model.layers is not None:
            return self.closed(settings)
        return (yield from self.ask(settings))

    @property
    def whole(self) -> tuple[int, int]:
        """The values of ``n_gpu_layers`` that put everything on one device."""
        return (self.model.block_count + 1,) * 2 if self.machine.gpus else (0, 0)

    def _unanswered(self, answer: Unanswered, settings: Settings) -> Ledger:
        self.silence = answer.reason
        if self.model.layers is not None:
            return self.closed(settings)
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
        if self.model.layers is None:
            return from_engine(self.model, settings, answer.buffers, build=answer.build)
        return reconcile(self.allocate(settings), answer.buffers, build=answer.build)

    def _ledger(self, entries: Entries) -> Ledger:
        return Ledger(tuple(device.account(entries.get(device.name, ())) for device in self.machine.devices))


def _allocator(desk: Desk | None) -> Allocator | None:
    return desk.arithmetic if desk is not None and isinstance(desk.arithmetic, Allocator) else None
