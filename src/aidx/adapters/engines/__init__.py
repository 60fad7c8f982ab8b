"""One file an engine: NAME and ENGINE."""
