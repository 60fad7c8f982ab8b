"""The plan in the docs, carried out as it stands there by the Editor that ships."""

import re
from pathlib import Path

from tests.running import aidx

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "run.md"


def test_the_first_plan_of_the_page_is_carried_out(tmp_path):
    plan, rows, settings = re.findall(
        r"^```(?:markdown|python|toml)\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )[:3]
    for name, text in {"plan.md": plan, "rows.py": rows, "aidx.toml": settings}.items():
        (tmp_path / name).write_text(text)

    aidx("run", "--plan", "plan.md", "--yes", folder=tmp_path)

    assert (tmp_path / "rows.py").read_text() == rows.replace("(rows)", "(rows, limit=10)")
