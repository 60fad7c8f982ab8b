"""The demo's page: what it shows moves with what it is given."""

from msgspec.structs import replace
from tests.fakes.reader import Reader

from aidx.budget.compare import Difference
from aidx.page.demo import render
from aidx.page.story import Carried, Context


def test_the_page_shows_the_table_the_plans_the_comparison_the_edit_and_the_refusal(story):
    page = Reader(render(story))

    assert page.segments("driver")[0] == 1 << 29
    assert "OS and framework: 0.50 GiB (4.2 %, assumed)" in page.words
    assert page.segments("weights") == [8_544_198_656, 8_544_198_656, 12 << 20]
    assert page.segments("over") == [2_773_899_392]
    for shown in ("8.00 GiB", "8,544,198,656", "holds", "a note", "It took what was planned."):
        assert shown in page.words
    for shown in ("9,442,184", "9,437,184", "-5,000", "10,485", "Rename <f> to g.", "41 tokens"):
        assert shown in page.words
    assert ("span", {"class": "plus"}) in page.tags
    assert "Exactly the edit that was asked for." in page.words
    assert {"1,400", "768", "632", "the prompt has 1400 tokens"} <= set(page.text)
    assert story.running.plan.plan_hash in page.words


def test_the_page_is_whole_and_fetches_nothing(story):
    page = Reader(render(story))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]

    assert page.open == []
    assert len(ids) == len(set(ids))
    assert not {name for _, attrs in page.tags for name in attrs} & {"src", "href", "style"}


def test_a_difference_is_not_hidden(story):
    wrong = Difference("host", "weights", 1000, 900_000, 10)
    modelled = Difference("host", "compute", 1000, 10, 10, equal=False)

    running = replace(story.running, differences=(wrong, modelled))
    page = Reader(render(replace(story, running=running)))

    assert "It did not take what was planned." in page.words
    assert "+899,000" in page.words
    assert "yes (no more than)" in page.words
    assert not replace(story, running=running).holds


def test_what_changed_nothing_has_no_diff(story):
    page = Reader(render(replace(story, edit=replace(story.edit, diff=()))))

    assert "What that changed:" not in page.words


def test_the_bars_of_the_card_have_one_scale(story):
    page = Reader(render(story))
    limits = [attrs["x1"] for tag, attrs in page.tags if tag == "line"]

    assert limits[0] == limits[1] == limits[2] == "82.2854%"  # 12 GiB of 15,658,801,280 bytes
    assert limits[3] == "100.0000%"


def test_a_refused_or_wrong_edit_is_said(story):
    refused = replace(story, edit=replace(story.edit, refused="it is <empty>", as_expected=False))
    other = replace(story, edit=replace(story.edit, as_expected=False))

    assert "The answer was refused: it is <empty>" in Reader(render(refused)).words
    assert "Not the edit that was asked for." in Reader(render(other)).words
    assert (story.holds, refused.holds, other.holds) == (True, False, False)


def test_plans_that_were_carried_out_or_taken_back_are_shown(story):
    done = Carried(
        plan="# Plan: <two>",
        title="<two>",
        steps=("a.py: Return two.",),
        checks=("tests",),
        status="done",
        reason=None,
        requests=(Context("edit", 1234, 2048, 21),),
        kv_bytes=6 << 20,
        diff=("-    return 1", "+    return 2"),
        objection="",
        as_before=False,
        commit="0123456789abcdef",
    )
    failed = replace(done, status="failed", reason="no", objection="E <x>", as_before=True, commit=None)

    page = Reader(render(replace(story, carried=(done, failed))))

    assert page.open == []
    for shown in ("# Plan: <two>", "1,234", "The checks passed: tests. Commit 0123456.", "E <x>", "taken back:"):
        assert shown in page.words
    assert "Every file is as it was before." in page.words
    assert replace(story, carried=(done, failed)).holds
    broken = replace(story, carried=(done, replace(failed, as_before=False)))
    assert not broken.holds
    assert "The tree is not as it was before." in Reader(render(broken)).words
