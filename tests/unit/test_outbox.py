"""What many connections write is written together at the end of a turn, and what few write at once."""

from aidx.outbox import FEW, MOST, Outbox


class Out:
    """Remembers what was written to it, in one list for all."""

    closing = False

    def __init__(self, seen, name=""):
        self.seen = seen
        self.name = name

    def is_closing(self):
        return self.closing

    def write(self, data):
        self.seen.append(self.name + data.decode())


def world():
    seen, soon = [], []
    return Outbox(soon.append), seen, soon


def test_few_are_written_to_at_once():
    outbox, seen, soon = world()
    outbox.put(Out(seen), b"a", FEW)
    assert (seen, soon) == (["a"], [])


def test_many_are_written_to_in_their_order_when_the_turn_ends():
    outbox, seen, soon = world()
    one, other = Out(seen, "1"), Out(seen, "2")
    outbox.put(one, b"a", FEW + 1)
    outbox.put(other, b"a", FEW + 1)
    outbox.put(one, b"b", 1)  # few are left, and what came before is kept still
    assert seen == []

    (flush,) = soon
    flush()
    assert seen == ["1a", "2a", "1b"]
    flush()
    assert len(seen) == 3

    outbox.put(one, b"c", FEW + 1)
    assert len(soon) == 2


def test_what_is_closed_meanwhile_takes_nothing():
    outbox, seen, _ = world()
    one, other = Out(seen, "1"), Out(seen, "2")
    outbox.put(one, b"a", FEW + 1)
    outbox.put(other, b"a", FEW + 1)
    one.closing = True
    outbox.flush()
    assert seen == ["2a"]


def test_only_so_much_is_kept():
    outbox, seen, soon = world()
    for _ in range(MOST + 1):
        outbox.put(Out(seen), b"a", FEW + 1)
    assert len(seen) == MOST
    assert len(soon) == 2
