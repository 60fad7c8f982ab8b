"""The outside world: engines, files, hardware, processes. Built by wiring only."""
