"""``artifacts/plan.md``: what an Architect, or a person, hands to the Editor."""
