"""The demo as a newcomer runs it: the installed command, the real engine, the model that ships, no network."""

import json
import os
import platform
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema_rs
import psutil
import pytest
from tests.fakes.reader import Reader
from tests.running import ended

SECONDS = 60  # the promise on two cores; the whole test has more because the machine may be busy


def schema(name):
    text = (files("aidx") / "data" / "schemas" / f"{name}.json").read_text("utf-8")
    return jsonschema_rs.validator_for(json.loads(text))


def demo(folder, *arguments):
    """Run the command in *folder* with an empty home and nothing of ours in the environment."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    known = ("PATH", "SYSTEMROOT", "TMPDIR", "VIRTUAL_ENV")
    places = {name: None for name in os.environ if name not in known} | {"HOME": home, "PYTHONIOENCODING": "utf-8"}
    return ended("demo", *arguments, folder=folder, timeout=3 * SECONDS, **places)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """One run for people: what it printed, and the page it left."""
    folder = tmp_path_factory.mktemp("demo")
    return demo(folder), folder


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """One run for programs: its object, and the page it was told to write."""
    folder = tmp_path_factory.mktemp("demo-json")
    done = demo(folder, "--json", "--html", "tour.html")
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout), (folder / "tour.html").read_text("utf-8")


def test_it_ends_well_and_leaves_a_page_and_no_process(ran):
    done, folder = ran

    assert done.returncode == 0, done.stderr + done.stdout
    assert [path.name for path in folder.iterdir() if path.name != "home"] == ["aidx-demo.html"]
    left = [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(folder)]
    assert left == []


def test_progress_is_on_stderr_and_the_tour_on_stdout(ran):
    done, _ = ran

    assert [line[:9] for line in done.stderr.splitlines()] == [f"aidx: {station}/5" for station in (1, 2, 3, 4, 5)]
    for station in ("1. A 12.00 GiB card", "2. aidx-tiny", "3. Real work", "4. A prompt over the gate", "5. aidx run"):
        assert station in done.stdout
    assert "exactly the edit that was asked for" in done.stdout


def test_the_object_follows_its_schema_and_so_do_its_plans(found):
    story, _ = found

    schema("demo").validate(story)
    for plan in (story["plan"], *story["article"]["plans"].values()):
        schema("plan").validate(plan)
    assert story["seconds"] < SECONDS


def test_what_was_planned_was_allocated(found):
    comparison = found[0]["comparison"]

    assert {"weights", "kv_cache", "compute"} <= {entry["what"] for entry in comparison["entries"]}
    for entry in comparison["entries"]:
        assert abs(entry["planned_bytes"] - entry["allocated_bytes"]) <= entry["rounding_bytes"], entry
    assert comparison["resident_bytes"] > 0


def test_the_figures_are_those_of_plan(found, tmp_path):
    story, _ = found
    fixed = ("--vram", "12GiB", "--host-ram", "16GiB", "-c", "2048", "-ngl", "all", "--json")

    for quant in ("Q4_K_M", "Q8_0"):
        done = ended("plan", "qwen2.5-coder-14b", "--quant", quant, *fixed)
        planned, shown = json.loads(done.stdout), story["article"]["plans"][quant]
        del planned["alternatives"], shown["alternatives"]  # the demo does not look for other quantizations
        assert planned == shown


def test_the_edit_is_the_one_that_was_held_out(found):
    story, _ = found
    tasks = json.loads((files("aidx") / "data" / "aidx-tiny-tasks.json").read_text("utf-8"))
    (task,) = [
        task for task in tasks if (task["file"], task["edited"]) == (story["edit"]["file"], story["edit"]["result"])
    ]

    assert task["instruction"] == story["edit"]["instruction"]
    assert story["edit"]["diff"]


def test_one_plan_is_carried_out_and_the_wrong_edit_of_the_other_is_caught_and_taken_back(found):
    done, caught = found[0]["pipeline"]

    assert (done["status"], done["tree"], len(done["requests"])) == ("done", "changed", 4)
    assert "+def tax(amount, rate=19) -> int:" in done["diff"]
    assert len(done["commit"]) == 40
    assert (caught["status"], caught["tree"], caught["commit"]) == ("failed", "as_before", None)
    assert any(line.startswith("+") for line in caught["diff"][2:])
    assert "status 1" in caught["objection"]
    for run in (done, caught):
        assert run["peak_kv_bytes"] == 6 << 20
        assert all(request["prompt_tokens"] <= request["gate"] == 768 for request in run["requests"])


def test_the_refusal_adds_up(found):
    refusal = found[0]["refusal"]

    assert refusal["n_prompt_tokens"] > refusal["gate"]
    assert refusal["over_by"] >= refusal["n_prompt_tokens"] - refusal["gate"]
    assert refusal["n_ctx"] == found[0]["plan"]["roles"][0]["settings"]["n_ctx"]


def test_the_page_shows_what_the_object_says(found):
    story, text = found
    page = Reader(text)

    assert page.open == []
    assert story["plan"]["plan_hash"] in page.words
    assert story["refusal"]["message"] in page.words
    for entry in story["comparison"]["entries"]:
        assert f"{entry['allocated_bytes']:,}" in page.words


def test_another_task_gives_another_edit(tmp_path, found):
    done = demo(tmp_path, "--json", "--task", "1")
    first = json.loads((files("aidx") / "data" / "aidx-tiny-tasks.json").read_text("utf-8"))[0]

    edit = json.loads(done.stdout)["edit"]
    assert (edit["kind"], edit["file"], edit["instruction"]) == (first["kind"], first["file"], first["instruction"])
    assert edit["answer"] != found[0]["edit"]["answer"]
    assert done.returncode == (0 if edit["as_expected"] else 5)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--task", "0"), "there is no task 0"),
        (("--html", str(Path("missing") / "x.html")), "cannot write"),
    ],
)
def test_wrong_input_is_one_line_and_exit_2(tmp_path, arguments, told):
    done = demo(tmp_path, "-q", *arguments)

    assert done.returncode == 2
    assert told in done.stderr.splitlines()[0]
    assert done.stderr.count("\n") == 2


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="elsewhere the engine cannot be asked"
)
def test_the_readme_shows_what_is_printed(ran):
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    shown = readme.partition("aidx demo")[2].partition("```")[0].partition("\n")[2].splitlines()
    card, comparison = shown.index("…"), shown.index("…", shown.index("…") + 1)
    changes = [line for line in shown if line.startswith(("  -def ", "  +def "))]

    begins = next(place for place, line in enumerate(shown) if line.startswith("5. "))
    pipeline = [line for line in shown[begins:] if line != "…" and not line.startswith(("aidx-demo.html", "$ "))]

    printed = ran[0].stdout.splitlines()
    for line in (*shown[:card], shown[card + 1], *shown[comparison + 1 : comparison + 4], *changes, *pipeline):
        assert line in printed
    assert len(pipeline) > 8
    assert changes
