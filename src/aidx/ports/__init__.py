"""The ports: what the flow needs of the world, each a small protocol beside the values that go through it.

Only ``wiring`` builds what stands behind them. Every implementation, fakes too, passes the same contract
tests (``tests/contract``).
"""
