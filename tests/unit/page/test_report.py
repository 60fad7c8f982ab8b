"""The report of a plan, read back with an HTML parser that shares nothing with the writer."""

import pytest
from msgspec.structs import replace
from tests.fakes.reader import Reader

from aidx.budget.growth import Growth
from aidx.budget.ledger import Ledger
from aidx.page.report import render


def test_a_plan_that_fits_shows_each_entry_in_the_picture_and_in_the_table(plan):
    page = Reader(render(plan))

    assert page.segments("weights") == [8_544_198_656, 437_944_320]
    assert page.segments("kv_cache") == [1_610_612_736]
    assert page.segments("headroom") == [2_057_938_816, 13_352_927_232]
    assert page.segments("over") == []
    for account in plan.ledger.accounts:
        for entry in account.entries:
            assert f"{entry.bytes:,}" in page.words
            assert entry.why in page.words
            assert entry.grade in page.words
    assert "It fits." in page.words
    assert plan.binding in page.words
    assert plan.plan_hash in page.words


def test_a_plan_that_does_not_fit_shows_what_is_over(too_big):
    page = Reader(render(too_big))

    assert page.segments("over") == [2_773_899_392]
    assert page.segments("headroom") == [13_352_927_232]
    assert "It does not fit." in page.words
    assert "2.58 GiB over" in page.words
    assert "Read me." in page.words
    assert ("div", {"class": "verdict over", "data-verdict": "does_not_fit"}) in page.tags


def test_every_element_is_closed_and_every_id_is_used_once(plan):
    page = Reader(render(plan))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]

    assert page.open == []
    assert len(ids) == len(set(ids)) > 0


def test_nothing_is_fetched_and_nothing_runs(plan):
    page = Reader(render(plan))
    tags = {tag for tag, _ in page.tags}
    attributes = {name for _, attrs in page.tags for name in attrs}

    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "audio", "video", "form", "base"}
    assert not attributes & {"src", "href", "srcset", "action", "style", "background"}
    assert not {name for name in attributes if name.startswith("on")}
    assert "@import" not in render(plan)
    assert "url(" not in render(plan).replace("url(#", "")
    assert any("default-src 'none'" in (attrs.get("content") or "") for _, attrs in page.tags)


HOSTILE = '</title><script src="//x">&\x00\x1b[31m\ud800\u202e"'


@pytest.mark.parametrize("field", ["name", "architecture", "quantization"])
def test_text_of_a_model_is_escaped(plan, role, field):
    hostile = replace(role, role=HOSTILE, model=replace(role.model, **{field: HOSTILE}))

    page = render(replace(plan, roles=(hostile,), binding=HOSTILE, notes=(HOSTILE,), plan_hash=HOSTILE))

    page.encode("utf-8")
    assert "<script" not in page
    assert not {"\x00", "\x1b", "\u202e"} & set(page)
    assert "script" not in {tag for tag, _ in Reader(page).tags}
    assert "&lt;script src=&quot;//x&quot;&gt;&amp;\ufffd\ufffd[31m\ufffd\ufffd&quot;" in page


def test_reasons_in_the_ledger_are_escaped_too(plan, gpu):
    entries = tuple(replace(entry, why=HOSTILE, role=HOSTILE) for entry in gpu.entries)

    page = Reader(render(replace(plan, ledger=Ledger((replace(gpu, entries=entries),)))))

    assert "script" not in {tag for tag, _ in page.tags}
    assert "Role" in page.text


def test_entries_without_a_role_have_no_column_for_it(plan):
    assert "Role" not in Reader(render(plan)).text


def test_two_roles_have_a_section_each_and_share_a_title(plan, role):
    drafter = replace(role, role="drafter", model=replace(role.model, name="small"))

    page = Reader(render(replace(plan, roles=(replace(role, role="editor"), drafter), alternatives=())))

    assert "qwen2.5-coder-14b Q4_K_M + small Q4_K_M" in page.text
    assert {" · editor", " · drafter"} <= set(page.text)
    assert "Ways out" not in page.text


def test_a_name_that_ends_with_its_quantization_does_not_repeat_it(plan, role):
    named = replace(role, model=replace(role.model, name="tiny-q4_k_m"))

    assert "tiny-q4_k_m" in Reader(render(replace(plan, roles=(named,)))).text


@pytest.mark.parametrize(
    ("context", "memory", "told"),
    [(14, 30, "context full at turn 14, memory full at turn 30"), (14, None, "turn 14"), (None, None, "never full")],
)
def test_growth_says_when_it_breaks(plan, role, context, memory, told):
    growing = replace(role, growth=Growth(196_608, 0, 600, context, memory))

    assert told in Reader(render(replace(plan, roles=(growing,)))).words


def test_a_role_that_runs_elsewhere_is_named_without_a_ledger_of_its_own(plan):
    cloud = replace(plan.roles[0], role="architect", engine="anthropic")
    cloud = replace(cloud, model=replace(cloud.model, name="claude", source="cloud", quantization=""))
    page = Reader(render(replace(plan, roles=(replace(plan.roles[0], role="editor"), cloud))))

    assert "Through anthropic: no bytes here." in page.words
    assert page.words.count("Architecture") == 1
