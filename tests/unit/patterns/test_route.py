import pytest

from aidx.adapters.router import shipped
from aidx.errors import EngineError, InputError
from aidx.gate.admit import RefusedError
from aidx.patterns.prompt import Prompt, Turn
from aidx.patterns.route import Judge, answer, choose, milder, served
from aidx.patterns.route_private import private, secret
from aidx.patterns.route_rules import FILES, rule, task
from aidx.patterns.router import gatekeeper
from aidx.patterns.router.model import Calibration, Gatekept, Measured
from aidx.patterns.terms import Served, Terms
from aidx.patterns.vocabulary import Answer, Said
from tests.fakes.patterns import feed

JUDGE = Judge(shipped())
BOTH = frozenset({"editor", "architect"})
TERMS = Terms(roles=BOTH, remote=frozenset({"architect"}))
EASY, HARD = "Fix the typo in README.md", "Design the architecture and plan the migration"
SIZE = RefusedError("too long", code="context_length_exceeded", n_ctx=128, over_by=7)


def prompt(*said, roles=("user",)):
    return Prompt(tuple(Turn.of(roles[number % len(roles)], text) for number, text in enumerate(said)))


def routed(text, replies, terms=TERMS, judge=JUDGE):
    found, asks = feed(answer(prompt(text), terms, judge), replies)
    return found, [one.role for one in asks]


def test_an_easy_prompt_is_the_editor_s_and_a_hard_one_the_architect_s():
    found, asked = routed(EASY, ["done"])
    assert (asked, found.role, found.text) == (["editor"], "editor", "done")
    assert found.why.startswith("editor: classifier 0.0")

    found, asked = routed(HARD, ["plan"])
    assert (asked, found.role) == (["architect"], "architect")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (SIZE, "editor refused (context_length_exceeded)"),
        (InputError("no", code="tools_not_supported"), "editor refused (tools_not_supported)"),
        (EngineError("died"), "editor failed (engine_failed)"),
    ],
)
def test_an_editor_that_cannot_hands_over_and_the_trail_says_so(error, says):
    found, asked = routed(EASY, [error, "plan"])
    assert asked == ["editor", "architect"]
    assert says in found.why
    assert [step.outcome for step in found.trail] == [says.split()[1], "accepted"]


@pytest.mark.parametrize("error", [InputError("bad"), RefusedError("full", code="kv_budget_exhausted")])
def test_other_errors_are_the_caller_s(error):
    with pytest.raises(type(error)):
        routed(EASY, [error])


def test_an_architect_that_fails_is_not_replaced():
    with pytest.raises(EngineError):
        routed(HARD, [EngineError("down")])


def test_with_local_only_nobody_is_turned_to():
    with pytest.raises(EngineError):
        routed(EASY, [EngineError("died")], Terms(roles=BOTH, remote=frozenset({"architect"}), local_only=True))


def test_of_two_refusals_the_milder_is_told():
    larger = RefusedError("too long", code="context_length_exceeded", n_ctx=64, over_by=70)
    assert milder(SIZE, larger) is milder(larger, SIZE) is SIZE
    down = EngineError("down")
    assert milder(SIZE, down) is down


def test_a_local_architect_may_be_asked_with_local_only():
    _, asked = routed(HARD, ["plan"], Terms(roles=BOTH, local_only=True))
    assert asked == ["architect"]


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        (Terms(roles=BOTH, remote=BOTH, local_only=True), "no model may be asked: local_only"),
        (Terms(roles=frozenset({"drafter"})), "no model may be asked"),
    ],
)
def test_where_nobody_may_be_asked_that_is_the_error(terms, says):
    with pytest.raises(InputError, match=says):
        routed(EASY, [], terms)


def test_where_there_is_only_one_it_answers():
    found, asked = routed(HARD, ["x"], Terms(roles=frozenset({"editor"})))
    assert (asked, found.why) == (["editor"], "editor: there is only the editor")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("-----BEGIN RSA PRIVATE KEY-----\nMII", "a private key"),
        ("ghp_" + "a" * 36, "an API key"),
        ("AKIA" + "A" * 16, "an API key"),
        ("postgres://me:secret@db/x", "a password in an address"),
        ("ask-me-anything-about-this-task", None),
        ("https://example.org:8080/a@b", None),
        ("sk-short", None),
    ],
)
def test_secrets_are_known_by_how_they_begin(text, name):
    assert secret(f"look at {text} please") == name


def test_a_secret_anywhere_in_the_conversation_keeps_it_here():
    chat = prompt("the key is sk-abcdefghijklmnop1234", "thanks", HARD, roles=("user", "assistant"))
    assert rule(chat, TERMS).role == "editor"


def test_a_secret_is_not_shown_to_a_gatekeeper_elsewhere():
    terms = Terms(roles=BOTH | {"gatekeeper"}, remote=frozenset({"gatekeeper"}))
    _, asked = routed("use sk-abcdefghijklmnop1234", ["x"], terms)
    assert "gatekeeper" not in asked


def test_expressions_of_one_s_own_keep_a_request_here_and_are_told_by_number():
    found = private(["(?i)project moonshine", r"\bKd-\d{6}\b"])
    assert found("about Project Moonshine") == "expression 1"
    assert found("客户 Kd-123456 的订单") == "expression 2"
    assert found("sk-abcdefghijklmnop1234") == "an API key"
    assert found("nothing") is None
    assert private([]) is secret
    hostile = private(["(a|aa)+$"])
    assert hostile("a" * 50_000 + "b") is None


@pytest.mark.parametrize("expression", ["(", r"(?=x)", r"(a)\1"])
def test_what_is_no_linear_expression_is_refused(expression):
    with pytest.raises(InputError, match=r"route\.private: entry 2 is no regular expression"):
        private(["fine", expression])


def test_naming_many_files_is_a_plan():
    names = " ".join(f"a{n}.py" for n in range(FILES))
    assert rule(prompt(f"Change {names}"), TERMS).role == "architect"
    assert rule(prompt(f"Change {names}"), TERMS, files=0).role is None
    assert rule(prompt("Change a.py"), TERMS).says == f"1 files named, fewer than {FILES}"


@pytest.mark.parametrize(
    ("turns", "judged"),
    [
        ((HARD, "ok", "yes, do it"), f"{HARD}\nyes, do it"),
        ((EASY, "ok", "now the second sentence too"), "now the second sentence too"),
        (("Hi!",), "Hi!"),
    ],
)
def test_what_is_judged_is_the_last_task(turns, judged):
    assert task(prompt(*turns, roles=("user", "assistant"))) == judged


def test_completions_and_odd_conversations_have_a_task_too():
    assert task(Prompt(texts=("a", "b"), kind="text")) == "a\nb"
    assert task(Prompt((Turn.of("system", "x"),))) == "x"
    assert task(Prompt()) == ""


GUARDED = Terms(roles=BOTH | {"gatekeeper"})


@pytest.mark.parametrize(
    ("first", "odds"),
    [
        ({"0": -0.1, "1": -2.1}, -2.0),
        ({"0": -3.0, " 0": -3.0, "1": -1.0}, 1.307),
        ({"1": -0.5, "x": -4.0}, 3.5),
        ({"0": -0.5, "x": -4.0}, -3.5),
        ({"x": -0.5}, None),
        ({}, None),
    ],
)
def test_a_verdict_is_the_odds_of_its_one_token(first, odds):
    found = gatekeeper.score(Said("1", first=first))
    assert found == (None if odds is None else pytest.approx(odds, abs=1e-3))


def test_the_gatekeeper_is_asked_once_for_one_token():
    found, asks = feed(choose(prompt(EASY), GUARDED, JUDGE), [Said("1", first={"0": -5.0, "1": -0.01})])
    assert found.role == "architect"
    assert found.judge == "gatekeeper, not calibrated"
    (ask,) = asks
    assert (ask.role, ask.purpose, ask.prompt.max_tokens, ask.top) == ("gatekeeper", "route", 1, gatekeeper.TOP)
    assert ask.shape is gatekeeper.VERDICT


def test_a_long_prompt_is_shown_to_it_in_part():
    text = gatekeeper.question("a" * 50_000 + "end").prompt.turns[-1].text
    assert len(text) < 2100
    assert text.endswith("end")


@pytest.mark.parametrize("reply", [EngineError("died"), SIZE, Said("x", first={"x": -0.1})])
def test_where_it_has_no_verdict_the_classifier_judges(reply):
    found, _ = feed(choose(prompt(HARD), GUARDED, JUDGE), [reply])
    assert (found.role, found.judge) == ("architect", "classifier")
    assert [step.outcome for step in found.trail] == ["failed"]


def test_its_calibration_and_threshold_are_those_it_was_trained_to():
    figures = Measured(40, 0.7, 0.6, 0.8, 0.5, 0.2, 0.05, 0.1, 0.5)
    kept = Gatekept("tiny", Calibration(0.5, -3.0), 0.1, figures)
    found, _ = feed(
        choose(prompt(EASY), GUARDED, Judge(JUDGE.router, kept)), [Said("1", first={"0": -5.0, "1": -0.01})]
    )
    assert found.why == "architect: gatekeeper 0.376 >= 0.1"


def test_a_pattern_may_stand_for_the_architect():
    def planned(_, terms):
        assert terms.role == "architect"
        return Answer(Said("a plan"), "verifier", (), why="accepted")
        yield

    judge = Judge(JUDGE.router, patterns={"architect": Served("cascade", (), planned)})
    found, asked = routed(HARD, [], judge=judge)
    assert (found.text, found.role, asked) == ("a plan", "verifier", [])
    assert found.why.startswith("architect: classifier")
    assert found.why.endswith("; accepted")


def test_it_is_offered_where_both_roles_are():
    pattern = served(JUDGE)
    assert pattern.offered(Terms(roles=BOTH))
    assert not pattern.offered(Terms(roles=frozenset({"editor"})))
    found, asked = feed(pattern.answer(prompt(EASY), TERMS), ["done"])
    assert (found.text, asked[0].role) == ("done", "editor")
