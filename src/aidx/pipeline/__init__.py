"""Research, plan, pre-flight, edit, check: the role pipeline."""
