"""Hard limits on the memory of a process, one file a mechanism; each has ``KIND``, ``RANK`` and ``make``."""
