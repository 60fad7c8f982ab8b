#!/usr/bin/env bash
# Build the wheel and try the installed command outside the source tree: a missing data file is seen here.
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
uv build --quiet --wheel --out-dir "$here/dist"
uv venv --quiet "$here/venv"
# The same pins as the checkout, from its one table.
uv run --no-sync python - > "$here/pins.txt" <<'PY'
import tomllib
print("\n".join(tomllib.load(open("pyproject.toml", "rb"))["tool"]["uv"]["constraint-dependencies"]))
PY
uv pip install --quiet --python "$here/venv/bin/python" --constraint "$here/pins.txt" "$here"/dist/*.whl
cd "$here"
export HOME="$here/home" && mkdir "$HOME"
venv/bin/aidx --version
venv/bin/aidx plan aidx-tiny --vram 0 --json > plan.json
venv/bin/aidx plan qwen2.5-coder:14b --vram 12GiB --host-ram 16GiB -c 8192
venv/bin/aidx checklist --vram 12GiB --host-ram 16GiB --json > checklist.json
venv/bin/aidx demo --html demo.html
test -s demo.html
echo "the installed wheel works"
