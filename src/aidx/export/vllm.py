"""vLLM's command line, with the bytes of its cache written out instead of a share of the card."""

from aidx.errors import InputError
from aidx.export.given import Exported, File, Given
from aidx.export.text import shell
from aidx.plan.engines.vllm import BLOCK

ENGINE = "vllm"


def export(given: Given) -> Exported:
    """One script; the plan must have been made for vLLM."""
    role, *more = given.local
    if more or role.engine != ENGINE:
        raise InputError(
            f"this plan is for {role.engine if not more else 'several processes'}, and vLLM allocates otherwise",
            hint="Plan one model with --engine vllm.",
        )
    source = role.model.path or given.repository(role)
    if source is None:
        raise InputError(
            f"where the weights of {role.model.name} come from is not known", hint="Give the checkpoint's folder."
        )
    chosen, cache = role.settings, sum(account.sum("kv_cache") for account in given.plan.ledger.accounts)
    words = (
        *("vllm", "serve", source, "--served-model-name", given.names(role)[0]),
        *("--max-model-len", str(chosen.n_ctx_seq), "--max-num-seqs", str(chosen.parallel)),
        *("--max-num-batched-tokens", str(chosen.n_batch)),
        *("--block-size", str(BLOCK), "--kv-cache-memory-bytes", str(cache)),
        *("--host", "127.0.0.1", "--port", "8000"),
    )
    text = f"#!/bin/sh\n# aidx plan {given.plan.plan_hash}\nexec {shell(words)}\n"
    return Exported((File("vllm.sh", text, program=True),), given.plan.notes)
