"""How an answer of a model becomes a change of a file: one module a format."""
