"""Requests of at most 1 MiB that mean harm, by name; each is refused, or loses the field that did."""

import json

MESSAGE = {"role": "user", "content": "x"}


def request(**fields):
    return json.dumps({"model": "editor", "messages": [MESSAGE], **fields}).encode()


def nested(depth, opened="[", closed="]"):
    return request(x=0).replace(b'"x": 0', b'"x": ' + (opened * depth + closed * depth).encode())


CORPUS = {
    "deep arrays": nested(100_000),
    "deep objects": nested(50_000, '{"a":', "}").replace(b":}", b":1}"),
    "many arrays": request(x=[[]] * 340_000),
    "many numbers": request(x=[1] * 500_000),
    "many strings": request(x=[""] * 340_000),
    "many keys": request(x={str(number): 0 for number in range(80_000)}),
    "many messages": request(messages=[MESSAGE] * 30_000),
    "open strings": b'"\\"' * 340_000,
    "backslashes": request(x="\\" * 500_000),
    "NaN": request(temperature=float("nan")),
    "a number too large": request().replace(b'"model"', b'"seed":1e999,"model"'),
    "a number too long": request().replace(b'"model"', b'"seed":' + b"9" * 1_000_000 + b',"model"'),
    "bad UTF-8": request().replace(b'"x"', b'"\xff\xfe"'),
    "half a pair": request(messages=[{"role": "user", "content": "\ud800"}]),
    "a huge schema": request(
        tools=[{"type": "function", "function": {"name": "f", "parameters": {"enum": ["x" * 9] * 60_000}}}]
    ),
    "a deep schema": request(
        tools=[{"type": "function", "function": {"name": "f", "parameters": json.loads('{"a":' * 60 + "1" + "}" * 60)}}]
    ),
    "a grammar": request(response_format={"type": "grammar"}, grammar="(" * 500_000),
    "an unknown role": request(messages=[{"role": "root", "content": "x"}]),
    "an image": request(
        messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/x"}}]}]
    ),
    "a long run": request(messages=[{"role": "user", "content": "a" * 900_000}]),
    "a long prompt": request(messages=[{"role": "user", "content": "word " * 180_000}]),
    "twice the same key": request().replace(b'"model"', b'"model":"x","model"'),
    "not JSON": b"\x00" * 1_000_000,
}
