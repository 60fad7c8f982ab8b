"""The report in a real browser: it shows its segments, asks nobody for anything, and looks at both schemes."""

import json
import re
import struct

import pytest
from tests.browser import Browser
from tests.running import aidx


@pytest.fixture(scope="module")
def browse(tmp_path_factory):
    """Run Chromium on a file with more flags; returns what it prints."""
    return Browser(tmp_path_factory.mktemp("profile"))


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Write the report of a plan with the installed command."""
    folder = tmp_path_factory.mktemp("reports")

    def write(name, *arguments, code):
        path = folder / f"{name}.html"
        fixed = ("--vram", "12GiB", "--host-ram", "16GiB", "--fast", "--json", "--html", str(path))
        return path, json.loads(aidx("plan", "qwen2.5-coder-14b", *arguments, *fixed, code=code).stdout)

    return write


def segments(dom):
    """``(what, bytes)`` of each segment that the browser holds in its tree."""
    found = re.findall(r'<g class="segment" data-what="(\w+)" data-bytes="(\d+)">', dom)
    return [(what, int(size)) for what, size in found]


def expected(plan):
    """The segments that a plan's JSON calls for, device after device."""
    for device in plan["devices"]:
        yield from ((entry["what"], entry["bytes"]) for entry in device["entries"] if entry["bytes"])
        left = device["headroom_bytes"]
        if left:
            yield ("headroom" if left > 0 else "over", abs(left))


def test_the_browser_sees_a_segment_for_each_entry_and_the_headroom(browse, report):
    path, plan = report("fits", "--quant", "Q4_K_M", "-c", "8192", code=0)

    dom = browse(path, "--dump-dom")

    assert sorted(segments(dom)) == sorted(expected(plan))
    assert plan["plan_hash"] in dom
    assert 'data-verdict="fits"' in dom


def test_a_plan_over_budget_is_seen_as_overflow(browse, report):
    path, plan = report("over", "--quant", "F16", "-c", "8192", "-ngl", "all", code=3)

    dom = browse(path, "--dump-dom")

    assert sorted(segments(dom)) == sorted(expected(plan))
    assert "over" in dict(segments(dom))
    assert 'data-verdict="does_not_fit"' in dom


def test_the_report_asks_nobody_for_anything(browse, report, tmp_path):
    path, _ = report("fits", "--quant", "Q4_K_M", "-c", "8192", code=0)

    assert browse.requests(path, tmp_path) == []


def test_the_page_of_a_loss_asks_nobody_and_draws_it(browse, tmp_path):
    path = tmp_path / "loss.html"
    aidx("loss", "qwen2.5-coder-14b", "--html", path, "-q")
    dom = browse(path, "--dump-dom")

    assert 'data-quality="' in dom
    assert 'class="interval"' in dom
    assert browse.requests(path, tmp_path) == []


def test_the_page_of_the_demo_asks_nobody_either(browse, tmp_path):
    page = tmp_path / "demo.html"
    aidx("demo", "--json", "--html", page)

    assert browse.requests(page, tmp_path) == []
    assert 'data-holds="yes"' in browse(page, "--dump-dom")


def test_a_page_that_asks_would_be_seen(browse, tmp_path):
    page = tmp_path / "control.html"
    page.write_text('<!doctype html><title>x</title><img src="http://elsewhere.invalid/x.png">', "utf-8")

    assert browse.requests(page, tmp_path) == ["http://elsewhere.invalid/x.png"]


def test_the_picture_is_drawn_in_light_and_in_dark(browse, report, tmp_path):
    path, _ = report("fits", "--quant", "Q4_K_M", "-c", "8192", code=0)

    shots = []
    for scheme in ("1", "0"):
        shot = tmp_path / f"{scheme}.png"
        browse(
            path, "--window-size=1000,1200", f"--blink-settings=preferredColorScheme={scheme}", f"--screenshot={shot}"
        )
        shots.append(shot.read_bytes())

    for shot in shots:
        assert shot.startswith(b"\x89PNG")
        assert struct.unpack(">II", shot[16:24]) == (1000, 1200)
        assert len(shot) > 20_000  # an empty page of this size has about 6 kB
    assert shots[0] != shots[1]
