"""``aidx choose MODEL --measure``: quantizes, measures loss and speed here, proves the winner and keeps its file."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from aidx.errors import BudgetError, InputError
from aidx.plan.devices import Machine
from aidx.plan.measured import Measure, Way, search
from aidx.plan.need import Need

if TYPE_CHECKING:
    from aidx.budget.divergence import Divergence
    from aidx.budget.proof import Proof
    from aidx.plan.result import Plan
    from aidx.stress.subject import Subject

TYPES = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q3_K_M", "Q2_K")
CACHES = (("f16", "f16"), ("q8_0", "q8_0"))
TURNS = 6  # of conversation that a speed is measured over

Tell = Callable[[str], object]


class Bounds(NamedTuple):
    """What is asked for: most mean divergence, least tokens a second."""

    max_loss: float | None
    min_tps: float | None


class Ask(Struct, frozen=True):
    """What is chosen from: the F16 *model*, what it needs and what there is; *keep* is the winner's folder."""

    model: str
    need: Need
    machine: Machine
    options: Mapping[str, Any]
    typed: bool
    keep: str
    tell: Tell


class Figures(Struct):
    """What was measured of each way."""

    loss: "dict[Way, Divergence]" = field(default_factory=dict)
    speed: dict[Way, float] = field(default_factory=dict)


def run(ask: Ask, bounds: Bounds) -> tuple[dict[str, Any], str]:
    """``aidx.choose-measured/1`` and the verdict of the proof.

    Raises ``InputError`` for a model that cannot be quantized and a file that is there already, ``BudgetError`` where
    nothing keeps to *bounds*.
    """
    from aidx.wiring import quantize as wiring

    if any(name != "files" and value for name, value in ask.options.items()) or ask.options["files"].any:
        raise InputError("--measure starts from one F16 file", hint="Leave --quant, --lora, --mmproj and the like out.")
    source = wiring.file_of(ask.model)
    ways = _ways(ask, source)
    names = {way: f"{wiring.stem(source)}-{way.quantization}.gguf" for way in ways}
    wiring.check_free(ask.keep, names.values())
    figures = Figures()
    with wiring.keeping(ask.keep) as keep:
        with wiring.scratch(ask.keep) as folder:
            files = _Files(source, folder, ask)
            winner = _searched(ways, bounds, files, figures)
            files.loss(winner, figures)  # what is chosen is measured in any case
            target = keep(files.path(winner), names[winner])
        _keep_loss(source, target, winner, figures)
        subject, proof = _proved(ask, winner, target)
    figures.speed[winner] = proof.evidence.tokens_per_second
    return _report(ask, figures, winner, target, subject, proof), proof.verdict


def _searched(ways: tuple[Way, ...], bounds: Bounds, files: "_Files", figures: Figures) -> Way:
    steps = search(ways, max_loss=bounds.max_loss, min_tps=bounds.min_tps)
    try:
        request = next(steps)
        while True:
            request = steps.send(_answer(request, files, figures))
    except StopIteration as stop:
        winner: Way = stop.value
    return winner


def _keep_loss(source: str, target: str, winner: Way, figures: Figures) -> None:
    """Let ``aidx plan`` show what was measured of the file that is kept."""
    from aidx.wiring import loss as wiring

    if (winner.cache_type_k, winner.cache_type_v) == ("f16", "f16"):
        wiring.keep(wiring.file_of(target), figures.loss[winner], source)


def _answer(request: Measure, files: "_Files", figures: Figures) -> float:
    if request.what == "loss":
        return files.loss(request.way, figures).kld_mean
    return files.speed(request.way, figures)


def _ways(ask: Ask, source: str) -> tuple[Way, ...]:
    """What holds by arithmetic, largest first: each type with the first caches with which it does."""
    from aidx import wiring
    from aidx.advise import plan
    from aidx.wiring.quantize import predicted

    caches = ((ask.need.cache_type_k, ask.need.cache_type_v),) if ask.typed else CACHES
    found = []
    with wiring.asking(ask.need) as prober:
        for kind in TYPES:
            model = predicted(source, kind)
            for key, value in caches:
                need = replace(ask.need, cache_type_k=key, cache_type_v=value)
                if plan(model, need, ask.machine, prober).holds:
                    found.append(Way(kind, key, value, model.file_bytes))
                    break
    if not found:
        raise BudgetError(
            f"no quantization of {ask.model} holds here",
            hint="Give a shorter -c, or see aidx choose without --measure.",
        )
    found.sort(key=lambda way: -way.file_bytes)
    ask.tell(f"{len(found)} of {len(TYPES)} quantizations hold: {', '.join(way.quantization for way in found)}")
    return tuple(found)


class _Files:
    """The files that are tried, made when they are first wanted."""

    def __init__(self, source: str, folder: str, ask: Ask) -> None:
        self._source, self._folder, self._ask = source, folder, ask
        self._made: dict[str, str] = {}

    def path(self, way: Way) -> str:
        """The file of *way*, quantized now if it is not there yet."""
        from aidx.wiring import quantize as wiring

        if way.quantization not in self._made:
            target = f"{self._folder}/{wiring.stem(self._source)}-{way.quantization}.gguf"
            job = wiring.quantization(self._source, target, way.quantization)
            wiring.quantize(job, lambda _done, _total: None)
            self._made[way.quantization] = target
        return self._made[way.quantization]

    def loss(self, way: Way, figures: Figures) -> "Divergence":
        """What *way* costs against the source at an f16 cache."""
        from aidx.budget.divergence import summarise
        from aidx.stress.loss import Reading
        from aidx.wiring import loss as wiring

        if way not in figures.loss:
            setup = wiring.Setup(self.path(way), way.cache_type_k, way.cache_type_v)
            scored = wiring.measured(setup, self._source, Reading(wiring.default_text()), lambda _done, _total: None)
            figures.loss[way] = summarise(scored, wiring.chance())
            self._ask.tell(f"{way.quantization}: KLD {figures.loss[way].kld_mean:.5f}")
        return figures.loss[way]

    def speed(self, way: Way, figures: Figures) -> float:
        """Tokens a second of *way*, started as planned."""
        from aidx.stress.load import Load
        from aidx.stress.run import look
        from aidx.stress.subject import of
        from aidx.wiring import proof as proving

        if way not in figures.speed:
            plan = _plan(self._ask, way, self.path(way))
            seen = look(proving.bench(plan, Load(TURNS)), of(plan), None)
            figures.speed[way] = seen.tokens_per_second
            self._ask.tell(f"{way.quantization}: {seen.tokens_per_second:.1f} tokens a second")
        return figures.speed[way]


def _plan(ask: Ask, way: Way, path: str) -> "Plan":
    from aidx.cli.plan import planned

    need = replace(ask.need, cache_type_k=way.cache_type_k, cache_type_v=way.cache_type_v)
    return planned(path, need, ask.machine, dict(ask.options))


def _proved(ask: Ask, way: Way, path: str) -> "tuple[Subject, Proof]":
    """What is promised of the winner and its proof; what is assumed of the engine's process is measured first."""
    from functools import partial

    from aidx.cli._stress import ready
    from aidx.stress.load import Load
    from aidx.stress.run import prove
    from aidx.wiring import proof as proving

    need = replace(ask.need, cache_type_k=way.cache_type_k, cache_type_v=way.cache_type_v)
    again = partial(_plan, ask, way, path)
    bench = partial(proving.bench, load=Load(), tell=ask.tell)
    subject, made = ready(again(), again, need, ask.machine, bench)
    proof = prove(made, subject)
    proving.keep_proof(proof)
    return subject, proof


def _report(ask: Ask, figures: Figures, winner: Way, path: str, subject: "Subject", proof: "Proof") -> dict[str, Any]:
    settings = subject.settings
    words = [path, "-c", str(settings.ctx_size), "-ctk", winner.cache_type_k, "-ctv", winner.cache_type_v]
    rows = sorted({*figures.loss, *figures.speed}, key=lambda way: -way.file_bytes)
    return {
        "schema": "aidx.choose-measured/1",
        "model": ask.model,
        "measured": [_row(way, figures) for way in rows],
        "winner": {
            **_row(winner, figures),
            "path": path,
            "ctx_size": settings.ctx_size,
            "n_gpu_layers": settings.n_gpu_layers,
            "plan_hash": subject.plan_hash,
            "verdict": proof.verdict,
            "serve": shlex.join(["aidx", "serve", *words]),
            "export": shlex.join(["aidx", "export", "llama-server", *words]),
        },
    }


def _row(way: Way, figures: Figures) -> dict[str, Any]:
    loss = figures.loss.get(way)
    return {
        "quantization": way.quantization,
        "cache_type_k": way.cache_type_k,
        "cache_type_v": way.cache_type_v,
        "file_bytes": way.file_bytes,
        "kld_mean": None if loss is None else loss.kld_mean,
        "kld_ci95": None if loss is None else list(loss.kld_ci95),
        "tokens_per_second": figures.speed.get(way),
    }


def lines(report: dict[str, Any]) -> Iterator[str]:
    """For people."""
    for row in report["measured"]:
        loss = "" if row["kld_mean"] is None else f"  KLD {row['kld_mean']:.5f}"
        speed = "" if row["tokens_per_second"] is None else f"  {row['tokens_per_second']:.1f} tokens/s"
        cache = f"{row['cache_type_k']}/{row['cache_type_v']}"
        yield f"  {row['quantization']:8} KV {cache:10} {row['file_bytes']:>15,} bytes{loss}{speed}"
    winner = report["winner"]
    yield f"{winner['quantization']}: {winner['verdict'].replace('_', ' ')}, {winner['path']}"
    yield winner["serve"]
    yield winner["export"]
