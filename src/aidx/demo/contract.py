"""The tour as the JSON object ``aidx.demo/1``."""

from msgspec.structs import asdict

from aidx.page.story import Carried, Story
from aidx.plan.contract import as_json as plan_json

Json = dict[str, object]


def as_json(story: Story, *, html: str, seconds: float) -> Json:
    """The object that ``aidx demo --json`` prints; its schema is ``data/schemas/demo.json``."""
    budget, running, edit = story.budget, story.running, story.edit
    return {
        "schema": "aidx.demo/1",
        "holds": story.holds,
        "article": {
            "budget": [
                {
                    "component": row.component,
                    "stated_bytes": row.stated,
                    "exact_bytes": row.exact,
                    "verdict": row.verdict,
                }
                for row in budget.table
            ],
            "plans": {name: plan_json(plan) for name, plan in budget.plans.items()},
        },
        "plan": plan_json(running.plan),
        "comparison": {
            "holds": running.holds,
            "build": running.build,
            "resident_bytes": running.resident,
            "entries": [
                {
                    "device": row.device,
                    "what": row.what,
                    "planned_bytes": row.planned,
                    "allocated_bytes": row.allocated,
                    "difference_bytes": row.bytes,
                    "rounding_bytes": row.rounding,
                    "holds": row.holds,
                }
                for row in running.differences
            ],
        },
        "edit": {
            "kind": edit.kind,
            "file": edit.file,
            "instruction": edit.instruction,
            "prompt_tokens": edit.prompt_tokens,
            "answer": edit.answer,
            "result": edit.result,
            "diff": list(edit.diff),
            "refused": edit.refused,
            "as_expected": edit.as_expected,
        },
        "pipeline": [_carried(run) for run in story.carried],
        "refusal": {"message": story.refusal.message, **story.refusal.numbers},
        "html": html,
        "seconds": round(seconds, 2),
    }


def _carried(run: Carried) -> Json:
    return {
        "plan": run.plan,
        "plan_by": "hand",
        "status": run.status,
        "reason": run.reason,
        "requests": [asdict(request) for request in run.requests],
        "peak_kv_bytes": run.kv_bytes,
        "diff": list(run.diff),
        "checks": list(run.checks),
        "objection": run.objection,
        "tree": "as_before" if run.as_before else "changed",
        "commit": run.commit,
    }
