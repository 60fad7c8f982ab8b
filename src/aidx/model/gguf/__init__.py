"""GGUF headers, without I/O."""
