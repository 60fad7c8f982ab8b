"""Which: from a need and a machine to a plan, its explanation and its checklist. Pure generators."""
