"""Where ``aidx`` starts: garbage is not looked for while modules are loaded, nor a last time at the end.

Start-up makes many objects and drops hardly any, so that looking through them is all cost: about a tenth of a plan
when they are made, and a fifth when the interpreter ends. This is why nothing else is imported up here.
"""

import gc
import sys
from typing import NoReturn

COLLECT_AFTER = 50_000  # objects


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    gc.set_threshold(COLLECT_AFTER)
    from aidx.cli._root import run

    code = run(sys.argv[1:])
    gc.freeze()  # what is alive now is let go, not searched: files were closed and children ended by their owners
    sys.exit(code)
