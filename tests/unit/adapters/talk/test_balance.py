"""Which node a request goes to."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidx.adapters.talk.balance import BEGINNING, Node, beginning, cells_of, order

NODES = st.lists(
    st.builds(Node, st.text("abc", min_size=1, max_size=3), st.integers(0, 99), st.integers(0, 99), up=st.booleans()),
    max_size=5,
    unique_by=lambda node: node.name,
)


def asked(text, *, system="Be brief.", after=()):
    return {"messages": [{"role": "system", "content": system}, {"role": "user", "content": text}, *after]}


@given(NODES, st.binary(max_size=9), st.integers(0, 99))
def test_every_node_that_is_up_is_tried_once_and_no_other(nodes, text, wanted):
    found = order(nodes, text, wanted)

    assert sorted(node.name for node in found) == sorted(node.name for node in nodes if node.up)


@given(NODES, st.binary(max_size=9), st.integers(0, 99))
def test_the_first_has_room_where_any_has(nodes, text, wanted):
    found = order(nodes, text, wanted)

    if any(node.free >= wanted for node in found):
        assert found[0].free >= wanted
    assert not found or found[0].free >= min(wanted, max(node.free for node in found))


def test_a_conversation_stays_where_its_past_is():
    nodes = [Node(name, 1000) for name in "abc"]
    turns = [{"role": "assistant", "content": "x"}, {"role": "user", "content": "and?"}]
    first, later = asked("hello"), asked("hello", after=turns)

    assert beginning(first) == beginning(later)
    assert order(nodes, beginning(first), 10)[0] is order(nodes, beginning(later), 10)[0]


def test_conversations_are_spread_and_few_move_when_a_node_goes():
    nodes = [Node(name, 1000) for name in "abc"]
    texts = [beginning(asked(f"question {number}")) for number in range(600)]
    before = [order(nodes, text, 1)[0].name for text in texts]
    after = [order(nodes[:2], text, 1)[0].name for text in texts]

    assert min(Counter(before).values()) > 120
    assert all(old == new for old, new in zip(before, after, strict=True) if old != "c")


def test_a_full_node_is_left_for_the_one_with_the_most_room():
    nodes = [Node("a", 100, taken=95), Node("b", 100, taken=50), Node("c", 100, taken=20, sent=60)]

    assert all(order(nodes, bytes([number]), 30)[0].name == "b" for number in range(9))


@pytest.mark.parametrize(
    "request_", [{}, {"prompt": "x" * 9999}, {"input": ["a"]}, {"messages": [1]}, {"messages": []}]
)
def test_whatever_was_asked_has_a_beginning(request_):
    assert len(beginning(request_)) <= BEGINNING


def test_cells_are_those_of_the_plan():
    plan = {"roles": [{"settings": {"n_ctx": 1024}}, {"settings": {"n_ctx": 512}}]}

    assert cells_of({"plan": plan, "reserved": {"tokens": 7}}) == (1536, 7)
