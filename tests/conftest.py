"""Shared by all tests: Hypothesis profiles, and an environment without anybody's own settings."""

import os

import pytest
from hypothesis import settings

settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, derandomize=True, max_examples=100)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

PREFIXES = ("AIDX_", "OLLAMA_", "LLAMA_ARG_")


@pytest.fixture(autouse=True, scope="session")
def _nobody_s_settings(tmp_path_factory):
    """Settings of whoever runs the tests change no outcome, in child processes too."""
    for name in [name for name in os.environ if name.startswith(PREFIXES)]:
        del os.environ[name]
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("config"))
