"""Services that speak as Anthropic does: llama.cpp's real server, which has that interface too, and those that run."""

from tests.fakes.hosts.openai import service
from tests.fakes.places import SERVERS, servers

HOSTS = {"service": service} | servers(*SERVERS)
