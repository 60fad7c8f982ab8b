"""A service that speaks as Anthropic does: llama.cpp's real server, which has that interface too."""

from tests.fakes.hosts.openai import service

HOSTS = {"service": service}
