"""One tour through all of it."""
