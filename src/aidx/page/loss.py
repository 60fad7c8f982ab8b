"""A loss as one HTML page: where the divergence lies among the grades, with its interval, and the figures."""

from collections.abc import Mapping
from math import log10
from typing import Any, NamedTuple

from aidx.budget.divergence import GRADES, WORST
from aidx.page.markup import Markup, tag
from aidx.page.parts import document, foot, table, terms

_WIDE, _ROW, _TOP = 960.0, 44.0, 30.0
_LEAST, _MOST = 1e-5, 10.0  # nats: the ends of the scale


class _Line(NamedTuple):
    name: str
    mean: float | None
    low: float
    high: float


def render(report: Mapping[str, Any]) -> str:
    """The page of *report*, an object of ``aidx.loss/1``, complete in itself."""
    name, other = str(report["model"]), report.get("against")
    quality = str(report["quality"])
    lines = [_line(report, name), *([] if other is None else [_line(other, str(other["model"]))])]
    more = () if other is None else (tag("p", compared(report)),)
    return document(
        f"{name}: {quality}",
        tag("h1", f"What quantizing cost {name}"),
        tag("p", f"{report['source']}.", class_="soft"),
        tag(
            "div",
            tag("p", tag("strong", quality.capitalize())),
            tag("p", _figure(report)),
            *more,
            class_="verdict" if quality in {word for _, word in GRADES[:3]} else "verdict over",
            data_quality=quality,
        ),
        tag("h2", "Among the grades"),
        _scale(lines),
        tag("h2", "Figures"),
        _figures(report),
        terms([("How sure", "95 % intervals; of what was measured a bootstrap over blocks of tokens.")]),
        foot(f"Quantization {report['quantization']}"),
    )


def compared(report: Mapping[str, Any]) -> str:
    """In one line: whether the two files of *report* are told apart."""
    other = report["against"]
    low, high = other["more_ci95"]
    gap = f"{other['more']:+.6f} ({low:+.6f} to {high:+.6f})"
    if other["same_weights"]:
        return f"{other['model']} has the same weights, byte for byte"
    if other["identical"]:
        return f"{other['model']} thinks exactly the same of every token"
    if other["told_apart"]:
        return f"{other['model']} loses {'more' if low > 0 else 'less'} than {report['model']}: {gap}"
    return f"{other['model']} and {report['model']} are not told apart by this text: {gap}"


def _line(report: Mapping[str, Any], name: str) -> _Line:
    low, high = report["kld_ci95"]
    return _Line(name, report["kld_mean"], low, high)


def _figure(report: Mapping[str, Any]) -> str:
    low, high = report["kld_ci95"]
    mean = report["kld_mean"]
    if mean is None:
        return f"Divergence of {low:.3g} to {high:.3g} nats, as published for its type."
    return f"Divergence of {mean:.6f} nats a token ({low:.6f} to {high:.6f}) over {report['tokens']:,} tokens."


def _figures(report: Mapping[str, Any]) -> Markup:
    rows = [("Divergence, mean", _number(report["kld_mean"]), _pair(report["kld_ci95"], ".6f"))]
    if report["kld_mean"] is not None:
        top, ratio = report["top1_ci95"], report["ppl_ratio_ci95"]
        rows += [
            ("Divergence, 99.9 %", f"{report['kld_p999']:.3f}", ""),
            ("Same first choice", f"{report['top1_agreement']:.2%}", _pair(top, ".2%")),
            ("Perplexity", f"{report['ppl']:.3f}", f"reference {report['ppl_reference']:.3f}"),
            ("Perplexity ratio", f"{report['ppl'] / report['ppl_reference']:.4f}", _pair(ratio, ".4f")),
        ]
    return table(("What", "Value", "95 % interval"), rows, caption="What was lost", numbers=(1, 2))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _pair(found: tuple[float, float], form: str) -> str:
    low, high = found
    return f"{low:{form}} to {high:{form}}"


def _scale(lines: list[_Line]) -> Markup:
    """A logarithmic scale of nats: borders between grades, and an interval with its mean for each file."""
    high = _TOP + _ROW * len(lines) + 20
    parts = [tag("title", "Divergence in nats on a logarithmic scale; the better, the further to the left.")]
    before = 0.0
    for bound, word in (*GRADES, (_MOST, WORST)):
        at = _place(bound)
        parts.append(tag("text", word, x=f"{(before + at) / 2:.1f}", y="14", fill="currentColor", **_SMALL))
        if bound < _MOST:
            ends = {"x1": f"{at:.1f}", "x2": f"{at:.1f}", "y1": "20", "y2": f"{high - 16:.1f}"}
            parts.append(tag("line", **ends, stroke="currentColor", stroke_dasharray="4 4", class_="grade"))
            parts.append(tag("text", f"{bound:g}", x=f"{at:.1f}", y=f"{high - 2:.1f}", fill="currentColor", **_SMALL))
        before = at
    for number, line in enumerate(lines):
        parts += _drawn(line, _TOP + _ROW * number)
    drawing = tag("svg", *parts, viewBox=f"0 0 {_WIDE:.0f} {high:.0f}", width="100%", role="img", class_="scale")
    return tag("figure", drawing)


_SMALL = {"font_size": "11", "text_anchor": "middle"}


def _drawn(line: _Line, at: float) -> list[Markup]:
    low, high = _place(line.low), _place(line.high)
    middle = f"{at + 26:.1f}"
    ends = {"x1": f"{low:.1f}", "x2": f"{max(high, low + 1):.1f}", "y1": middle, "y2": middle}
    shown = [
        tag("text", line.name, x=f"{(low + high) / 2:.1f}", y=f"{at + 14:.1f}", fill="currentColor", **_SMALL),
        tag("line", **ends, stroke="currentColor", stroke_width="3", class_="interval"),
    ]
    if line.mean is not None:
        shown.append(tag("circle", cx=f"{_place(line.mean):.1f}", cy=middle, r="6", fill="currentColor"))
    return shown


def _place(nats: float) -> float:
    share = (log10(min(max(nats, _LEAST), _MOST)) - log10(_LEAST)) / (log10(_MOST) - log10(_LEAST))
    return _WIDE * share
