"""Admission under any order of requests, ends and departures."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aidx.gate.admit import Admission, Admitted, Limits, Queued

N_CTX = 100


class Requests(RuleBasedStateMachine):
    """The model: lists of who runs and who waits, in order; the ledger must never disagree."""

    @initialize(slots=st.integers(1, 4))
    def begin(self, slots):
        self.limits = Limits(n_ctx=N_CTX, n_ctx_seq=N_CTX, slots=slots, gate=N_CTX - 1, max_tokens=1)
        self.admission = Admission(self.limits)
        self.running = {}
        self.waiting = []
        self.arrived = 0
        self.admitted = []

    @rule(cells=st.integers(1, N_CTX), prompt=st.binary(max_size=3))
    def ask(self, cells, prompt):
        ticket = self.arrived
        self.arrived += 1
        decision = self.admission.ask(ticket, cells, prompt)
        room = sum(self.running.values()) + cells <= N_CTX and len(self.running) < self.limits.slots
        if isinstance(decision, Admitted):
            assert room
            assert not self.waiting, "somebody was overtaken"
            assert decision.cells == cells
            self.running[ticket] = cells
            self.admitted.append(ticket)
        elif isinstance(decision, Queued):
            assert self.waiting or not room, "waits while there is room"
            assert decision.ahead == len(self.waiting)
            self.waiting.append((ticket, cells))
        else:
            assert len(self.waiting) == self.limits.queue, "turned away from a queue that is not full"

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data):
        ticket = data.draw(st.sampled_from(sorted(self.running)))
        del self.running[ticket]
        self._move_up(self.admission.leave(ticket))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_up(self, data):
        entry = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(entry)
        self._move_up(self.admission.leave(entry[0]))

    @rule(ticket=st.integers(0, 100))
    def leave_again(self, ticket):
        if ticket not in self.running and ticket not in dict(self.waiting):
            assert self.admission.leave(ticket) == {}

    def _move_up(self, admitted):
        for ticket, decision in admitted.items():
            first, cells = self.waiting.pop(0)
            assert ticket == first, "not the one that came first"
            assert decision.cells == cells
            self.running[ticket] = cells
            self.admitted.append(ticket)

    @invariant()
    def the_budget_holds(self):
        reserved = self.admission.reserved
        assert reserved.cells == sum(self.running.values()) <= N_CTX
        assert reserved.requests == len(self.running) <= self.limits.slots
        assert reserved.queued == len(self.waiting) <= self.limits.queue

    @invariant()
    def every_slot_has_one_owner(self):
        slots = [admitted.slot for admitted in self.admission.running.values()]
        assert len(slots) == len(set(slots))
        assert all(0 <= slot < self.limits.slots for slot in slots)

    @invariant()
    def the_first_in_line_waits_only_for_want_of_room(self):
        if self.waiting:
            cells = self.waiting[0][1]
            assert sum(self.running.values()) + cells > N_CTX or len(self.running) == self.limits.slots

    @invariant()
    def admission_is_in_the_order_of_arrival(self):
        assert self.admitted == sorted(self.admitted)

    def teardown(self):
        """Nobody starves: when those who run end, one after the other, everybody has had a turn."""
        if not hasattr(self, "admission"):
            return
        while self.running:
            ticket = min(self.running)
            del self.running[ticket]
            self._move_up(self.admission.leave(ticket))
        assert self.waiting == []
        assert self.admission.reserved.cells == self.admission.reserved.requests == 0


TestRequests = Requests.TestCase
TestRequests.settings = settings(max_examples=1000, stateful_step_count=20, deadline=None)
