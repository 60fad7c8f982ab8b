"""What was tried against the pipeline's edits and its tree, and what became of it: one table from the tests.

    python benchmarks/safety.py

Runs the tests below, as CI does but with more rounds where they are drawn, and prints how many attacks, blocks, cuts
and documents there were, how many went wrong (0, or the command fails), and the figures that the tests print.
"""

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).parents[1]
TESTS = {
    "tests/property/test_edit_blocks.py": "sloppy, ambiguous and foreign SEARCH blocks",
    "tests/unit/pipeline/test_paths.py": "paths that an edit may not name",
    "tests/unit/adapters/workspace/test_held.py": "links, modes, locks; links put in the way of a write",
    "tests/unit/adapters/workspace/test_journal.py": "power cut after every step of a write of several files",
    "tests/e2e/test_poisoned_documents.py": "Editors and Architects that obey 50 poisoned documents",
    "tests/e2e/test_killed_runs.py": "runs killed at every record, and resumed",
    "tests/contract/test_program.py": "programs that edit by themselves, and what their models say",
}


def main() -> int:
    """Run them and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        words = ["-q", "-p", "no:cacheprovider", f"--junitxml={report}", "-o", "junit_logging=system-out", *TESTS]
        environment = {**os.environ, "RACES": os.environ.get("RACES", "1000")}
        command = [sys.executable, "-m", "pytest", *words]
        status = subprocess.run(command, cwd=HERE, env=environment, stdout=subprocess.DEVNULL, check=False).returncode
        cases, wrong, skipped, said = defaultdict(int), defaultdict(int), defaultdict(int), defaultdict(list)
        for case in ET.parse(report).iter("testcase"):
            name = case.attrib["classname"].replace(".", "/") + ".py"
            cases[name] += 1
            wrong[name] += any(case.find(kind) is not None for kind in ("failure", "error"))
            skipped[name] += case.find("skipped") is not None
            lines = (case.findtext("system-out") or "").splitlines()
            said[name] += [line for line in lines if line.startswith("figure: ")]
    print(f"{'':<66}{'tests':>6}{'wrong':>6}{'skipped':>8}")
    for name, about in TESTS.items():
        print(f"{about:<66}{cases[name]:>6}{wrong[name]:>6}{skipped[name]:>8}")
        for line in said[name]:
            print(f"    {line.removeprefix('figure: ')}")
    return status


if __name__ == "__main__":
    sys.exit(main())
