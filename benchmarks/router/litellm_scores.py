"""Scores of LiteLLM's complexity router, run by a Python that has litellm: JSON prompts in, JSON scores and µs out.

Its default (`heuristic`) gives a score. `heuristic_v2` forecasts whether the cheapest tier is enough: one less that.
"""

import json
import os
import sys
import time

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # its table of prices comes from its package, not from a server


def main() -> None:
    """Read, score, print."""
    from litellm import Router  # noqa: PLC0415
    from litellm.router_strategy.complexity_router.complexity_router import ComplexityRouter  # noqa: PLC0415

    prompts = json.load(sys.stdin)
    tiers = {"SIMPLE": "m", "MEDIUM": "m", "COMPLEX": "m", "REASONING": "m"}
    models = Router(model_list=[{"model_name": "m", "litellm_params": {"model": "openai/m", "api_key": "none"}}])
    found = {}
    for kind in ("heuristic", "heuristic_v2"):
        config = {"classifier_type": kind, "tiers": tiers}
        router = ComplexityRouter("auto", models, complexity_router_config=config, default_model="m")
        scores, began = [], time.process_time()
        for prompt in prompts:
            outcome = router._classify_locally(prompt, None)  # noqa: SLF001 - its public door asks an event loop
            forecast = outcome.heuristic_v2_forecast
            scores.append(outcome.score if forecast is None else 1.0 - forecast["probabilities"]["SIMPLE"])
        spent = time.process_time() - began
        found[f"litellm {kind}"] = {"scores": scores, "us": spent / len(prompts) * 1e6}
    json.dump(found, sys.stdout)


main()
