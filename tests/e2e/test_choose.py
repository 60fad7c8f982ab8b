"""`aidx choose`, `aidx roles` and the inverse questions as a user asks them, with the real engine."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from importlib.resources import files

import jsonschema_rs
import pytest
from msgspec.structs import replace
from tests.running import AIDX, aidx

from aidx import wiring
from aidx.advise import largest_quantization, longest_context, most_slots, plan
from aidx.plan.choice import QUANTS
from aidx.plan.need import Need
from aidx.plan.wish import Wish

CARD = ("--vram", "12GiB", "--host-ram", "16GiB")
engine_only = pytest.mark.skipif(sys.platform != "linux", reason="the engine is asked on Linux x86-64 only")


def asked(*arguments, code=0):
    name = arguments[0]
    found = json.loads(aidx(*arguments, "--json", code=code).stdout)
    schema = json.loads((files("aidx") / "data" / "schemas" / f"{name}.json").read_text())
    jsonschema_rs.validator_for(schema).validate(found)
    return found


@engine_only
def test_each_choice_is_what_a_plan_of_it_says():
    found = asked("choose", *CARD, "-c", "8192", "--role", "editor")["choices"]

    assert len(found) == 12
    assert all(choice["suits_role"] for choice in found)
    for choice in found[:3]:
        caches = ("-ctk", choice["cache_type_k"], "-ctv", choice["cache_type_v"])
        model = (choice["model"], "--quant", choice["quantization"])
        planned = asked("plan", *model, *caches, "-c", "8192", *CARD)
        gpu = planned["devices"][0]
        assert (choice["planned_bytes"], choice["headroom_bytes"]) == (gpu["planned_bytes"], gpu["headroom_bytes"])
        assert choice["max_ctx_size"] == planned["roles"][0]["max_ctx_size"]


def test_the_article_s_editor_holds_on_its_card():
    found = asked("choose", "qwen2.5-coder:14b", *CARD, "--role", "editor", "--fast")["choices"]
    q4 = next(one for one in found if (one["quantization"], one["cache_type_k"]) == ("Q4_K_M", "f16"))

    assert q4["suits_role"]
    assert q4["class"] == "general"
    assert "the article's own Editor" in q4["why"]
    assert q4["max_ctx_size"] >= 8192


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("asking", [("--role", "editor"), ("--role", "architect"), ("qwen3-coder:30b",)])
def test_lines_are_as_wide_as_the_screen_and_say_what_is_left_out(columns, asking):
    shown = aidx("choose", *asking, *CARD, "--fast", COLUMNS=columns).stdout.splitlines()

    assert max(len(line) for line in shown if not line.startswith("next: ")) <= columns
    assert shown[-1].startswith("next: aidx ")
    assert any("--all shows them" in line or "left out" in line for line in shown) or len(asking) == 1


def test_where_nothing_holds_the_exit_is_3_and_the_nearest_is_named():
    nothing = ("choose", "qwen2.5-72b", "--vram", "0", "--host-ram", "8GiB", "--fast")
    found = asked(*nothing, code=3)
    said = aidx(*nothing, code=3).stderr.splitlines()

    assert found["choices"] == []
    assert found["nearest"]["lacks_bytes"] > 0
    assert "qwen2.5-72b" in said[0]
    assert said[1].startswith("hint: ")


@pytest.mark.parametrize(
    "wrong",
    [
        ("choose", "-c", "max"),
        ("choose", "nonesuch"),
        ("choose", "--role", "pilot"),
        ("choose", "--max-loss", "-1"),
        ("choose", "-ctk", "q9_9"),
        ("choose", "--quant", "Q9_K", "--fast"),
        ("choose", "-c", "99999999", "--fast"),
        ("choose", "claude-sonnet-4"),
        ("roles", "nonesuch"),
        ("roles", "--vram", "12XB"),
    ],
)
def test_what_is_wrong_is_one_line_and_a_hint(wrong):
    done = aidx(*wrong, code=2)
    lines = [line for line in done.stderr.splitlines() if "weighing" not in line]

    assert done.stdout == ""
    assert len(lines) == 2
    assert lines[0].startswith("aidx: ")
    assert lines[1].startswith("hint: ")


def test_a_context_that_compares_nothing_is_refused_before_models_are_weighed():
    assert aidx("choose", "-c", "max", code=2).stderr.startswith("aidx: --ctx-size max compares nothing")


def test_roles_of_a_machine_and_of_models():
    tiers = {tier["tier"]: tier for tier in asked("roles", *CARD)["tiers"]}
    micro, cloud = asked("roles", "phi-3-mini", *CARD)["model"], asked("roles", "Claude 4.0 Sonnet")["model"]
    tiny = asked("roles", "aidx-tiny", "--vram", "0")["model"]

    assert [role["role"] for role in tiers["editor"]["roles"]] == ["editor", "drafter", "verifier"]
    assert all(role["candidates"] or role["note"] for tier in tiers.values() for role in tier["roles"])
    assert tiers["architect"]["roles"][0]["candidates"][0]["cloud"]
    assert (micro["tier"], micro["fits"]) == ("micro", True)
    assert (cloud["name"], cloud["cloud"], cloud["fits"]) == ("claude-sonnet-4", True, True)
    assert (tiny["class"], tiny["fits"]) == ("unknown", True)
    assert "yes editor" in aidx("roles", "devstral-small-2", *CARD, COLUMNS=80).stdout


def test_what_ran_here_is_measured_from_then_on(tmp_path, monkeypatch):
    monkeypatch.setenv("AIDX_CACHE_DIR", str(tmp_path))
    here = ("choose", "aidx-tiny", "--vram", "0", "-c", "1024", "-ctk", "f16", "--fast")
    before = asked(*here)["choices"][0]
    aidx("ask", "def f(a): return a", "--url", "", "--max-tokens", "40")
    after = asked(*here)["choices"][0]

    assert "speed assumed" in before["why"]
    assert "speed measured: measured here over 40 tokens" in after["why"]
    assert after["tokens_per_second"] > 0


@engine_only
def test_the_most_that_fits_fits_and_one_step_more_does_not():
    found = wiring.resolve("qwen2.5-coder:14b")
    machine = wiring.machine(Wish(vram=(12 << 30,), host_ram=16 << 30))
    whole = Need(ctx_size=8192, n_gpu_layers="all")
    prober = wiring.prober()
    try:

        def holds(need, model=found.model):
            return plan(model, need, machine, prober).ledger.holds

        reach = longest_context(found.model, whole, machine, prober)
        assert holds(replace(whole, ctx_size=reach))
        assert not holds(replace(whole, ctx_size=reach + 256))

        slots = most_slots(found.model, whole, machine, 2048, prober)
        assert holds(replace(whole, ctx_size=2048 * slots, parallel=slots))
        assert not holds(replace(whole, ctx_size=2048 * (slots + 1), parallel=slots + 1))

        quant = largest_quantization(found.variant, QUANTS, whole, machine, prober)
        assert holds(whole, found.variant(quant))
        assert not holds(whole, found.variant(QUANTS[QUANTS.index(quant) - 1]))
    finally:
        prober.close()


def test_on_a_terminal_it_says_which_model_it_weighs_and_leaves_nothing_of_it():
    words = ("choose", "--vram", "2GiB", "--host-ram", "2GiB", "-c", "512", "--fast")
    for more, told in ((), True), (("--json",), False):
        ours, theirs = pty.openpty()
        with subprocess.Popen([*AIDX, *words, *more], stdout=subprocess.PIPE, stderr=theirs) as process:
            os.close(theirs)
            seen = b""
            with contextlib.suppress(OSError):  # how a terminal whose other end is closed ends
                while data := os.read(ours, 1 << 16):
                    seen += data
            assert process.stdout.read()
        os.close(ours)
        assert process.returncode == 0
        lines = seen.decode().split("\r\x1b[K")
        assert bool(seen) is told
        assert not told or (re.fullmatch(r"aidx: weighing 1 of \d+: .* F16", lines[1]) and not lines[-1])
