"""Held-out tasks through the engine: `python evaluate.py MODEL.gguf TASKS.json WORK_DIR`.

The engine serves the file at /v1/chat/completions at temperature 0; an answer is right when
applying it gives the expected function, to the letter.
"""

import ast
import json
import os
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lines
import tokens
import xllamacpp
from tasks import TRAINED

LONGEST_ANSWER, THREADS, CONTEXT, PATIENCE = 300, 2, 1024, 120
SHORT_LINE = 40
Json = dict[str, Any]


def serve(model: Path) -> xllamacpp.Server:
    """Start the engine with one slot."""
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_ctx = CONTEXT
    params.n_parallel = 1
    params.cpuparams.n_threads = THREADS
    params.cpuparams_batch.n_threads = THREADS
    params.verbosity = 0
    params.warmup = False
    params.fit_params = False
    params.cache_ram_mib = 0
    return xllamacpp.Server(params)


def post(server: xllamacpp.Server, path: str, body: Json) -> Json:
    """Send one request."""
    request = urllib.request.Request(
        server.listening_address + path,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
        answer: Json = json.load(reply)
    return answer


def ask(server: xllamacpp.Server, task: Json) -> tuple[str, Json]:
    """Have one task answered; returns the answer and the engine's timings."""
    message = lines.message(task["instruction"], task["source"])
    reply = post(
        server,
        "/v1/chat/completions",
        {
            "messages": [{"role": "user", "content": message}],
            "temperature": 0,
            "max_tokens": LONGEST_ANSWER,
            "cache_prompt": False,
        },
    )
    return reply["choices"][0]["message"]["content"] or "", reply.get("timings", {})


def applied(source: str, answer: str) -> str | None:
    """The edited function, or None when the answer is no line edit."""
    try:
        return lines.apply(source, answer)
    except ValueError:
        return None


def same_tokens(server: xllamacpp.Server, codec: tokens.Codec, tasks: list[Json]) -> int:
    """Count the tasks whose prompt the engine cuts into the tokens of the training."""
    same = 0
    for task in tasks:
        message = lines.message(task["instruction"], task["source"])
        text = f"<|im_start|>user\n{message}<|im_end|>\n<|im_start|>assistant\n"
        reply = post(server, "/tokenize", {"content": text, "parse_special": True})
        same += reply["tokens"] == codec.prompt(message)
    return same


def parses(source: str | None) -> bool:
    """Tell whether *source* is valid Python."""
    try:
        return source is not None and bool(ast.parse(source))
    except SyntaxError:
        return False


def judged(task: Json, answer: str) -> Json:
    """The task with its answer and a verdict."""
    edited = applied(task["source"], answer)
    verdict = {"right": edited == task["edited"], "malformed": edited is None, "parses": parses(edited)}
    return {**task, "answer": answer, **verdict}


def tally(answers: list[Json], key: Callable[[Json], str]) -> dict[str, list[int]]:
    """How many of how many are right, for each value of *key*."""
    total = Counter(map(key, answers))
    right = Counter(key(answer) for answer in answers if answer["right"])
    return {name: [right[name], count] for name, count in total.items()}


def evaluate(model: Path, tasks: list[Json], codec: tokens.Codec) -> Json:
    """Answer all tasks and count."""
    server = serve(model)
    spent: Counter[str] = Counter()
    answers: list[Json] = []
    started = time.perf_counter()
    for task in tasks:
        answer, timings = ask(server, task)
        spent.update({key: timings[key] for key in timings if key.startswith("pr")})
        answers.append(judged(task, answer))
    seconds = time.perf_counter() - started
    trained = [answer for answer in answers if answer["kind"] in TRAINED]
    wrong = [answer for answer in trained if not answer["right"]]
    return {
        "right": tally(answers, lambda answer: answer["kind"]),
        "by_first_line": tally(trained, first_line),
        "malformed": sum(answer["malformed"] for answer in wrong),
        "wrong_but_valid": [sum(answer["parses"] for answer in wrong), len(wrong)],
        "same_tokens": [same_tokens(server, codec, tasks), len(tasks)],
        "tokens_per_second": spent["predicted_n"] / max(spent["predicted_ms"], 1) * 1000,
        "prompt_tokens_per_second": spent["prompt_n"] / max(spent["prompt_ms"], 1) * 1000,
        "seconds_per_task": seconds / len(tasks),
        "wrong": wrong,
    }


def first_line(answer: Json) -> str:
    """Whether the first line of the function is short or long."""
    return "short" if answer["source"].index("\n") <= SHORT_LINE else "long"


def main() -> None:
    """Evaluate, write WORK_DIR/evaluation.json, and leave without waiting for the engine."""
    model, tasks, work = map(Path, sys.argv[1:4])
    codec = tokens.load(work / "merges.json")
    result = evaluate(model, json.loads(tasks.read_text()), codec)
    (work / "evaluation.json").write_text(json.dumps(result, indent=1))
    print(result["right"], flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
