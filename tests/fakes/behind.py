"""llama.cpp's real server, behind an interface that a test writes: what it says is what a model says."""

import json
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from urllib.parse import urlsplit

from tests.fakes.hosts.llama_server import running


class Behind:
    """A server that is asked by one that stands in front of it."""

    def __init__(self, url, key):
        self.at = urlsplit(url)
        self.key = key

    def ask(self, path, value):
        """Status and JSON of an answer in one piece."""
        with closing(self._send(path, value)) as connection:
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())

    def events(self, path, value):
        """The events of a stream, without the last word."""
        with closing(self._send(path, {**value, "stream": True, "stream_options": {"include_usage": True}})) as sent:
            for line in sent.getresponse():
                if line.startswith(b"data: {"):
                    yield json.loads(line[6:])

    def _send(self, path, value):
        connection = HTTPConnection(self.at.hostname, self.at.port, timeout=60)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(value), headers)
        return connection


@contextmanager
def behind(launch):
    """One that runs the model of *launch*."""
    with running(launch) as ready:
        yield Behind(ready.urls[0], ready.key)
