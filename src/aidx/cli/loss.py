"""``aidx loss``: what quantizing cost, published for the type or measured on the file itself."""

import json
from typing import TYPE_CHECKING, Any

import click

from aidx.cli._options import common
from aidx.errors import InputError

if TYPE_CHECKING:
    from aidx.budget.divergence import Divergence
    from aidx.budget.fingerprint import Fingerprint
    from aidx.budget.loss import Loss
    from aidx.model.spec import ModelSpec
    from aidx.stress.loss import Reading
    from aidx.wiring.loss import Setup


@click.command()
@click.argument("model")
@click.option("--reference", metavar="REF", help="The F16 or BF16 model to compare with, or a fingerprint of it.")
@click.option("--against", metavar="FILE", help="Another file of the model: are the two told apart by this text?")
@click.option("--text", "text_path", metavar="FILE", help="Text to read [default: code and chat, in the package].")
@click.option("--save-fingerprint", metavar="FILE", help="Write what MODEL thinks of the text, for others to compare.")
@click.option("-ctk", "--cache-type-k", default="f16", show_default=True, help="KV cache type of K for MODEL.")
@click.option("-ctv", "--cache-type-v", default="f16", show_default=True, help="KV cache type of V for MODEL.")
@click.option("-c", "--ctx-size", type=click.IntRange(16, 1 << 20), default=512, show_default=True, help="Window.")
@click.option("--windows", type=click.IntRange(2), help="Most windows to read [default: the whole text].")
@click.option("--tasks", type=click.IntRange(1, 1_000_000), help="Answer this many small tasks with both instead.")
@click.option("--seed", type=int, default=1, show_default=True, help="What the tasks are made from.")
@click.option("--resolution", type=click.FloatRange(0.01, 50), default=1.0, show_default=True, help="Points to see.")
@click.option("--threads", type=click.IntRange(1, 512), help="Threads [default: the cores this process may use].")
@click.option("--html", type=click.Path(dir_okay=False, writable=True), help="Write the report as one HTML file.")
@common
def command(
    model: str,
    *,
    reference: str | None,
    against: str | None,
    text_path: str | None,
    save_fingerprint: str | None,
    cache_type_k: str,
    cache_type_v: str,
    ctx_size: int,
    windows: int | None,
    tasks: int | None,
    seed: int,
    resolution: float,
    threads: int | None,
    html: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Say what quantizing cost MODEL: the published range of its type, or measured against REF.

    With -ctk or -ctv and no REF, what quantizing the KV cache costs, measured against the same file.
    """
    del verbose
    from aidx.stress.loss import Reading
    from aidx.wiring import check_page
    from aidx.wiring import loss as wiring
    from aidx.wiring.models import resolve

    tell = _silent if quiet else _windows
    plain = (cache_type_k, cache_type_v) == ("f16", "f16")
    measures = not (reference is None and save_fingerprint is None and tasks is None and plain)
    _check(
        text=(text_path, windows, against) != (None, None, None) and not measures,
        html=html is not None and (save_fingerprint, tasks) != (None, None),
        against=against is not None and (save_fingerprint, tasks) != (None, None),
    )
    if html is not None:
        check_page(html)
    if not measures:
        return _shown(_published(resolve(model).model), html, as_json=as_json)
    spec = wiring.file_of(model)
    assert spec.path is not None
    setup = wiring.Setup(spec.path, cache_type_k, cache_type_v, threads)
    if tasks is not None:
        from aidx.cli._tasks import Wanted, run

        return _shown(run(spec, setup, reference, Wanted(tasks, seed, resolution / 100), tell), None, as_json=as_json)
    text = wiring.default_text() if text_path is None else wiring.read_text(text_path)
    reading = Reading(text, ctx_size, windows)
    if save_fingerprint is not None:
        return _shown(_save(save_fingerprint, setup, spec, reading, reference), None, as_json=as_json)
    other = None if against is None else wiring.file_of(against)
    return _shown(_measure(setup, spec, reading, (reference, other), tell), html, as_json=as_json)


def _check(*, text: bool, html: bool, against: bool) -> None:
    """``InputError`` for options that do not go together."""
    if text:
        raise InputError(
            "--text, --windows and --against measure, and there is nothing to compare with", hint="Add --reference."
        )
    if html or against:
        raise InputError(
            f"{'--html' if html else '--against'} is of a measured text, and not of --tasks or --save-fingerprint",
            hint="Leave one of them out.",
        )


def _shown(report: dict[str, Any], html: str | None, *, as_json: bool) -> int:
    """Print *report*, and write its page."""
    from aidx.cli._tasks import lines as task_lines
    from aidx.cli._text import safe

    if html is not None:
        from aidx.page.loss import render
        from aidx.wiring import write_page

        write_page(html, render(report))
    said = task_lines if report["schema"] == "aidx.task-loss/1" else lines
    click.echo(json.dumps(report) if as_json else "\n".join(map(safe, said(report))))
    return 0


def _published(model: "ModelSpec") -> dict[str, Any]:
    from aidx.budget.loss import model_loss

    return published_json(model, model_loss(model))


def _save(path: str, setup: "Setup", model: "ModelSpec", reading: "Reading", reference: str | None) -> dict[str, Any]:
    from aidx.wiring import loss as wiring

    if reference is not None:
        raise InputError("--save-fingerprint is of MODEL itself, with no --reference", hint="Leave one of them out.")
    wiring.check_file(path)
    of = wiring.fingerprint(setup, model, reading, _silent)
    size = wiring.write_fingerprint(path, of)
    return fingerprint_json(model, path, size, of)


def _measure(
    setup: "Setup",
    model: "ModelSpec",
    reading: "Reading",
    beside: "tuple[str | None, ModelSpec | None]",
    tell: Any,  # noqa: ANN401 - a callback
) -> dict[str, Any]:
    """*beside* are the reference, and another file that is measured against it too."""
    from msgspec.structs import replace

    from aidx.budget.divergence import summarise
    from aidx.cli._against import against_json
    from aidx.plan.checklist import WIDE
    from aidx.wiring import loss as wiring

    reference, second = beside
    against: str | Fingerprint
    found = None if reference is None else wiring.read_fingerprint(reference)
    if found is not None:
        against, name, kind, whole = found, f"the fingerprint of {found.about.model}", "fingerprint", True
    else:
        other = model if reference is None else wiring.file_of(reference)
        assert other.path is not None
        against, name, kind = other.path, other.name if reference else "the same file at f16/f16", "file"
        whole = other.quantization in WIDE  # a loss against less says nothing to a plan
    scored = wiring.measured(setup, against, reading, tell)
    summary = summarise(scored, wiring.chance())
    plain = (setup.cache_type_k, setup.cache_type_v) == ("f16", "f16")
    kept = plain and whole and against != model.path and wiring.keep(model, summary, name)
    report = measured_json(model, setup, summary, name, kind) | {"kept": kept}
    if second is not None:
        assert second.path is not None
        theirs = wiring.measured(replace(setup, model=second.path), against, reading, tell)
        report["against"] = against_json(model, scored, second, theirs)
    return report


def published_json(model: "ModelSpec", loss: "Loss") -> dict[str, Any]:
    """``aidx.loss/1`` of what is published."""
    nothing: dict[str, Any] = dict.fromkeys(
        ("tokens", "kld_mean", "kld_p999", "top1_agreement", "top1_ci95", "ppl", "ppl_reference", "ppl_ratio_ci95")
    )
    return {
        "schema": "aidx.loss/1",
        "model": model.name,
        "quantization": model.quantization,
        **nothing,
        "kld_ci95": [loss.kld_low, loss.kld_high],
        "quality": loss.quality,
        "reference": "published" if model.measured_loss is None else "file",
        "source": loss.source,
        "lower_bound": False,
        "kld_bound": None,
        "kept": False,
    }


def measured_json(model: "ModelSpec", setup: "Setup", found: "Divergence", name: str, kind: str) -> dict[str, Any]:
    """``aidx.loss/1`` of what was measured."""
    cache = (
        "" if setup.cache_type_k == setup.cache_type_v == "f16" else f", KV {setup.cache_type_k}/{setup.cache_type_v}"
    )
    return {
        "schema": "aidx.loss/1",
        "model": model.name,
        "quantization": model.quantization,
        "tokens": found.tokens,
        "kld_mean": found.kld_mean,
        "kld_ci95": list(found.kld_ci95),
        "kld_p999": found.kld_p999,
        "top1_agreement": found.top1_agreement,
        "top1_ci95": list(found.top1_ci95),
        "ppl": found.ppl,
        "ppl_reference": found.ppl_reference,
        "ppl_ratio_ci95": list(found.ppl_ratio_ci95),
        "quality": found.quality,
        "reference": kind,
        "source": f"measured here against {name}{cache}",
        "lower_bound": found.at_least,
        "kld_bound": found.kld_bound,
    }


def fingerprint_json(model: "ModelSpec", path: str, size: int, of: "Fingerprint") -> dict[str, Any]:
    """``aidx.fingerprint/1``."""
    return {
        "schema": "aidx.fingerprint/1",
        "model": model.name,
        "path": path,
        "bytes": size,
        "tokens": len(of.rows),
        "sha256": of.about.sha256,
        "text_sha256": of.about.text_sha256,
    }


def lines(report: dict[str, Any]) -> list[str]:
    """The report for people."""
    if report["schema"] == "aidx.fingerprint/1":
        what = f"what {report['model']} thinks of {report['tokens']:,} tokens"
        return [f"{report['path']}: {report['bytes']:,} bytes, {what}"]
    low, high = report["kld_ci95"]
    if report["kld_mean"] is None:
        return [f"{report['model']}: {report['quality']}, KLD {low:.3g} to {high:.3g}", f"  {report['source']}"]
    top, ratio = report["top1_ci95"], report["ppl_ratio_ci95"]
    return [
        f"{report['model']}: {report['quality']}, {report['source']}, {report['tokens']:,} tokens",
        (f"  KLD                {report['kld_mean']:.6f}  ({low:.6f} to {high:.6f}), 99.9 % {report['kld_p999']:.3f}"),
        f"  same first choice  {report['top1_agreement']:.2%}  ({top[0]:.2%} to {top[1]:.2%})",
        (
            f"  perplexity         {report['ppl']:.3f}, reference {report['ppl_reference']:.3f}  "
            f"({ratio[0]:.4f} to {ratio[1]:.4f} times)"
        ),
        *_bound(report),
        *_against(report),
        "  (95 % intervals, bootstrap over blocks of tokens)",
    ]


def _bound(report: dict[str, Any]) -> list[str]:
    bound = report["kld_bound"]
    if bound is None:
        return []
    return [f"                     an estimate; at least {bound:.6f}, of the 64 likeliest and the others as one"]


def _against(report: dict[str, Any]) -> list[str]:
    if "against" not in report:
        return []
    from aidx.page.loss import compared

    return [f"  {compared(report)}"]


def _windows(done: int, total: int) -> None:
    """A line each quarter."""
    if done * 4 // total > (done - 1) * 4 // total:
        click.echo(f"aidx: {done} of {total} windows", err=True)


def _silent(done: int, total: int) -> None:
    """Say nothing."""
    del done, total
