"""Server-sent events out of whatever pieces arrive."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidx.adapters.talk.events import MOST, Event, EventReader
from aidx.errors import EngineError

STREAM = (
    b': comment\r\nevent: a\r\ndata: {"x":1}\r\n\r\ndata:one\ndata: two\n\n'
    b": OPENROUTER PROCESSING\n\nid: 3\ndata: [DONE]\n\n"
)
EVENTS = [Event("a", b'{"x":1}'), Event("", b"one\ntwo"), Event("", b"[DONE]")]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_the_pieces_do_not_matter(cuts):
    borders = [0, *sorted(cuts), len(STREAM)]
    reader = EventReader()
    found = [event for low, high in pairwise(borders) for event in reader.feed(STREAM[low:high])]

    assert found == EVENTS


def test_an_event_without_an_end_is_not_waited_for():
    reader = EventReader()
    reader.feed(b"x" * MOST)
    with pytest.raises(EngineError):
        reader.feed(b"x")
