"""Prompts as the endpoint makes them, in one line."""

import json

from aidx.gate.prompt import Prompt, Turn


def turn(role, text):
    return Turn(role, text, json.dumps({"role": role, "content": text}).encode())


def prompt(text="hello", asked=None, *, stream=False, before=(), tools=False):
    turns = (*(turn(*one) for one in before), turn("user", text))
    return Prompt(
        turns, fields=b'"stream":%b' % json.dumps(stream).encode(), max_tokens=asked, stream=stream, tools=tools
    )
