"""What the embedded engine can compute on: its own list of devices, asked in a child process.

A child, because a GPU build initializes its driver when it is imported, and because that may fail hard.
"""

import json
import subprocess
import sys

from aidx.adapters.llama.wheel import PACKAGE, PINNED
from aidx.plan.inventory import Seen, Sight

ENGINE = "embedded"
DEADLINE_S = 30.0  # a CUDA build starts its driver: seconds on a machine with many GPUs
KINDS = ("cpu", "gpu", "igpu", "accel")  # enum ggml_backend_dev_type
FIX = (
    f"its build is for the CPU: install the {PACKAGE}=={PINNED} wheel for your GPU (CUDA, ROCm or Vulkan; "
    f"the project's page names the index of each), then run aidx devices again"
)
_ASK = (
    "import json, xllamacpp\n"
    "print(json.dumps([xllamacpp.__version__, [[d['name'], int(d['type']), d['description']]"
    " for d in xllamacpp.get_device_info()]]))"
)


def look(program: str = _ASK) -> Sight:
    """Ask; blocks for about 0.3 s, never raises. *program* prints the version and the rows of devices."""
    argv = [sys.executable, "-P", "-c", program]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    except subprocess.TimeoutExpired:
        return Sight(ENGINE, "", reason=f"no answer in {DEADLINE_S:g} s")
    except OSError as error:
        return Sight(ENGINE, "", reason=f"its process cannot be started: {error.strerror}")
    try:
        version, rows = json.loads(done.stdout.splitlines()[-1])
        seen = tuple(Seen(name, KINDS[kind], description) for name, kind, description in rows)
    except (ValueError, IndexError, TypeError):
        last = done.stderr.strip().splitlines()[-1:]
        return Sight(ENGINE, "", reason=last[0] if last else f"exit status {done.returncode}")
    return Sight(ENGINE, f"{PACKAGE} {version}", seen, fix=FIX)
