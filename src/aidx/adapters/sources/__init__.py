"""Where a MODEL is looked for, one file a place; ``wiring`` asks them in turn."""
