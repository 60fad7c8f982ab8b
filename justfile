# `just check` is what CI runs on a checkout; each recipe is one command.

check: lint types contracts test wheel

lint:
    uv run ruff format --check src tests benchmarks scripts
    uv run ruff check src tests benchmarks scripts

types:
    uv run mypy

contracts:
    uv run lint-imports --no-cache

test:
    uv run pytest

wheel:
    bash scripts/try_wheel.sh
