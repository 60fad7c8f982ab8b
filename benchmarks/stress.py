"""A proof in three lines, and planned against measured in per cent: planned, unplanned, and a ceiling too small.

    uv run python benchmarks/stress.py [MODEL] [options of aidx plan …]

Needs a hard ceiling (root, or systemd's delegation): see `aidx doctor`. Without MODEL it takes aidx-tiny.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

MIB = 1 << 20
SMALLER = 0.6  # of the plan: less than the engine can load in


def stress(words: Sequence[str], *more: str) -> tuple[int, dict[str, Any], float]:
    """Exit code, object and seconds of one run."""
    begun = time.monotonic()
    argv = [sys.executable, "-m", "aidx", "stress", *words, *more, "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    if "error" in found:
        sys.exit(found["error"]["message"])
    return done.returncode, found, time.monotonic() - begun


def line(title: str, verdict: str, code: object, found: dict[str, Any], seconds: float) -> None:
    """One row."""
    ceiling, peak = found["ceiling_bytes"] / MIB, found["measured_peak_bytes"] / MIB
    sizes = f"{ceiling:>9.1f} {peak:>9.1f} {found['kv_occupancy']:>8.1%} {seconds:>6.1f}"
    print(f"{title:<20} {verdict:<14} {code!s:>4} {sizes}")


def main() -> None:
    """Print both tables."""
    words = sys.argv[1:] or ["aidx-tiny", "--vram", "0"]
    stress(words)  # measures the engine's process once, so that the ceiling is as tight as the plan
    code, planned, seconds = stress(words)
    print(f"{'':<20} {'verdict':<14} {'exit':>4} {'ceil. MiB':>9} {'peak MiB':>9} {'KV full':>8} {'s':>6}")
    line("planned", planned["verdict"], code, planned, seconds)
    begun = time.monotonic()
    twin = stress(words, "--twin")[1]["twin"]
    both = {**planned, "measured_peak_bytes": twin["peak_bytes"], "kv_occupancy": 0.0}
    line("unplanned", "DIES" if twin["died"] else "LIVES", "", both, time.monotonic() - begun - seconds)
    print(f"{'':<20} {twin['what']} ({twin['settings']})")
    small = round(planned["planned_peak_bytes"] * SMALLER)
    code, found, seconds = stress(words, "--ceiling", str(small))
    line("ceiling too small", found["verdict"], code, found, seconds)
    print(f"{'':<20} {found['reason']}\n\n{'bytes':<24}{'planned':>14}{'measured':>14}{'difference':>12}")
    for row in planned["differences"]:
        name, off = f"{row['device']} {row['what']}", row["measured_bytes"] - row["planned_bytes"]
        share = f"{off / row['planned_bytes']:+.2%}" if abs(off) > row["rounding_bytes"] else "0 (log)"
        print(f"{name:<24}{row['planned_bytes']:>14,}{row['measured_bytes']:>14,}{share:>12}")
    for each in planned["devices"]:
        share = (each["measured_bytes"] - each["planned_bytes"]) / each["planned_bytes"]
        sizes = f"{each['planned_bytes']:>14,}{each['measured_bytes']:>14,}{share:>+12.2%}"
        print(f"{each['name'] + ' at its peak':<24}{sizes}")


if __name__ == "__main__":
    main()
