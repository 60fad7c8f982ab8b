"""The child that runs text through one or two models and says what they think of each token.

The first line of standard input is ``{"sides": [{"path", "type_k", "type_v"}], "n_ctx", "threads"}``: the model that is
measured and, where there is one, the reference. Then requests, JSON lines both ways:

``{"tokenize": text}`` → ``{"tokens": [id], "bos": id or null, "vocabulary": size, "same": whether the sides agree}``
``{"compare": tokens, "first": n}`` → ``{"rows": [[nll, nll of the reference, divergence, same first choice]]}``
``{"score": tokens, "first": n, "side": s}`` → ``{"rows": [nll]}``
``{"top": tokens, "first": n, "side": s, "count": k, "draws": [numbers from 0 to 1 of each row]}`` →
``{"rows": [[nll, ids, log-probabilities, drawn ids, their log-probabilities]]}``: the likeliest, best first, and of the
others one for each number, drawn as likely as the model takes them for
``{"look": tokens, "first": n, "side": s, "ids": [ids of each row]}`` → ``{"rows": [[nll, first choice, log-probs]]}``

A row is for the token that follows position *n*, and so on to the last. Natural logarithms. The arithmetic over whole
vocabularies is done by ggml's own operators on the CPU, whose sums are double; differences of two sums are taken here,
in double. ``{"refused": why}`` where the engine will not have it; an assert of the engine ends this process.
"""

import ctypes as c
import json
import math
import sys
from bisect import bisect_right
from itertools import accumulate
from typing import Any

from aidx.adapters.llama import capi, selfcheck
from aidx.adapters.tether import die_with_parent

BLOCK = 1 << 24  # elements of logits that are compared at a time: 64 MiB of f32
F32 = 0
P = c.c_void_p


class Batch(c.Structure):
    """``struct llama_batch``."""

    _fields_ = (
        ("n_tokens", c.c_int32),
        ("token", c.POINTER(c.c_int32)),
        ("embd", P),
        ("pos", c.POINTER(c.c_int32)),
        ("n_seq_id", c.POINTER(c.c_int32)),
        ("seq_id", c.POINTER(c.POINTER(c.c_int32))),
        ("logits", c.POINTER(c.c_int8)),
    )


class InitParams(c.Structure):
    """``struct ggml_init_params``."""

    _fields_ = (("mem_size", c.c_size_t), ("mem_buffer", P), ("no_alloc", c.c_bool))


_FUNCTIONS = {
    "llama_model_get_vocab": (P, P),
    "llama_vocab_n_tokens": (c.c_int32, P),
    "llama_vocab_get_add_bos": (c.c_bool, P),
    "llama_vocab_bos": (c.c_int32, P),
    "llama_tokenize": (c.c_int32, P, c.c_char_p, c.c_int32, P, c.c_int32, c.c_bool, c.c_bool),
    "llama_batch_init": (Batch, c.c_int32, c.c_int32, c.c_int32),
    "llama_decode": (c.c_int32, P, Batch),
    "llama_get_logits": (P, P),
    "llama_get_memory": (P, P),
    "llama_memory_clear": (None, P, c.c_bool),
    "ggml_init": (P, InitParams),
    "ggml_free": (None, P),
    "ggml_new_tensor_2d": (P, P, c.c_int, c.c_int64, c.c_int64),
    "ggml_get_data": (P, P),
    "ggml_soft_max": (P, P, P),
    "ggml_sub": (P, P, P, P),
    "ggml_mul": (P, P, P, P),
    "ggml_sum_rows": (P, P, P),
    "ggml_argmax": (P, P, P),
    "ggml_top_k": (P, P, P, c.c_int),
    "ggml_new_graph": (P, P),
    "ggml_build_forward_expand": (None, P, P),
    "ggml_graph_compute_with_ctx": (c.c_int, P, P, c.c_int),
}


class RefusedError(Exception):
    """The engine will not have this file, these settings or this text."""


class Side:
    """One loaded model with a context."""

    def __init__(self, library: c.CDLL, wish: dict[str, Any], n_ctx: int, threads: int) -> None:
        self.library = library
        params = library.llama_model_default_params()
        params.n_gpu_layers = 0
        self.model = library.llama_model_load_from_file(wish["path"].encode(), params)
        if not self.model:
            raise RefusedError(f"the engine cannot load {wish['path']}")
        self.vocabulary = library.llama_model_get_vocab(self.model)
        self.size = int(library.llama_vocab_n_tokens(self.vocabulary))
        context = library.llama_context_default_params()
        context.n_ctx = context.n_batch = context.n_outputs_max = n_ctx
        context.n_ubatch = min(n_ctx, 512)
        context.n_threads = context.n_threads_batch = threads
        context.flash_attn_type, context.swa_full = 1, False
        context.type_k, context.type_v = wish["type_k"], wish["type_v"]
        self.context = library.llama_init_from_model(self.model, context)
        if not self.context:
            raise RefusedError(f"the engine makes no context of {n_ctx} tokens for {wish['path']}")
        self.batch = library.llama_batch_init(n_ctx, 0, 1)

    def tokenize(self, text: bytes) -> list[int]:
        """The tokens of *text*, without any that stand for its beginning."""
        room = (c.c_int32 * (len(text) + 16))()
        count = self.library.llama_tokenize(self.vocabulary, text, len(text), room, len(room), 0, 0)
        if count < 0:
            raise RefusedError("the engine cannot tokenize the text")
        return room[:count]

    def bos(self) -> int | None:
        """The token that begins a text, where the model wants one."""
        if not self.library.llama_vocab_get_add_bos(self.vocabulary):
            return None
        return int(self.library.llama_vocab_bos(self.vocabulary))

    def logits(self, tokens: list[int], first: int) -> int:
        """The address of the logits at positions *first* to the last but one, row by row."""
        batch = self.batch
        self.library.llama_memory_clear(self.library.llama_get_memory(self.context), 1)
        batch.n_tokens = len(tokens) - 1
        for place, token in enumerate(tokens[:-1]):
            batch.token[place], batch.pos[place], batch.n_seq_id[place] = token, place, 1
            batch.seq_id[place][0] = 0
            batch.logits[place] = place >= first
        if self.library.llama_decode(self.context, batch):
            raise RefusedError(f"the engine cannot read {len(tokens)} tokens")
        return int(self.library.llama_get_logits(self.context))


class Table:
    """Logits of some rows in ggml's memory, and what its operators make of them."""

    def __init__(self, library: c.CDLL, rows: int, columns: int, threads: int) -> None:
        self.library, self.rows, self.columns, self.threads = library, rows, columns, threads
        size = 4 * columns * (6 * rows + 2 * threads) + (16 << 20)  # at most six tensors of it, work memory, the graph
        self.context = library.ggml_init(InitParams(size, None, 0))
        if not self.context:
            raise RefusedError(f"there is no memory for {rows} rows of {columns} logits")
        self.graph = library.ggml_new_graph(self.context)

    def put(self, address: int) -> int:
        """A tensor with the logits at *address*."""
        tensor = self.library.ggml_new_tensor_2d(self.context, F32, self.columns, self.rows)
        c.memmove(self.library.ggml_get_data(tensor), address, self.rows * self.columns * 4)
        return int(tensor)

    def want(self, tensor: int) -> int:
        """*tensor*, to be computed."""
        self.library.ggml_build_forward_expand(self.graph, tensor)
        return tensor

    def compute(self) -> None:
        """Compute what is wanted."""
        if self.library.ggml_graph_compute_with_ctx(self.context, self.graph, self.threads):
            raise RefusedError("ggml cannot compute over the logits")

    def floats(self, tensor: int, count: int) -> "c.Array[c.c_float]":
        """The first *count* values of *tensor*."""
        return (c.c_float * count).from_address(self.library.ggml_get_data(tensor))

    def ints(self, tensor: int, count: int) -> "c.Array[c.c_int32]":
        """The first *count* integers of *tensor*."""
        return (c.c_int32 * count).from_address(self.library.ggml_get_data(tensor))

    def close(self) -> None:
        """Let go of the memory."""
        self.library.ggml_free(self.context)


class Graded:
    """A table of one side's logits with, for each row, its first choice and the logarithm of the sum of all."""

    def __init__(self, table: Table, address: int) -> None:
        self.table = table
        self.logits = table.put(address)
        self.shares = table.want(table.library.ggml_soft_max(table.context, self.logits))
        self._best = table.want(table.library.ggml_argmax(table.context, self.logits))

    def read(self) -> None:
        """Look at what was computed."""
        rows, columns = self.table.rows, self.table.columns
        self.values = self.table.floats(self.logits, rows * columns)
        shares = self.odds = self.table.floats(self.shares, rows * columns)
        self.best = list(self.table.ints(self._best, rows))
        places = [row * columns + best for row, best in enumerate(self.best)]
        # The largest share is never tiny, so that its logarithm is as exact as f32 can be.
        self.total = [self.values[place] - math.log(shares[place]) for place in places]

    def log_share(self, row: int, token: int) -> float:
        """The log-probability of *token* in *row*."""
        return float(self.values[row * self.table.columns + token] - self.total[row])


def drawn(graded: Graded, row: int, top: list[int], numbers: list[float]) -> list[int]:
    """Tokens of *row* beside the *top* ones, one for each of *numbers*; none where nothing else is possible."""
    columns = graded.table.columns
    odds = graded.odds[row * columns : (row + 1) * columns]
    for token in top:
        odds[token] = 0.0
    below = list(accumulate(odds))
    if below[-1] <= 0.0:
        return []
    places = (bisect_right(below, number * below[-1]) for number in numbers)
    return [min(place, columns - 1) for place in places]


class Engine:
    """All sides, and the answers."""

    def __init__(self, library: c.CDLL, order: dict[str, Any]) -> None:
        self.library, self.threads = library, order["threads"]
        self.sides = [Side(library, wish, order["n_ctx"], self.threads) for wish in order["sides"]]

    def tokenize(self, text: str) -> dict[str, object]:
        """The tokens of *text*, and whether all sides agree on them."""
        raw = text.encode()
        tokens = [side.tokenize(raw) for side in self.sides]
        sizes = {side.size for side in self.sides}
        same = len(sizes) == 1 and all(other == tokens[0] for other in tokens)
        return {"tokens": tokens[0], "bos": self.sides[0].bos(), "vocabulary": self.sides[0].size, "same": same}

    def compare(self, tokens: list[int], first: int) -> list[list[float]]:
        """Rows of the measured model against the reference."""
        mine, theirs = self.sides
        addresses = mine.logits(tokens, first), theirs.logits(tokens, first)
        rows = []
        for start, table in self._tables(len(tokens) - 1 - first, mine.size):
            here, there = (Graded(table, address + start * mine.size * 4) for address in addresses)
            gap = self.library.ggml_sub(table.context, there.logits, here.logits)
            weighed = self.library.ggml_mul(table.context, there.shares, gap)
            crossed = table.want(self.library.ggml_sum_rows(table.context, weighed))
            table.compute()
            here.read()
            there.read()
            sums = table.floats(crossed, table.rows)
            for row in range(table.rows):
                token = tokens[first + 1 + start + row]
                divergence = sums[row] - there.total[row] + here.total[row]
                same = here.best[row] == there.best[row]
                nlls = -here.log_share(row, token), -there.log_share(row, token)
                rows.append([*nlls, max(divergence, 0.0), float(same)])
        return rows

    def graded(self, request: dict[str, Any], tokens: list[int]) -> list[Any]:
        """Rows of one side: ``score``, ``top`` or ``look``."""
        side, first = self.sides[request["side"]], request["first"]
        address = side.logits(tokens, first)
        rows: list[Any] = []
        for start, table in self._tables(len(tokens) - 1 - first, side.size):
            here = Graded(table, address + start * side.size * 4)
            count = min(request.get("count", 0), side.size)
            top = table.want(self.library.ggml_top_k(table.context, here.logits, count)) if count else None
            table.compute()
            here.read()
            for row in range(table.rows):
                place = start + row
                nll = -here.log_share(row, tokens[first + 1 + place])
                if top is not None:
                    found = table.ints(top, table.rows * count)[row * count : (row + 1) * count]
                    pairs = sorted(((here.log_share(row, token), token) for token in found), reverse=True)
                    others = drawn(here, row, list(found), request["draws"][place])
                    likeliest = [[token for _, token in pairs], [share for share, _ in pairs]]
                    rows.append([nll, *likeliest, others, [here.log_share(row, token) for token in others]])
                elif "ids" in request:
                    ids = request["ids"][place]
                    rows.append([nll, here.best[row], [here.log_share(row, token) for token in ids]])
                else:
                    rows.append(nll)
        return rows

    def _tables(self, rows: int, columns: int) -> Any:  # noqa: ANN401 - a generator of pairs
        """Tables for *rows* rows, each with where it starts and no larger than a block."""
        most = max(BLOCK // columns, 1)
        for start in range(0, rows, most):
            table = Table(self.library, min(most, rows - start), columns, self.threads)
            try:
                yield start, table
            finally:
                table.close()

    def answer(self, request: dict[str, Any]) -> dict[str, object]:
        """Do what one request says."""
        if "tokenize" in request:
            return self.tokenize(request["tokenize"])
        if "compare" in request:
            return {"rows": self.compare(request["compare"], request["first"])}
        verb = next(verb for verb in ("score", "top", "look") if verb in request)
        return {"rows": self.graded(request, request[verb])}


def open_library(path: str) -> c.CDLL:
    """The wheel's library, if it is the pinned one; its words go nowhere but for errors."""
    library = capi.open_library(path)
    for name, (result, *arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    difference = selfcheck.mismatch(library)
    if difference:
        raise RefusedError(f"the engine is not the pinned build: {difference}")
    return library


def say(reply: dict[str, object]) -> None:
    """Write one line."""
    sys.stdout.buffer.write(json.dumps(reply).encode() + b"\n")
    sys.stdout.buffer.flush()


def _logged(level: int, text: bytes, _: int) -> None:
    if level == 4:  # GGML_LOG_LEVEL_ERROR
        sys.stderr.buffer.write(text)
        sys.stderr.buffer.flush()


def main(path: str) -> None:
    """Serve requests until standard input ends; *path* is the wheel's library."""
    die_with_parent()
    requests = sys.stdin.buffer
    order = json.loads(requests.readline() or b"null")
    if order is None:
        return
    try:
        library = open_library(path)
        heard = capi.LogCallback(_logged)
        library.llama_log_set(heard, None)
        library.llama_backend_init()
        engine = Engine(library, order)
    except (RefusedError, OSError, AttributeError) as error:
        say({"refused": str(error)})
        return
    say({"ready": True})
    while line := requests.readline():
        try:
            say(engine.answer(json.loads(line)))
        except RefusedError as error:
            say({"refused": str(error)})
