"""Which model is right for which role, and what fills each one."""

import json

import pytest

from aidx.adapters.catalogue import read_catalogue, read_clouds
from aidx.advise.roles import fill, judge, judge_cloud
from aidx.model.catalogue import find, find_cloud
from aidx.plan.filled import model_json, roles_json
from aidx.plan.roles import ROLES, TIERS, suits
from aidx.plan.speed import Pace
from tests.unit.plan.test_choose import CLOUDS, candidate, schema
from tests.unit.plan.worlds import machine

GIB = 1 << 30
ENTRIES = read_catalogue()


def right(name):
    """The roles that the model called *name* is right for."""
    entry = find(ENTRIES, name).entry
    return {role.name for role in ROLES.values() if suits(role, entry.standing, entry.parameters).suits}


@pytest.mark.parametrize(
    ("name", "roles"),
    [
        # The role map and the article: DESIGN section 1, names of V. Rudakov's article.
        ("qwen2.5-coder:14b-instruct-q4_K_M", {"editor", "verifier"}),
        ("qwen2.5-coder:7b", {"editor", "drafter"}),
        ("ministral", {"researcher", "gatekeeper"}),
        ("phi-3-mini", {"researcher", "gatekeeper"}),
        ("devstral-small-2", {"editor", "verifier"}),
        ("llama3.1:8b", {"drafter"}),  # general, without a reason to edit
        ("deepseek-r1:14b", {"thinking"}),  # big enough for an Editor, of the wrong class
        ("llama3.3:70b", {"verifier"}),
        ("glm-4.5-air", {"editor", "verifier", "architect"}),
    ],
)
def test_size_and_class_decide_together(name, roles):
    assert right(name) == roles


@pytest.mark.parametrize(
    ("name", "roles"),
    [("claude-sonnet-4", {"architect"}), ("gemini-3-deepthink", {"thinking"}), ("gpt-4o", set()), ("o3", {"thinking"})],
)
def test_models_of_the_cloud_plan_or_check(name, roles):
    judged = judge_cloud(find_cloud(read_clouds(), name))

    assert {one.role for one in judged.roles if one.suits} == roles
    assert judged.fits


def test_a_model_that_nobody_offers_is_right_for_nothing():
    judged = judge_cloud(find_cloud(read_clouds(), "o2"))

    assert not any(one.suits for one in judged.roles)
    assert "no provider offers it" in judged.roles[0].why


def test_every_tier_has_its_roles_and_every_judgement_its_reason():
    assert {role.tier for role in ROLES.values()} == {band.tier for band in TIERS}
    for entry in ENTRIES:
        for role in ROLES.values():
            assert suits(role, entry.standing, entry.parameters).why


def test_each_role_is_filled_with_what_is_right_and_holds():
    known = [
        candidate("tiny", parameters=2_000_000_000, tier="micro"),
        candidate("worker"),
        candidate("doubter", adherence="thinking"),
    ]
    filled = {one.role.name: one for one in fill(known, CLOUDS, machine(2 * GIB), Pace())}

    def names(role):
        return {choice.model for choice in filled[role].choices}

    assert names("researcher") == names("gatekeeper") == {"tiny"}
    assert filled["researcher"].choices[0].placement == "on the CPU"
    assert names("editor") == {"worker"}
    assert names("architect") == {"far"}
    assert filled["embedder"].choices == ()
    assert filled["embedder"].note
    schema("roles").validate(json.loads(json.dumps(roles_json(tuple(filled.values())))))


def test_where_nothing_holds_the_note_says_what_lacks():
    filled = fill([candidate("worker")], (), machine(None, 64 << 20), Pace())
    note = next(one.note for one in filled if one.role.name == "editor")

    assert note.startswith("nothing holds: worker ")
    assert "lacks" in note


@pytest.mark.parametrize("ram", [64 * GIB, 64 << 20])
def test_one_model_is_judged_for_every_role_and_for_this_machine(ram):
    judged = judge(candidate("worker", adherence="thinking"), machine(None, ram), Pace())

    assert judged.fits is (ram > GIB)
    assert [one.role for one in judged.roles] == list(ROLES)
    schema("roles").validate(json.loads(json.dumps(model_json(judged))))
    schema("roles").validate(json.loads(json.dumps(model_json(judge_cloud(CLOUDS[0])))))
