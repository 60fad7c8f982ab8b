"""``parse(render(plan)) == plan``, and no text makes anything but a plan or a PlanError."""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from aidx.pipeline.artifact.parse import PlanError, parse
from aidx.pipeline.artifact.plan import ChangePlan, PlannedFile, Step, render

NAME = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
PATH = st.builds("{}/{}.py".format, NAME.filter(lambda n: n not in {"con", "aux", "nul", "prn"}), NAME)
WORDS = st.text("abc xyz`'#-.:(){}0123\u00e9", min_size=1, max_size=30).map(str.strip).filter(bool)
LINES = st.lists(st.one_of(WORDS, WORDS.map("  {}".format), st.just("")), max_size=4)


@st.composite
def plans(draw):
    paths = draw(st.lists(PATH, min_size=1, max_size=4, unique=True))
    actions = [draw(st.sampled_from(["edit", "create", "delete", "read"])) for _ in paths]
    actions[0] = draw(st.sampled_from(["edit", "create", "delete"]))
    changed = [path for path, action in zip(paths, actions, strict=True) if action in {"edit", "create"}]
    targets = [*changed, *draw(st.lists(st.sampled_from(changed), max_size=9) if changed else st.just([]))]
    steps = []
    for path in targets:
        text = "\n".join([draw(WORDS), *draw(LINES)]).strip()
        steps.append(Step(path, draw(st.none() | NAME | st.builds("{}.{}".format, NAME, NAME)), text))
    why = "\n".join(draw(st.lists(WORDS.filter(lambda w: not w.startswith("#")), max_size=3)))
    return ChangePlan(
        title=draw(WORDS),
        why=why,
        files=tuple(PlannedFile(path, action) for path, action in zip(paths, actions, strict=True)),
        steps=tuple(steps),
        checks=tuple(draw(st.lists(NAME, max_size=3, unique=True))),
        commit=draw(st.none() | st.builds("feat: {}".format, WORDS)),
    )


@given(plans())
@settings(deadline=None, max_examples=400)
def test_a_plan_survives_being_written_down(plan):
    assert parse(render(plan)) == plan


@given(plans(), st.data())
@settings(deadline=None, max_examples=400)
def test_a_damaged_plan_is_read_or_refused(plan, data):
    text = render(plan)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 20)))
    damaged = text[:start] + data.draw(st.text(max_size=5)) + text[end:]

    with suppress(PlanError):
        assert parse(render(parse(damaged))) == parse(damaged)
