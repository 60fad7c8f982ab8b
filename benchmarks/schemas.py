"""Structured output of a small model that knows nothing of JSON: with a grammar and without, same prompts and seeds.

    python benchmarks/schemas.py [--generations 1000] [--tokens 160] [--json]

Every schema of tests/schemas.json is classified first, and timed. Then the accepted ones are asked for in turn, each
time with another seed: once through the pattern that constrains, validates and repairs, once as a plain question whose
answer is held against the same schema. An answer is WRONG when it was given for valid and jsonschema-rs says it is not.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections import Counter
from itertools import cycle, islice
from pathlib import Path

import jsonschema_rs

from aidx import wiring
from aidx.advise import plan
from aidx.errors import CheckError
from aidx.gate.admit import Limits
from aidx.gate.drive import Gate
from aidx.gate.patterns import drive
from aidx.gate.schema import shape
from aidx.patterns import direct
from aidx.patterns.prompt import Prompt, Turn
from aidx.patterns.schema.shape import Shape, UnenforceableError
from aidx.patterns.schema.valid import objections
from aidx.patterns.terms import Terms
from aidx.plan.need import Need
from aidx.plan.wish import Wish
from aidx.ports.engine import Deployment

SCHEMAS = json.loads((Path(__file__).parents[1] / "tests" / "schemas.json").read_text("utf-8"))
SLOTS = 2


def classified() -> tuple[dict[str, tuple[Shape, dict]], Counter, list[float]]:
    """The shapes of accepted schemas, how many of each kind, and milliseconds of CPU a schema."""
    shapes, kinds, times = {}, Counter(), []
    shape("warm", {"type": "integer"})
    for one in SCHEMAS:
        began = time.process_time()
        try:
            found = shape("answer", one["schema"])
            kinds["weakened" if found.weakened else "native"] += 1
            shapes[one["name"]] = (found, one["schema"])
        except UnenforceableError:
            kinds["refused"] += 1
        times.append((time.process_time() - began) * 1e3)
    return shapes, kinds, times


def prompt(name: str, seed: int, tokens: int) -> Prompt:
    """The same question for both."""
    fields = json.dumps({"temperature": 1, "seed": seed}).encode()[1:-1]
    text = f"Answer with JSON and nothing else: {name}."
    return Prompt((Turn.of("user", text),), fields=fields, max_tokens=tokens)


async def held(gate: Gate, asked: Prompt, found: Shape, schema: dict) -> tuple[str, int, int]:
    """What became of an answer that is held to a schema; its attempts and tokens."""
    try:
        answer = await drive(direct.answer(asked, Terms(shape=found)), {"editor": gate})
    except CheckError:
        return "refused (422)", 3, 0
    valid = jsonschema_rs.validator_for(schema, validate_formats=True).is_valid(json.loads(answer.text))
    return "valid" if valid else "WRONG", answer.attempts, answer.completion_tokens


async def plain(gate: Gate, asked: Prompt, schema: dict) -> str:
    """What became of an answer that nothing holds to anything."""
    said = (await drive(direct.answer(asked, Terms()), {"editor": gate})).said
    return "valid" if said.finish == "stop" and not objections(schema, said.text) else "invalid"


async def compared(
    deployment: Deployment, limits: Limits, shapes: dict[str, tuple[Shape, dict]], generations: int, tokens: int
) -> dict:
    """Both ways over the same questions."""
    gate = Gate(limits, time.monotonic)
    gate.attach(deployment.chat())
    work = list(islice(cycle(shapes.items()), generations))
    counts = {"constrained": Counter(), "plain": Counter()}
    attempts, written, failing = Counter(), 0, Counter()

    async def one(seed: int) -> None:
        nonlocal written
        name, (found, schema) = work[seed]
        asked = prompt(name, seed, tokens)
        became, tries, took = await held(gate, asked, found, schema)
        counts["constrained"][became] += 1
        attempts[tries] += 1
        written += took
        failing[name] += became != "valid"
        counts["plain"][await plain(gate, asked, schema)] += 1

    left = iter(range(generations))

    async def worker() -> None:
        for seed in left:
            await one(seed)

    try:
        await asyncio.gather(*(worker() for _ in range(SLOTS)))
    finally:
        gate.detach()
    return {
        "generations": generations,
        "schemas": len(shapes),
        **{name: dict(counted) for name, counted in counts.items()},
        "attempts": dict(sorted(attempts.items())),
        "tokens_per_valid_answer": round(written / max(counts["constrained"]["valid"], 1), 1),
        "not_satisfied": {name: count for name, count in failing.most_common() if count},
    }


def main() -> None:
    """Classify, ask, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generations", type=int, default=1000)
    parser.add_argument("--tokens", type=int, default=160)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    shapes, kinds, times = classified()
    found = wiring.resolve("aidx-tiny")
    planned = plan(found.model, Need(ctx_size=2048, parallel=SLOTS), wiring.machine(Wish(vram=(0,))))
    deployment = wiring.start(planned)
    try:
        result = asyncio.run(compared(deployment, wiring.limits(planned), shapes, options.generations, options.tokens))
    finally:
        deployment.stop()
    total = sum(kinds.values())
    result["schemas_by_kind"] = dict(kinds)
    result["accepted_percent"] = round(100 * (total - kinds["refused"]) / total, 1)
    result["classify_ms"] = {"median": round(statistics.median(times), 2), "max": round(max(times), 2)}
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:26} {value}")


if __name__ == "__main__":
    main()
