"""Structured output: a JSON Schema prepared, classified, and held against what a model said."""
