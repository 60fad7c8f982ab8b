"""Checkpoints as their makers publish them: ``config.json`` and safetensors files, planned as their conversion."""
