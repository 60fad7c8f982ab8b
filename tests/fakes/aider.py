"""A program called aider that takes the flags we give the real one, and does what its own file name's plan says.

It asks its model over ``OPENAI_API_BASE`` for line edits of the file it was given, as ``aidx-tiny`` makes them, and
carries them out. ``install`` writes it into a folder for PATH; *manner* is how it goes wrong.
"""

import stat
import sys
from pathlib import Path

PROGRAM = """\
#!{python}
import argparse, json, os, pathlib, re, sys, time, urllib.error, urllib.request

MANNER = {manner!r}
parser = argparse.ArgumentParser()
for name in ("file", "message", "model", "model-settings-file", "max-chat-history-tokens"):
    parser.add_argument("--" + name, required=True)
parser.add_argument("--read", action="append", default=[])
words, flags = parser.parse_known_args()
assert "--no-auto-commits" in flags and "--map-tokens=0" in flags and "--yes-always" not in flags, flags
assert all(os.path.exists(path) for path in [words.file, *words.read])
(settings,) = json.loads(pathlib.Path(words.model_settings_file).read_text())
assert settings["name"] == words.model
assert settings["extra_params"]["extra_body"]["num_ctx"] == int(words.max_chat_history_tokens)
assert not [name for name in os.environ if name.endswith(("_KEY", "_TOKEN")) and name != "OPENAI_API_KEY"], os.environ
assert sys.stdin.readline() == "n\\n"

path = pathlib.Path(words.file)
text = path.read_text()
step = words.message.split("Your step now: ")[1].split("\\n")
if MANNER == "foreign":
    pathlib.Path("other.py").write_text("PWNED")
if MANNER == "idle":
    sys.exit(0)
if MANNER == "hang":
    time.sleep(600)
lines = text.splitlines(keepends=True)
target = step[0].partition("::")[2]
first = next(number for number, line in enumerate(lines) if line.startswith("def " + target))
shown = "".join(f"{{number:02d}}|{{line}}" for number, line in enumerate(lines[first:], 1)).rstrip("\\n")
prompt = step[1] + "\\n\\n" + shown
if MANNER == "chatty":
    prompt += "\\nMind the row." * 2000
body = {{"model": words.model.partition("/")[2], "messages": [{{"role": "user", "content": prompt}}], "temperature": 0}}
body["num_ctx"] = settings["extra_params"]["extra_body"]["num_ctx"]
request = urllib.request.Request(
    os.environ["OPENAI_API_BASE"] + "/chat/completions",
    json.dumps(body).encode(),
    {{"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}},
)
try:
    with urllib.request.urlopen(request) as answer:
        said = json.load(answer)["choices"][0]["message"]["content"]
except urllib.error.HTTPError as error:
    print(error.read().decode())
    sys.exit(0)  # as the real one
print(said)
if MANNER == "insistent":
    time.sleep(0.2)  # the gateway writes down what it has answered, and then knows it
    try:
        urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        print(error.read().decode())
for edit in re.findall(r"(\\d\\d)\\|(.*)", said):
    lines[first + int(edit[0]) - 1] = edit[1] + "\\n"
path.write_text("".join(lines))
sys.exit({status})
"""


def install(folder, manner="", status=0):
    """The program in *folder*, which is made; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    place = Path(folder) / "aider"
    place.write_text(PROGRAM.format(python=sys.executable, manner=manner, status=status))
    place.chmod(place.stat().st_mode | stat.S_IXUSR)
    return place
