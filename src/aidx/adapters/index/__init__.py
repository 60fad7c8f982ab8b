"""Stores of chunks: one module each, with a class that is an ``Index``."""
