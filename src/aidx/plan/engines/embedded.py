"""llama.cpp's server in a child of ours, at exactly the planned settings."""

from aidx.plan.engines._rules import Rules

RULES = Rules("embedded")
