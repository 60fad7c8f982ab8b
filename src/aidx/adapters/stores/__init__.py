"""Where models are found: one file a store."""
