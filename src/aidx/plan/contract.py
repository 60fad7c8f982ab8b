"""A plan as the JSON object of the contract ``aidx.plan/1``."""

from aidx.budget.ledger import Account
from aidx.budget.settings import Settings
from aidx.plan.result import Plan, RolePlan

Json = dict[str, object]


def as_json(plan: Plan) -> Json:
    """The object that ``aidx plan --json`` prints; its schema is ``data/schemas/plan.json``."""
    found: Json = {
        "schema": "aidx.plan/1",
        "roles": [_role(role) for role in plan.roles],
        "devices": [_device(account) for account in plan.ledger.accounts],
        "verdict": plan.verdict,
        "binding": plan.binding,
        "alternatives": [
            {
                "change": other.change,
                "saves_bytes": other.saves_bytes,
                "max_ctx_size": other.max_ctx_size,
                "cost": other.cost,
            }
            for other in plan.alternatives
        ],
        "plan_hash": plan.plan_hash,
    }
    if plan.notes:
        found["notes"] = list(plan.notes)
    return found


def _role(role: RolePlan) -> Json:
    model, growth, loss = role.model, role.growth, role.loss
    return {
        "role": role.role,
        "model": {
            "name": model.name,
            "source": model.source,
            "architecture": model.architecture,
            "parameters": model.parameters,
            "quantization": model.quantization,
            "file_bytes": model.file_bytes,
            "context_length": model.context_length,
            "vocab_size": model.vocab_size,
        },
        "engine": role.engine,
        "settings": settings_json(role.settings),
        "max_ctx_size": role.max_ctx_size,
        "growth": {
            "bytes_per_token": growth.bytes_per_token,
            "start_tokens": growth.start_tokens,
            "tokens_per_turn": growth.tokens_per_turn,
            "context_full_at_turn": growth.context_full_at_turn,
            "memory_full_at_turn": growth.memory_full_at_turn,
        },
        "loss": {
            "kld_low": loss.kld_low,
            "kld_high": loss.kld_high,
            "quality": loss.quality,
            "source": loss.source,
        },
    }


def settings_json(settings: Settings) -> Json:
    """The ``settings`` object of the contract."""
    return {
        "ctx_size": settings.ctx_size,
        "n_ctx": settings.n_ctx,
        "parallel": settings.parallel,
        "cache_type_k": settings.cache_type_k,
        "cache_type_v": settings.cache_type_v,
        "ubatch_size": settings.ubatch_size,
        "batch_size": settings.batch_size,
        "n_gpu_layers": settings.n_gpu_layers,
        "n_cpu_moe": settings.n_cpu_moe,
        "flash_attn": settings.flash_attn,
        "kv_unified": settings.kv_unified,
        "swa_full": settings.swa_full,
        "split_mode": settings.split_mode,
        "tensor_split": list(settings.tensor_split),
        "main_gpu": settings.main_gpu,
    }


def _device(account: Account) -> Json:
    return {
        "name": account.name,
        "kind": account.kind,
        "total_bytes": account.total,
        "usable_bytes": account.usable,
        "planned_bytes": account.planned,
        "headroom_bytes": account.headroom,
        "entries": [
            {
                "what": entry.what,
                "bytes": entry.bytes,
                "why": entry.why,
                "grade": entry.grade,
                "role": entry.role,
            }
            for entry in account.entries
        ],
    }
