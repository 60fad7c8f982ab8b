"""The compute graph of one physical batch, block by block, as sizes and lifetimes.

The order of operations and which of them take over a parent's memory are the engine's own (llama.cpp
``src/llama-graph.cpp`` and ``src/models``, read off the running engine); the sweep of
``tests/e2e/test_sweep.py`` compares the outcome with it.
"""
