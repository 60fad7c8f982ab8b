"""Where each engine runs in a test: one file an engine that cannot start by itself, named like it.

``host(launch)`` gives the launch with which it can be started, for as long as the block runs.
"""
