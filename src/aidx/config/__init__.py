"""Settings: ``aidx.toml``, the environment and the user's own file, each value with where it came from."""
