"""Laws of line edits; the answers come from difflib, not from the code under test."""

import contextlib
import difflib

from hypothesis import given
from hypothesis import strategies as st

from aidx.pipeline.edit import lines

TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)
LINES = st.lists(TEXT, min_size=1, max_size=120)


def answer_for(before, after):
    """The line edits that turn the lines *before* into *after*."""
    script = []
    for what, start, stop, first, last in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if what == "equal":
            continue
        common = min(stop - start, last - first)
        script += [f"{start + k + 1:02d}|{after[first + k]}" for k in range(common)]
        script += [f"{place + 1:02d}-|" for place in range(start + common, stop)]
        script += [f"{start + common:02d}+|{line}" for line in after[first + common : last]]
    return "\n".join(script)


@given(LINES, LINES, st.sampled_from(["\n", "\r\n", "\r"]))
def test_an_answer_makes_exactly_the_edited_text(before, after, ending):
    source = "".join(line + ending for line in before)
    edited = "".join(line + ending for line in after)

    if before != after:
        assert lines.apply(source, answer_for(before, after)) == edited


@given(LINES, LINES)
def test_a_text_without_a_final_newline_stays_without(before, after):
    if before != after and before[-1]:
        assert lines.apply("\n".join(before), answer_for(before, after)) == "\n".join(after)


@given(LINES, st.data())
def test_sending_a_line_back_changes_nothing(text, data):
    source = data.draw(st.sampled_from(["\n", "\r\n"])).join(text)
    shown = lines.number(source)
    if shown:
        chosen = data.draw(st.sets(st.sampled_from(shown.split("\n")), min_size=1))
        assert lines.apply(source, "\n".join(sorted(chosen))) == source


@given(st.text(), st.text())
def test_an_answer_is_applied_or_refused_and_nothing_else_happens(source, answer):
    with contextlib.suppress(lines.RefusedEditsError):
        assert isinstance(lines.apply(source, answer), str)


@given(st.text())
def test_the_numbered_text_has_a_line_for_each_line(source):
    shown = lines.number(source)

    assert [int(line.split("|", 1)[0]) for line in shown.split("\n") if line] == list(
        range(1, len(source.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")) + 1)
    ) or not source
