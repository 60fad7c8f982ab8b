"""With ``local_only`` no pattern asks a role of another machine, whatever models say; they are found, not listed."""

from importlib import import_module
from pkgutil import iter_modules

from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.requests import prompt

from aidx import patterns
from aidx.adapters.router import shipped
from aidx.errors import AidxError, EngineError
from aidx.patterns.route import Judge, served
from aidx.patterns.rules import rules
from aidx.patterns.schema.shape import choice
from aidx.patterns.terms import Served, Terms
from aidx.patterns.vocabulary import Ask, Said

ROLES = ("editor", "architect", "drafter", "verifier", "gatekeeper")
SAID = [
    "good",
    "",
    "1",
    "0",
    '"yes"',
    '{"verdict":"accept"}',
    '{"verdict":"reject","reasons":["x"]}',
    EngineError("gone"),
]


def found():
    """Every pattern that a module of the package offers, or makes when it is told who judges."""
    for module in (import_module(f"{patterns.__name__}.{one.name}") for one in iter_modules(patterns.__path__)):
        if isinstance(pattern := getattr(module, "PATTERN", None), Served):
            yield pattern
        elif callable(make := getattr(module, "served", None)):
            yield make(Judge(shipped()))


FOUND = {pattern.name: pattern for pattern in found()}


def test_the_patterns_are_found():
    assert {"direct", "cascade", served(Judge(shipped())).name} <= set(FOUND)


@given(
    st.sampled_from(sorted(FOUND)),
    st.sets(st.sampled_from(ROLES)),
    st.sets(st.sampled_from(ROLES)),
    st.lists(st.sampled_from(SAID), min_size=40, max_size=40),
    st.tuples(st.sampled_from(["Fix the typo", "Design the architecture of a compiler and plan it"]), st.booleans()),
)
def test_no_role_of_another_machine_is_asked(name, roles, remote, told, asked):
    text, shaped = asked
    here = sorted(roles - remote)
    terms = Terms(
        role=here[0] if here else "editor",
        roles=frozenset(roles),
        remote=frozenset(remote),
        local_only=True,
        shape=choice("x", ("yes", "no")) if shaped else None,
        rules=rules(["matches ^good"]),
        escalate="architect",
    )
    for effect in _driven(FOUND[name], prompt(text), terms, told):
        assert not isinstance(effect, Ask) or effect.role not in remote


def _driven(pattern, request, terms, told):
    """What *pattern* wants, one after the other, until it has ended in any way."""
    left, result = iter(told), None
    try:
        running = pattern.answer(request, terms)
        while True:
            effect = running.throw(result) if isinstance(result, AidxError) else running.send(result)
            yield effect
            reply = next(left)
            result = reply if isinstance(reply, AidxError) else Said(reply)
    except (StopIteration, AidxError):
        return
