"""Scores of cascadeflow's complexity detector, run by a Python that has cascadeflow: JSON prompts in, JSON out."""

import json
import sys
import time


def main() -> None:
    """Read, score, print."""
    from cascadeflow.quality.complexity import ComplexityDetector, QueryComplexity  # noqa: PLC0415

    prompts = json.load(sys.stdin)
    rank = {level: number for number, level in enumerate(QueryComplexity)}
    detector = ComplexityDetector()
    scores, began = [], time.process_time()
    for prompt in prompts:
        level, sure = detector.detect(prompt)
        middle = (len(rank) - 1) / 2
        scores.append(rank[level] + (sure if rank[level] > middle else -sure) / 4)
    spent = time.process_time() - began
    json.dump({"cascadeflow": {"scores": scores, "us": spent / len(prompts) * 1e6}}, sys.stdout)


main()
