"""A model for benchmarks of Editors: it makes the edit that is asked for, and notes what it was sent.

It speaks OpenAI's interface (``/v1/chat/completions``) and Ollama's (``/api/chat``), and answers at once. Of each
request it keeps the tokens of the prompt, by cl100k (the folder with its ranks is in the variable ``RANKS``), and
``num_ctx``, if one was asked for.
"""

import json
import os
import re
import threading
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import tiktoken

TASK = re.compile(r"total_(\d+)\b[^\n]*\n?[^\n]*default (\d+)")
BLOCK = "report.py\n<<<<<<< SEARCH\ndef total_{n}(rows):\n=======\ndef total_{n}(rows, limit={n}):\n>>>>>>> REPLACE\n"
RANKS = "TIKTOKEN_CACHE_DIR"


@dataclass
class Stub:
    """What was seen, in order: (tokens of the prompt, num_ctx or ``None``)."""

    seen: list[tuple[int, int | None]] = field(default_factory=list)

    @cached_property
    def _encoding(self) -> tiktoken.Encoding:
        return tiktoken.get_encoding("cl100k_base")

    def tokens(self, messages: list[dict[str, Any]]) -> int:
        """Of the texts, and four for each message, as ChatML has them."""
        texts = [message.get("content") or "" for message in messages]
        if not os.environ.get(RANKS):
            return sum(len(text.encode()) // 4 + 4 for text in texts)
        return sum(len(self._encoding.encode(text, disallowed_special=())) + 4 for text in texts)

    def answer(self, request: dict[str, Any]) -> tuple[str, int]:
        """The text and the tokens of the prompt."""
        messages = request["messages"]
        count = self.tokens(messages)
        self.seen.append((count, (request.get("options") or {}).get("num_ctx")))
        found = TASK.findall("\n".join(message.get("content") or "" for message in messages[-2:]))
        return (BLOCK.format(n=found[-1][0]) if found else "feat(report): bound a total"), count

    def serve(self) -> tuple[ThreadingHTTPServer, str]:
        """Listen on a free port of this machine; the server, and its address."""
        stub = self

        class Handler(_Handler):
            made = stub

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server, f"http://127.0.0.1:{server.server_port}"


class _Handler(BaseHTTPRequestHandler):
    made: Stub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's
        """Say nothing."""

    def do_GET(self) -> None:
        """The models there are."""
        self._send({"object": "list", "data": [{"id": "stub", "object": "model"}], "models": [{"name": "stub"}]})

    def do_POST(self) -> None:
        """An answer, in the words of whichever interface was asked."""
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/api/show":
            self._send({"model_info": {"general.architecture": "qwen2", "qwen2.context_length": 32768}, "template": ""})
            return
        text, prompt = self.made.answer(request)
        if self.path == "/api/chat":
            done = {"done": True, "done_reason": "stop", "prompt_eval_count": prompt, "eval_count": 20}
            self._send({"model": "stub", "message": {"role": "assistant", "content": text}, **done})
            return
        usage = {"prompt_tokens": prompt, "completion_tokens": 20, "total_tokens": prompt + 20}
        if not request.get("stream"):
            message = {"role": "assistant", "content": text}
            self._send(_chunk([{"index": 0, "finish_reason": "stop", "message": message}], usage))
            return
        first = _chunk([{"index": 0, "delta": {"content": text}, "finish_reason": None}])
        last = _chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}])
        events = [json.dumps(each) for each in (first, last, _chunk([], usage))]
        self._write("".join(f"data: {event}\n\n" for event in (*events, "[DONE]")).encode(), "text/event-stream")

    def _send(self, answer: dict[str, Any]) -> None:
        self._write(json.dumps(answer).encode() + b"\n", "application/json")

    def _write(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _chunk(choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> dict[str, Any]:
    return {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "stub", "choices": choices} | (
        {"usage": usage} if usage else {}
    )
