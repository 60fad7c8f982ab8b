"""The one way to a model: counting, admission and reservation of KV cells."""
