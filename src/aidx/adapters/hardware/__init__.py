"""What this machine has: one file a source."""
