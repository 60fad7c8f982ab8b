"""What happened, in numbers: Prometheus text, with OpenTelemetry's GenAI names where they exist.

``gen_ai.server.…`` and ``gen_ai.client.…`` with the attributes and buckets of the GenAI semantic conventions (0.1.0);
dots become underscores and units are appended, as OpenTelemetry's exporter for Prometheus does. What they have no
name for is ``aidx_…``. No label is a user's text.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from math import inf
from typing import NamedTuple

from msgspec import Struct, field

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
FIRST = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
KEPT = 512  # requests of a kind until they are counted
TYPE = b"text/plain; version=0.0.4; charset=utf-8"
Labels = tuple[tuple[str, str], ...]
OPERATIONS = {"chat": "chat", "text": "text_completion", "embedding": "embeddings"}


class Served(Struct, frozen=True):
    """One request to a model as the metrics see it; *code* is the error's, seconds are ``None`` where nothing came."""

    role: str
    model: str
    kind: str
    status: int
    code: str = ""
    seconds: float = 0.0
    waited: float | None = None
    first: float | None = None
    prompt: int | None = None
    completion: int | None = None


class Reading(NamedTuple):
    """A number that is read when somebody asks: its name, what it is, its labels."""

    name: str
    kind: str
    about: str
    labels: Mapping[str, str]
    value: float


class _Histogram(Struct, eq=False):
    """Counts values by *bounds*; *kept* are those that are not counted yet: many at a time cost half as much."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0
    kept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def count(self) -> None:
        """Count what is kept."""
        self.total += sum(self.kept)
        self.kept.sort()
        below = 0
        for number, bound in enumerate((*self.bounds, inf)):
            up_to = bisect_right(self.kept, bound, below)
            self.counts[number] += up_to - below
            below = up_to
        self.kept.clear()


class _Group(Struct, eq=False):
    duration: _Histogram
    first: _Histogram
    queue: _Histogram
    input: _Histogram
    output: _Histogram
    requests: int = 0


DURATION = "gen_ai_server_request_duration_seconds"
TO_FIRST = "gen_ai_server_time_to_first_token_seconds"
QUEUE = "aidx_queue_seconds"
READ = "gen_ai_client_inference_operation_input_tokens"
WRITTEN = "gen_ai_client_inference_operation_output_tokens"
EMBEDDED = "gen_ai_client_embeddings_operation_input_tokens"
_ABOUT = {
    DURATION: ("Time from request to last byte.", SECONDS),
    TO_FIRST: ("Time from request to the first byte of an answer that became whole.", FIRST),
    READ: ("Tokens of each prompt, as the engine counts them.", TOKENS),
    WRITTEN: ("Tokens of each answer, as the engine counts them.", TOKENS),
    EMBEDDED: ("Tokens of each request for embeddings, as the engine counts them.", TOKENS),
    QUEUE: ("Time between arrival and admission, counting included.", SECONDS),
}
_USED = {
    "gen_ai_client_inference_usage_input_tokens_total": ("Tokens of all prompts.", READ),
    "gen_ai_client_inference_usage_output_tokens_total": ("Tokens of all answers.", WRITTEN),
}


class Metrics:
    """Collects; ``render`` writes it all down."""

    def __init__(self) -> None:
        self._histograms: dict[tuple[str, Labels], _Histogram] = {}
        self._groups: dict[tuple[str, str, int, str], _Group] = {}

    def note(self, served: Served) -> None:
        """Take one request to a model into account."""
        group = self._groups.get((served.role, served.kind, served.status, served.code)) or self._group(served)
        group.requests += 1
        group.duration.kept.append(served.seconds)
        waited, prompt, completion = served.waited, served.prompt, served.completion
        if served.first is not None and not served.code:
            group.first.kept.append(served.first + (waited or 0.0))
        if waited is not None:
            group.queue.kept.append(waited)
        if prompt is not None:
            group.input.kept.append(prompt)
        if completion is not None:
            group.output.kept.append(completion)
        if not group.requests % KEPT:
            self._count()

    def _count(self) -> None:
        for histogram in self._histograms.values():
            histogram.count()

    def _group(self, served: Served) -> "_Group":
        """The histograms of requests like *served*."""
        labels: Labels = (
            ("gen_ai_operation_name", OPERATIONS[served.kind]),
            ("gen_ai_provider_name", "aidx"),
            ("gen_ai_request_model", served.model),
        )
        ended = (*labels, ("error_type", served.code)) if served.code else labels
        found = self._groups[served.role, served.kind, served.status, served.code] = _Group(
            self._histogram(DURATION, ended),
            self._histogram(TO_FIRST, labels),
            self._histogram(QUEUE, (("role", served.role),)),
            self._histogram(EMBEDDED if served.kind == "embedding" else READ, ended),
            self._histogram(WRITTEN, ended),
        )
        return found

    def render(self, readings: Iterable[Reading]) -> bytes:
        """Prometheus text, *readings* first."""
        self._count()
        lines: list[str] = []
        seen: set[str] = set()
        for reading in sorted(readings, key=lambda reading: reading.name):
            if reading.name not in seen:
                lines += [f"# HELP {reading.name} {reading.about}", f"# TYPE {reading.name} {reading.kind}"]
                seen.add(reading.name)
            lines.append(f"{reading.name}{_shown(tuple(reading.labels.items()))} {reading.value:.15g}")
        lines += ["# HELP aidx_requests_total Requests to a model.", "# TYPE aidx_requests_total counter"]
        for (role, status, code), count in sorted(self._requests().items()):
            shown = _shown((("role", role), ("status", str(status)), ("code", code)))
            lines.append(f"aidx_requests_total{shown} {count}")
        for name, (about, counted) in _USED.items():
            lines += [f"# HELP {name} {about}", f"# TYPE {name} counter"]
            lines += [f"{name}{_shown(labels)} {total:.15g}" for labels, total in self._totals(counted)]
        for name, (about, _) in _ABOUT.items():
            lines += [f"# HELP {name} {about}", f"# TYPE {name} histogram"]
            for (which, labels), histogram in sorted(self._histograms.items()):
                if which == name:
                    lines += _buckets(name, labels, histogram)
        return "\n".join([*lines, ""]).encode()

    def _requests(self) -> Counter[tuple[str, int, str]]:
        found: Counter[tuple[str, int, str]] = Counter()
        for (role, _, status, code), group in self._groups.items():
            found[role, status, code] += group.requests
        return found

    def _totals(self, name: str) -> list[tuple[Labels, float]]:
        """What the histograms *name* have counted, however the requests ended."""
        found: dict[Labels, float] = {}
        for (which, labels), histogram in self._histograms.items():
            if which == name:
                key = (*(label for label in labels if label[0] != "error_type"), ("gen_ai_token_modality", "text"))
                found[key] = found.get(key, 0.0) + histogram.total
        return sorted(found.items())

    def _histogram(self, name: str, labels: Labels) -> _Histogram:
        found = self._histograms.get((name, labels))
        if found is None:
            found = self._histograms[name, labels] = _Histogram(_ABOUT[name][1])
        return found


def _buckets(name: str, labels: Labels, histogram: _Histogram) -> list[str]:
    lines, total = [], 0
    for bound, count in zip((*map(str, histogram.bounds), "+Inf"), histogram.counts, strict=True):
        total += count
        lines.append(f"{name}_bucket{_shown((*labels, ('le', bound)))} {total}")
    return [*lines, f"{name}_sum{_shown(labels)} {histogram.total:.15g}", f"{name}_count{_shown(labels)} {total}"]


def _shown(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
