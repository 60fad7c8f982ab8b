"""A running `aidx serve`, as tests drive it: the installed command, its address, its lines, its children."""

import json
import os
import queue
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

import openai
import psutil

from aidx.adapters.stores import shipped
from tests.running import AIDX

ADDRESS = "aidx: serving on "
CHAT = "/v1/chat/completions"
TINY = (shipped.path(), "--vram", "0")
TASK = """Add a parameter limit with default 10.

01|def first(self, rows):
02|    for row in rows:
03|        yield row"""


class Endpoint:
    """A running `aidx serve`."""

    def __init__(self, *options, env=None, model=TINY, folder=None):
        command = [*AIDX, "serve", *model, "--port", "0", *options]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
            cwd=folder,
        )
        first = self.process.stdout.readline().rstrip("\n")
        assert first.startswith(ADDRESS), self.process.communicate()[1]
        self.url = first.removeprefix(ADDRESS)
        self.lines = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.lines.put(line.rstrip("\n"))

    def call(self, path, fields=None, headers=None, timeout=120, *, raw=False):
        data = None if fields is None else json.dumps(fields).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                body = answer.read()
                return answer.status, dict(answer.headers), body if raw else json.loads(body)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), json.loads(error.read())

    def ask(self, text=TASK, **fields):
        return self.call(CHAT, {"model": "editor", "messages": messages(text), **fields})

    @property
    def reserved(self):
        return self.call("/plan")[2]["reserved"]

    @property
    def engine(self):
        """The engine's process: the child of ours that is none of uvicorn's."""
        return next(iter(psutil.Process(self.process.pid).children()), None)

    def client(self, **options):
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="unused", max_retries=0, timeout=120, **options)

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self._reader.join()
            self.process.stdout.close()
            self.process.stderr.close()
        return self.process.returncode


def until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return time.monotonic()
        time.sleep(0.01)
    raise AssertionError("it did not come about")


def messages(text=TASK):
    return [{"role": "user", "content": text}]
