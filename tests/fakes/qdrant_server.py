"""Qdrant's REST interface over HTTP, before the store that its own client brings.

Paths, requests and answers are those of Qdrant's OpenAPI document, from which the models of ``qdrant_client`` are made:
a request that is not of its model is refused, and an answer is what its model says. What it finds is computed by the
client's local store; a server's own indexing, sharding and limits are not here.
"""

import atexit
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler
from threading import Lock, Thread
from urllib.parse import urlsplit

from pydantic import ValidationError
from qdrant_client import QdrantClient
from qdrant_client.http import models
from qdrant_client.http.exceptions import UnexpectedResponse

from tests.fakes.server import Quiet

NAMED = re.compile(r"/collections/([^/]+)(/.*)?")


class FakeServer:
    """Collections in memory; *asked* is each request as ``METHOD path``, *key* what every request must bring."""

    def __init__(self, key: str | None = None) -> None:
        self.client = QdrantClient(":memory:")
        self.key = key
        self.asked: list[str] = []
        self.lock = Lock()

    def answer(self, method, path, body, key):
        """Status and the answer's result."""
        if self.key is not None and key != self.key:
            return 401, None
        match = NAMED.fullmatch(path)
        if match is None:
            return 404, None
        name, rest = match.group(1), match.group(2) or ""
        self.asked.append(f"{method} /collections/NAME{rest}")
        does = getattr(
            self, {"": f"{method.lower()}_collection"}.get(rest, f"{method.lower()}{rest.replace('/', '_')}")
        )
        try:
            return 200, does(name, body)
        except (ValueError, KeyError, UnexpectedResponse) as missing:
            return 404, str(missing)

    def get_exists(self, name, _):
        return models.CollectionExistence(exists=self.client.collection_exists(name))

    def get_collection(self, name, _):
        return self.client.get_collection(name)

    def delete_collection(self, name, _):
        return self.client.delete_collection(name)

    def put_collection(self, name, body):
        asked = models.CreateCollection.model_validate(body)
        return self.client.create_collection(
            name, vectors_config=asked.vectors, sparse_vectors_config=asked.sparse_vectors
        )

    def put_index(self, name, body):
        models.CreateFieldIndex.model_validate(body)
        assert self.client.collection_exists(name)
        return models.UpdateResult(operation_id=1, status=models.UpdateStatus.COMPLETED)

    def put_points(self, name, body):
        return self.client.upsert(name, models.PointsList.model_validate(body).points)

    def post_points_delete(self, name, body):
        return self.client.delete(name, models.FilterSelector.model_validate(body))

    def post_points_scroll(self, name, body):
        asked = models.ScrollRequest.model_validate(body)
        points, after = self.client.scroll(
            name, asked.filter, limit=asked.limit, offset=asked.offset, with_payload=asked.with_payload
        )
        return models.ScrollResult(points=points, next_page_offset=after)

    def post_points_query(self, name, body):
        asked = models.QueryRequest.model_validate(body)
        nearest = asked.query.nearest if isinstance(asked.query, models.NearestQuery) else asked.query
        return self.client.query_points(
            name, nearest, using=asked.using, limit=asked.limit, with_payload=asked.with_payload
        )


def _handler(of: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
            with of.lock:
                try:
                    status, found = of.answer(self.command, urlsplit(self.path).path, body, self.headers.get("api-key"))
                except ValidationError as wrong:
                    status, found = 400, str(wrong)
            result = found.model_dump(mode="json", exclude_none=True) if hasattr(found, "model_dump") else found
            said = {"result": result, "status": "ok"} if status == 200 else {"status": {"error": found or "no"}}
            data = json.dumps({**said, "time": 0.0}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - the library's names

        def log_message(self, *_) -> None:
            """Stay quiet."""

    return Handler


@contextmanager
def qdrant_server(key: str | None = None) -> Iterator[tuple[str, FakeServer]]:
    """Its address, and what it saw."""
    found = FakeServer(key)
    http = Quiet(("127.0.0.1", 0), _handler(found))
    thread = Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_address[1]}", found
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


@cache
def served() -> str:
    """The address of one that runs until the tests end."""
    running = qdrant_server()
    address, _ = running.__enter__()
    atexit.register(running.__exit__, None, None, None)
    return address
